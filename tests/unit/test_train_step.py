"""The arithmetic of a step: gradients, accumulation, clipping, skipping, scaling."""

import shutil
from dataclasses import replace
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
from web4mlx.train.batches import Layout, lay_out_bucketed, lay_out_padded, make_batch  # noqa: E402
from web4mlx.train.layers import Dropout  # noqa: E402
from web4mlx.train.lora import (  # noqa: E402
    Adapters,
    LoraLinear,
    attach_adapters,
    first_adapters,
    place_adapters,
)
from web4mlx.train.loss import plain_loss_sum  # noqa: E402
from web4mlx.train.network import LibraryLayers, OwnLayers  # noqa: E402
from web4mlx.train.packing import pack  # noqa: E402
from web4mlx.train.recompute import recompute_library_layers, recompute_plan  # noqa: E402
from web4mlx.train.step import LossScale, apply_gradients, new_optimizer, step_gradients  # noqa: E402


def build(
    folder: Path, qwen: bool = False, dropout: float = 0.0, recompute: Any = "none", dtype: Any = mx.float32
) -> tuple[OwnLayers, Adapters]:
    (write_micro_qwen2 if qwen else write_micro_llama)(folder)
    model, _ = load_model(folder)
    model.set_dtype(dtype)
    names = attach_adapters(model, LoraConfig(rank=4, alpha=8, dropout=dropout))
    adapters = first_adapters(model, names, 4, seed=3)
    mx.random.seed(11)
    for key, value in adapters.items():
        if key.endswith("lora_b"):
            adapters[key] = mx.random.normal(value.shape) * 0.05
    return OwnLayers(model, 2.0, dropout, dtype, recompute_plan(recompute, len(model.layers))), adapters


def plain_gradients(network: OwnLayers, adapters: Adapters, batches: Any) -> tuple[Any, Adapters]:
    """mlx-lm's own layers and all logits."""
    supervised = sum(len(batch.targets) for batch in batches)

    def loss(weights: Adapters) -> Any:
        place_adapters(network.model, weights, network.dtype)
        return sum(plain_loss_sum(network.model, batch) for batch in batches) / supervised

    result: tuple[Any, Adapters] = mx.value_and_grad(loss)(adapters)
    return result


def largest_relative(left: Adapters, right: Adapters) -> float:
    return max(
        float((mx.abs(left[key] - right[key]).max() / (mx.abs(right[key]).max() + 1e-12)).item())
        for key in right
    )


@pytest.mark.parametrize("qwen", [False, True], ids=["llama-tied", "qwen2-untied-biases"])
@pytest.mark.parametrize("recompute", ["none", "selective", "full", 1])
def test_own_loss_and_gradients_equal_the_plain_ones(tmp_path: Path, qwen: bool, recompute: Any) -> None:
    network, adapters = build(tmp_path, qwen, recompute=recompute)
    rows = random_rows(7)
    plain, plain_parts = plain_gradients(network, adapters, lay_out_bucketed(rows, range(7), 256))
    for batching in ("packed", "bucketed", "max_length"):
        batches = Layout(batching, 256, 64)(rows, range(7))
        own, own_parts = step_gradients(network, adapters, batches, 0, 1.0)
        assert own.item() == pytest.approx(plain.item(), rel=1e-6)
        assert largest_relative(own_parts, plain_parts) < 5e-5


def test_a_shifted_target_is_noticed(tmp_path: Path) -> None:
    model, adapters = build(tmp_path)
    (batch,) = lay_out_bucketed(random_rows(1), [0], 256)
    shifted = replace(batch, targets=np.roll(batch.targets, 1))
    right = step_gradients(model, adapters, [batch], 0, 1.0)[1]
    wrong = step_gradients(model, adapters, [shifted], 0, 1.0)[1]
    assert largest_relative(wrong, right) > 1e-2


def test_chunked_head_equals_one_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from web4mlx.train import loss as loss_module

    model, adapters = build(tmp_path)
    batches = [make_batch(random_rows(9), range(9))]
    whole, whole_parts = step_gradients(model, adapters, batches, 0, 1.0)
    monkeypatch.setattr(loss_module, "CHUNK", {"cpu": (5, 37), "gpu": (5, 37)})
    chunked, parts = step_gradients(model, adapters, batches, 0, 1.0)
    assert chunked.item() == pytest.approx(whole.item(), rel=1e-6)
    assert largest_relative(parts, whole_parts) < 5e-5


def test_accumulation_of_twelve_equals_one_batch_of_twelve(tmp_path: Path) -> None:
    model, adapters = build(tmp_path)
    rows = random_rows(12, seed=4)
    one = step_gradients(model, adapters, [make_batch(rows, range(12))], 0, 1.0)
    twelve = step_gradients(model, adapters, lay_out_padded(rows, range(12), 64, 1), 0, 1.0)
    assert twelve[0].item() == pytest.approx(one[0].item(), rel=1e-5)
    assert largest_relative(twelve[1], one[1]) < 1e-5


def test_padding_does_not_enter_the_loss(tmp_path: Path) -> None:
    model, adapters = build(tmp_path)
    rows = random_rows(2, seed=6)
    tight = step_gradients(model, adapters, [make_batch(rows, [0])], 0, 1.0)
    padded = step_gradients(model, adapters, [make_batch(rows, [0], 96)], 0, 1.0)
    assert padded[0].item() == pytest.approx(tight[0].item(), rel=1e-6)
    assert largest_relative(padded[1], tight[1]) < 1e-5


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
    batches = lay_out_bucketed(random_rows(3), range(3), 256)
    results = []
    for scale in (1.0, 1024.0):
        optimizer = new_optimizer(TrainingConfig())
        optimizer.init(adapters)
        _, gradients = step_gradients(model, adapters, batches, 0, scale)
        results.append(apply_gradients(adapters, gradients, optimizer, 1.0, scale))
    assert results[0][1] == pytest.approx(results[1][1], rel=1e-5)


def test_dropout_depends_on_the_seed_alone(tmp_path: Path) -> None:
    model, adapters = build(tmp_path, dropout=0.3)
    batches = lay_out_bucketed(random_rows(3), range(3), 256)
    first = step_gradients(model, adapters, batches, 5, 1.0)[0].item()
    mx.random.normal((10,))
    again = step_gradients(model, adapters, batches, 5, 1.0)[0].item()
    other = step_gradients(model, adapters, batches, 6, 1.0)[0].item()
    silent = step_gradients(model, adapters, batches, None, 1.0)[0].item()
    assert first == again
    assert len({first, other, silent}) == 3


@pytest.mark.parametrize("recompute", ["selective", "full", 1])
def test_recomputed_regions_drop_the_same_inputs_again(tmp_path: Path, recompute: Any) -> None:
    rows = random_rows(4)
    results = []
    for way in ("none", recompute):
        network, adapters = build(tmp_path, qwen=True, dropout=0.3, recompute=way)
        results.append(step_gradients(network, adapters, pack(rows, range(4), 256), 5, 1.0))
    assert results[1][0].item() == pytest.approx(results[0][0].item(), rel=1e-6)
    assert largest_relative(results[1][1], results[0][1]) < 5e-5


def test_dropout_drops_its_share() -> None:
    dropped = Dropout(0.2, mx.random.key(1))(mx.ones((200, 301)))
    kept = np.array(dropped) > 0
    assert kept.mean() == pytest.approx(0.8, abs=0.01)
    assert np.array(dropped)[kept] == pytest.approx(1.25)


@pytest.mark.parametrize("count", [1, 2])
def test_library_layers_give_the_same_gradients_with_and_without_recomputing(
    tmp_path: Path, count: int
) -> None:
    own, adapters = build(tmp_path, dropout=0.3)
    names = {key.rsplit(".", 1)[0] for key in adapters}
    for layer in own.model.layers:
        for _, module in layer.named_modules():
            if isinstance(module, LoraLinear):
                module.dropout = 0.3
    library = LibraryLayers(own.model, sorted(names), mx.float32)
    batches = lay_out_bucketed(random_rows(4), range(4), 256)
    plain = step_gradients(library, adapters, batches, 5, 1.0)
    recompute_library_layers(own.model, count)
    again = step_gradients(library, adapters, batches, 5, 1.0)
    assert again[0].item() == pytest.approx(plain[0].item(), rel=1e-6)
    assert largest_relative(again[1], plain[1]) < 5e-5


def test_a_half_precision_base_learns_with_float32_masters(tmp_path: Path) -> None:
    model, adapters = build(tmp_path, dtype=mx.float16)
    batches = lay_out_bucketed(random_rows(4), range(4), 256)
    optimizer = new_optimizer(TrainingConfig(learning_rate=0.01))
    optimizer.init(adapters)
    losses = []
    for _ in range(8):
        loss, gradients = step_gradients(model, adapters, batches, 0, 4096.0)
        adapters, norm = apply_gradients(adapters, gradients, optimizer, 1.0, 4096.0)
        losses.append(loss.item())
        assert np.isfinite(norm)
    assert all(value.dtype == mx.float32 for value in adapters.values())
    assert losses[-1] < losses[0]


@pytest.mark.skipif(shutil.which("g++") is None, reason="MLX compiles for a CPU with g++")
def test_compiled_gradients_equal_eager_ones(tmp_path: Path) -> None:
    network, adapters = build(tmp_path)
    batches = pack(random_rows(3), range(3), 256)
    eager = step_gradients(network, adapters, batches, None, 1.0)
    network.compiled = True
    compiled = step_gradients(network, adapters, batches, None, 1.0)
    assert compiled[0].item() == pytest.approx(eager[0].item(), rel=1e-6)
    assert largest_relative(compiled[1], eager[1]) < 5e-5
