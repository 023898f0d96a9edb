"""The arithmetic of a step: gradients, accumulation, clipping, skipping, scaling."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.micro_models import write_micro_llama, write_micro_qwen2
from tests.unit.test_train_batches import random_rows
from web4mlx.machine.mlx_runtime import load_mlx

mx = load_mlx("cpu")

from mlx_lm.utils import load_model  # noqa: E402

from web4mlx.config.schema import LoraConfig, TrainingConfig  # noqa: E402
from web4mlx.train import step as step_module  # noqa: E402
from web4mlx.train.batches import lay_out, lay_out_padded, make_batch  # noqa: E402
from web4mlx.train.lora import Adapters, attach_adapters, first_adapters, place_adapters  # noqa: E402
from web4mlx.train.loss import plain_loss_sum, token_loss_sum  # noqa: E402
from web4mlx.train.recompute import recompute_layers  # noqa: E402
from web4mlx.train.step import LossScale, apply_gradients, new_optimizer, step_gradients  # noqa: E402


def build(folder: Path, qwen: bool = False, dropout: float = 0.0) -> tuple[Any, Adapters]:
    (write_micro_qwen2 if qwen else write_micro_llama)(folder)
    model, _ = load_model(folder)
    model.set_dtype(mx.float32)
    names = attach_adapters(model, LoraConfig(rank=4, alpha=8, dropout=dropout))
    adapters = first_adapters(model, names, 4, seed=3)
    mx.random.seed(11)
    for key, value in adapters.items():
        if key.endswith("lora_b"):
            adapters[key] = mx.random.normal(value.shape) * 0.05
    return model, adapters


def largest_relative(left: Adapters, right: Adapters) -> float:
    return max(
        float((mx.abs(left[key] - right[key]).max() / (mx.abs(right[key]).max() + 1e-12)).item())
        for key in right
    )


@pytest.mark.parametrize("qwen", [False, True], ids=["llama-tied", "qwen2-untied-biases"])
def test_own_loss_and_gradients_equal_the_plain_ones(
    tmp_path: Path, qwen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, adapters = build(tmp_path, qwen)
    batches = lay_out(random_rows(7), range(7), 256)
    own, own_gradients = step_gradients(model, adapters, batches, mx.float32, 0, 1.0)
    monkeypatch.setattr(step_module, "token_loss_sum", plain_loss_sum)
    plain, plain_gradients = step_gradients(model, adapters, batches, mx.float32, 0, 1.0)
    assert own.item() == pytest.approx(plain.item(), rel=1e-6)
    assert largest_relative(own_gradients, plain_gradients) < 5e-5


def test_a_shifted_target_is_noticed(tmp_path: Path) -> None:
    model, adapters = build(tmp_path)
    (batch,) = lay_out(random_rows(1), [0], 256)
    shifted = type(batch)(batch.inputs, batch.positions, np.roll(batch.targets, 1), batch.tokens)
    right = step_gradients(model, adapters, [batch], mx.float32, 0, 1.0)[1]
    wrong = step_gradients(model, adapters, [shifted], mx.float32, 0, 1.0)[1]
    assert largest_relative(wrong, right) > 1e-2


def test_chunked_head_equals_one_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from web4mlx.train import loss as loss_module

    model, adapters = build(tmp_path)
    place_adapters(model, adapters, mx.float32)
    batch = make_batch(random_rows(9), range(9))
    whole = token_loss_sum(model, batch).item()
    monkeypatch.setattr(loss_module, "CHUNK_ROWS", 5)
    assert token_loss_sum(model, batch).item() == pytest.approx(whole, rel=1e-6)


def test_accumulation_of_twelve_equals_one_batch_of_twelve(tmp_path: Path) -> None:
    model, adapters = build(tmp_path)
    rows = random_rows(12, seed=4)
    one = step_gradients(model, adapters, [make_batch(rows, range(12))], mx.float32, 0, 1.0)
    twelve = step_gradients(model, adapters, lay_out_padded(rows, range(12), 64, 1), mx.float32, 0, 1.0)
    assert twelve[0].item() == pytest.approx(one[0].item(), rel=1e-5)
    assert largest_relative(twelve[1], one[1]) < 1e-5


def test_padding_does_not_enter_the_loss(tmp_path: Path) -> None:
    model, adapters = build(tmp_path)
    rows = random_rows(2, seed=6)
    tight = step_gradients(model, adapters, [make_batch(rows, [0])], mx.float32, 0, 1.0)
    padded = step_gradients(model, adapters, [make_batch(rows, [0], 96)], mx.float32, 0, 1.0)
    assert padded[0].item() == pytest.approx(tight[0].item(), rel=1e-6)
    assert largest_relative(padded[1], tight[1]) < 1e-5


def test_gradients_equal_finite_differences(tmp_path: Path) -> None:
    model, adapters = build(tmp_path)
    model.set_dtype(mx.float64)
    adapters = {key: value.astype(mx.float64) for key, value in adapters.items()}
    batches = lay_out(random_rows(2, seed=8), range(2), 256)
    supervised = sum(len(batch.targets) for batch in batches)

    def loss(weights: Adapters) -> float:
        place_adapters(model, weights, mx.float64)
        return sum(plain64(model, batch) for batch in batches) / supervised

    def plain64(model: Any, batch: Any) -> float:
        logits = model(mx.array(batch.inputs)).reshape(-1, model.args.vocab_size)[mx.array(batch.positions)]
        wanted = mx.take_along_axis(logits, mx.array(batch.targets)[:, None], axis=-1)[:, 0]
        return float((mx.logsumexp(logits, axis=-1) - wanted).sum().item())

    gradients = step_gradients(model, adapters, batches, mx.float64, 0, 1.0)[1]
    generator = np.random.default_rng(0)
    for key in list(adapters)[:: max(1, len(adapters) // 6)]:
        direction = mx.array(generator.standard_normal(adapters[key].shape), dtype=mx.float64)
        moved = [loss({**adapters, key: adapters[key] + sign * 1e-3 * direction}) for sign in (1, -1)]
        numeric = (moved[0] - moved[1]) / 2e-3
        analytic = float((gradients[key] * direction).sum().item())
        assert numeric == pytest.approx(analytic, rel=1e-3, abs=1e-6), key


def test_clipping_bounds_the_update_direction(tmp_path: Path) -> None:
    adapters = {"a": mx.ones((2, 2))}
    optimizer = new_optimizer(TrainingConfig())
    optimizer.init(adapters)
    _, norm = apply_gradients(adapters, {"a": mx.full((2, 2), 50.0)}, optimizer, 1.0, 1.0)
    assert norm == pytest.approx(100.0)
    first_moment = optimizer.state["a"]["m"]
    assert float(mx.sqrt((first_moment**2).sum()).item()) == pytest.approx(0.1, rel=1e-3)


@pytest.mark.parametrize("bad", [float("inf"), float("nan")])
def test_a_non_finite_gradient_changes_nothing(bad: float) -> None:
    adapters = {"a": mx.ones((2, 2))}
    optimizer = new_optimizer(TrainingConfig())
    optimizer.init(adapters)
    updated, norm = apply_gradients(adapters, {"a": mx.array([[bad, 1.0], [1.0, 1.0]])}, optimizer, 1.0, 1.0)
    assert not np.isfinite(norm)
    assert updated is adapters
    assert int(optimizer.state["step"].item()) == 0


def test_loss_scale_halves_on_overflow_and_grows_when_good() -> None:
    scale = LossScale.for_dtype(mx.float16)
    first = scale.value
    scale.update(False, mx.float16)
    assert scale.value == first / 2
    for _ in range(200):
        scale.update(True, mx.float16)
    assert scale.value == first
    assert LossScale.for_dtype(mx.float32).value == 1.0


def test_scaled_gradients_unscale_to_the_same_update(tmp_path: Path) -> None:
    model, adapters = build(tmp_path)
    batches = lay_out(random_rows(3), range(3), 256)
    results = []
    for scale in (1.0, 1024.0):
        optimizer = new_optimizer(TrainingConfig())
        optimizer.init(adapters)
        _, gradients = step_gradients(model, adapters, batches, mx.float32, 0, scale)
        results.append(apply_gradients(adapters, gradients, optimizer, 1.0, scale))
    assert results[0][1] == pytest.approx(results[1][1], rel=1e-5)


def test_dropout_depends_on_the_seed_alone(tmp_path: Path) -> None:
    model, adapters = build(tmp_path, dropout=0.3)
    model.train()
    batches = lay_out(random_rows(3), range(3), 256)
    first = step_gradients(model, adapters, batches, mx.float32, 5, 1.0)[0].item()
    mx.random.normal((10,))
    again = step_gradients(model, adapters, batches, mx.float32, 5, 1.0)[0].item()
    other = step_gradients(model, adapters, batches, mx.float32, 6, 1.0)[0].item()
    model.eval()
    silent = step_gradients(model, adapters, batches, mx.float32, 5, 1.0)[0].item()
    assert first == again
    assert len({first, other, silent}) == 3


@pytest.mark.parametrize("count", [1, "all"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_recomputed_layers_give_the_same_gradients(tmp_path: Path, count: Any, dropout: float) -> None:
    model, adapters = build(tmp_path, qwen=True, dropout=dropout)
    model.train()
    batches = lay_out(random_rows(4), range(4), 256)
    plain = step_gradients(model, adapters, batches, mx.float32, 5, 1.0)
    assert recompute_layers(model, count) == (2 if count == "all" else 1)
    again = step_gradients(model, adapters, batches, mx.float32, 5, 1.0)
    assert again[0].item() == pytest.approx(plain[0].item(), rel=1e-6)
    assert largest_relative(again[1], plain[1]) < 5e-5


def test_a_half_precision_base_learns_with_float32_masters(tmp_path: Path) -> None:
    model, adapters = build(tmp_path)
    model.set_dtype(mx.float16)
    batches = lay_out(random_rows(4), range(4), 256)
    optimizer = new_optimizer(TrainingConfig(learning_rate=0.01))
    optimizer.init(adapters)
    losses = []
    for _ in range(8):
        loss, gradients = step_gradients(model, adapters, batches, mx.float16, 0, 4096.0)
        adapters, norm = apply_gradients(adapters, gradients, optimizer, 1.0, 4096.0)
        losses.append(loss.item())
        assert np.isfinite(norm)
    assert all(value.dtype == mx.float32 for value in adapters.values())
    assert losses[-1] < losses[0]
