"""float16 and bfloat16: close to float32, half as wide inside the layers, float32 outside."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.torch_reference import TinyShape
from tests.unit.test_train_batches import random_rows
from web4mlx.config.schema import LoraConfig
from web4mlx.machine.mlx_runtime import load_mlx

mx = load_mlx("cpu")

from mlx_lm.utils import load_model  # noqa: E402

from web4mlx.train import layers  # noqa: E402
from web4mlx.train.batches import lay_out_bucketed  # noqa: E402
from web4mlx.train.lora import Adapters, attach_adapters, first_adapters  # noqa: E402
from web4mlx.train.network import LibraryLayers, OwnLayers  # noqa: E402
from web4mlx.train.packing import pack  # noqa: E402
from web4mlx.train.recompute import recompute_plan  # noqa: E402
from web4mlx.train.step import step_gradients  # noqa: E402

SHAPE = TinyShape("qwen2", 4, 2, tied=False, layers=2, hidden=128, wide=192, vocabulary=200)
LIMITS = {mx.float16: 0.01, mx.bfloat16: 0.06}
"""Eight times the precision's rounding error, 5e-4 and 4e-3, rounded; twice what mlx-lm's own layers show."""
LOSS_SCALE = 4096.0
IDS = {mx.float16: "float16", mx.bfloat16: "bfloat16"}
half = pytest.mark.parametrize("dtype", LIMITS, ids=IDS.values())


def load(folder: Path, dtype: Any, key_bias: float = 0.0, dropout: float = 0.0) -> tuple[Any, Adapters]:
    """The model in a precision with adapters attached, and their float32 masters."""
    model, _ = load_model(SHAPE.write(folder))
    if key_bias:
        for layer in model.layers:
            projection = layer.self_attn.k_proj
            projection.bias = projection.bias + key_bias * (mx.arange(projection.bias.size) % 16 == 9)
    model.set_dtype(dtype)
    names = attach_adapters(model, LoraConfig(rank=4, alpha=8, dropout=dropout))
    generator = np.random.default_rng(4)
    masters = first_adapters(model, names, 4, 0).items()
    return model, {
        key: mx.array(generator.normal(0, 0.05, value.shape).astype(np.float32)) for key, value in masters
    }


def gradients_of(network: Any, adapters: Adapters, batches: Any, scale: float) -> tuple[float, Adapters]:
    loss, gradients = step_gradients(network, adapters, batches, 7, scale)
    assert all(gradient.dtype == mx.float32 for gradient in gradients.values())
    return loss.item(), {key: gradient / scale for key, gradient in gradients.items()}


def distance(left: Adapters, right: Adapters) -> float:
    """Largest norm of a matrix's difference over the norm of the matrix."""
    return max(
        float((mx.linalg.norm(left[key] - right[key]) / mx.linalg.norm(right[key])).item()) for key in right
    )


@half
@pytest.mark.parametrize("way", ["none", "selective", "full"])
def test_half_precision_gradients_are_close_to_float32(tmp_path: Path, dtype: Any, way: Any) -> None:
    rows, results = random_rows(6), {}
    for precision in (mx.float32, dtype):
        model, adapters = load(tmp_path, precision)
        own = OwnLayers(model, 2.0, 0.0, precision, recompute_plan(way, 2))
        scale = LOSS_SCALE if precision == mx.float16 else 1.0
        results[precision] = gradients_of(own, adapters, pack(rows, range(6), 256), scale)
    assert results[dtype][0] == pytest.approx(results[mx.float32][0], rel=LIMITS[dtype] / 10)
    assert distance(results[dtype][1], results[mx.float32][1]) < LIMITS[dtype]


@pytest.mark.parametrize(
    ("dtype", "key_bias"), [(mx.float16, 0.0), (mx.float16, 300.0), (mx.bfloat16, 0.0), (mx.bfloat16, 30.0)]
)
def test_half_precision_is_as_exact_as_that_of_mlx_lm(tmp_path: Path, dtype: Any, key_bias: float) -> None:
    """Also with large key biases, which Qwen2.5 has: scores stay finite and keep their differences."""
    ours = theirs = 0.0
    for seed in range(2):
        batches = lay_out_bucketed(random_rows(6, seed), range(6), 256)
        model, adapters = load(tmp_path, mx.float32, key_bias)
        exact = OwnLayers(model, 2.0, 0.0, mx.float32, recompute_plan("none", 2))
        right = gradients_of(exact, adapters, batches, 1.0)[1]
        model, adapters = load(tmp_path, dtype, key_bias)
        own = OwnLayers(model, 2.0, 0.0, dtype, recompute_plan("selective", 2))
        library = LibraryLayers(model, sorted({key.rsplit(".", 1)[0] for key in adapters}), dtype)
        ours += distance(gradients_of(own, adapters, batches, LOSS_SCALE)[1], right)
        theirs += distance(gradients_of(library, adapters, batches, LOSS_SCALE)[1], right)
    assert ours < 1.4 * theirs


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, Any]]:
    """Precisions of what enters and leaves the parts of a layer, and of the gradients that come back."""
    found: set[tuple[str, Any]] = set()

    @mx.custom_function
    def watch(x: Any) -> Any:
        found.add(("forward", x.dtype))
        return x

    @watch.vjp
    def watch_back(x: Any, cotangent: Any, output: Any) -> Any:
        found.add(("backward", cotangent.dtype))
        return cotangent

    def watched(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*inputs: Any, **options: Any) -> Any:
            given = [watch(x) if isinstance(x, mx.array) else x for x in inputs]
            result = function(*given, **options)
            return [watch(y) for y in result] if isinstance(result, list) else watch(result)

        return call

    for name in ("attend", "normalize", "rotate", "swiglu"):
        monkeypatch.setattr(layers, name, watched(getattr(layers, name)))
    plain = layers.Product.__call__
    monkeypatch.setattr(layers.Product, "__call__", lambda self, x, *rest: watched(plain)(self, x, *rest))
    return found


@half
@pytest.mark.parametrize("way", ["none", "selective", "full"])
def test_activations_stay_in_the_model_s_precision(
    tmp_path: Path, dtype: Any, way: Any, seen: set[tuple[str, Any]]
) -> None:
    model, adapters = load(tmp_path, dtype)
    own = OwnLayers(model, 2.0, 0.1, dtype, recompute_plan(way, 2))
    gradients_of(own, adapters, pack(random_rows(6), range(6), 256), 1.0)
    assert seen == {("forward", dtype), ("backward", dtype)}
    assert own.hidden(adapters, pack(random_rows(1), [0], 256)[0], None).dtype == dtype


@half
def test_library_layers_stay_in_the_model_s_precision(tmp_path: Path, dtype: Any) -> None:
    model, adapters = load(tmp_path, dtype, dropout=0.1)
    library = LibraryLayers(model, sorted({key.rsplit(".", 1)[0] for key in adapters}), dtype)
    assert library.hidden(adapters, lay_out_bucketed(random_rows(1), [0], 256)[0], 3).dtype == dtype


@pytest.mark.parametrize("way", ["none", "selective", "full"])
def test_masters_are_cast_once_whenever_a_layer_is_computed(
    tmp_path: Path, way: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, adapters = load(tmp_path, mx.float16)
    own = OwnLayers(model, 2.0, 0.0, mx.float16, recompute_plan(way, 2))
    casts: list[tuple[str | None, ...]] = []
    plain = layers.Product.operands

    def counted(self: Any, *given: Any) -> Any:
        casts.append(self.names)
        return plain(self, *given)

    monkeypatch.setattr(layers.Product, "operands", counted)
    batches = pack(random_rows(6), range(6), 64)
    assert len(batches) > 1
    gradients_of(own, adapters, batches, 1.0)
    times = 2 if way == "full" else 1
    assert all(casts.count(names) == times * len(batches) for names in set(casts))
    assert len(set(casts)) == 2 * 4


def test_an_overflow_in_the_backward_pass_shows_in_the_gradient(tmp_path: Path) -> None:
    """Nothing on the way back may turn an overflow of float16 into a finite number."""
    model, adapters = load(tmp_path, mx.float16)
    own = OwnLayers(model, 2.0, 0.0, mx.float16, recompute_plan("selective", 2))
    loss, gradients = gradients_of(own, adapters, pack(random_rows(3), range(3), 256), 2.0**40)
    assert np.isfinite(loss)
    assert not all(bool(mx.isfinite(gradient).all()) for gradient in gradients.values())
