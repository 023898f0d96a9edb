"""Training on a base in 4 or 8 bits: the gradients of its dequantized weights, projections only."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.torch_reference import TinyShape
from tests.training_project import write_project
from tests.unit.test_train_batches import random_rows
from web4mlx.config import load_config
from web4mlx.config.schema import PROJECTIONS, LoraConfig
from web4mlx.errors import Problems, UsageError
from web4mlx.machine.mlx_runtime import load_mlx
from web4mlx.train.settings import fingerprint, training_settings

mx = load_mlx("cpu")

import mlx.nn as nn  # noqa: E402
from mlx_lm.utils import load_model  # noqa: E402

from web4mlx.train.lora import Adapters, attach_adapters, find_module, first_adapters  # noqa: E402
from web4mlx.train.network import LibraryLayers, OwnLayers  # noqa: E402
from web4mlx.train.packing import pack  # noqa: E402
from web4mlx.train.quantized_base import quantize_projections  # noqa: E402
from web4mlx.train.recompute import recompute_plan  # noqa: E402
from web4mlx.train.step import step_gradients  # noqa: E402

QWEN = TinyShape("qwen2", 4, 2, tied=False, layers=2, hidden=96, wide=128, vocabulary=200)
SHAPES = {"qwen2": QWEN, "llama, biases": replace(QWEN, kind="llama", biases=True, tied=True)}


def quantized(folder: Path, shape: TinyShape, bits: int) -> Any:
    model, _ = load_model(shape.write(folder))
    model.set_dtype(mx.float32)
    quantize_projections(model, bits)
    return model


def dequantized(model: Any, folder: Path) -> Any:
    """The same model with plain layers that hold the values which the quantized ones stand for."""
    plain, _ = load_model(folder)
    plain.set_dtype(mx.float32)
    for name, module in model.named_modules():
        if isinstance(module, nn.QuantizedLinear):
            find_module(plain, name).weight = mx.dequantize(
                module.weight, module.scales, module.biases, module.group_size, module.bits
            )
    return plain


def adapted(model: Any) -> tuple[Any, Adapters]:
    names = attach_adapters(model, LoraConfig(rank=4, alpha=8, dropout=0))
    generator = np.random.default_rng(4)
    return model, {
        key: mx.array(generator.normal(0, 0.1, value.shape).astype(np.float32))
        for key, value in first_adapters(model, names, 4, 0).items()
    }


def largest_relative(left: Adapters, right: Adapters) -> float:
    return max(
        float((mx.abs(left[key] - right[key]).max() / mx.abs(right[key]).max()).item()) for key in right
    )


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("way", ["none", "selective", "full"])
def test_gradients_are_those_of_the_dequantized_weights(
    tmp_path: Path, name: str, bits: int, way: Any
) -> None:
    model = quantized(tmp_path, SHAPES[name], bits)
    plain, adapters = adapted(dequantized(model, tmp_path))
    model, _ = adapted(model)
    batches = pack(random_rows(5), range(5), 128)
    plan = recompute_plan(way, 2)
    own, right = (
        step_gradients(OwnLayers(some, 2.0, 0.0, mx.float32, plan), adapters, batches, 0, 1.0)
        for some in (model, plain)
    )
    assert own[0].item() == pytest.approx(right[0].item(), rel=1e-6)
    assert largest_relative(own[1], right[1]) < 5e-5


def test_quantizing_changes_the_model(tmp_path: Path) -> None:
    """So that the test above cannot pass by quantizing nothing."""
    model, adapters = adapted(quantized(tmp_path, QWEN, 4))
    plain, _ = adapted(load_model(tmp_path)[0])
    batches = pack(random_rows(5), range(5), 128)
    own, right = (
        step_gradients(
            OwnLayers(some, 2.0, 0.0, mx.float32, recompute_plan("none", 2)), adapters, batches, 0, 1.0
        )
        for some in (model, plain)
    )
    assert largest_relative(own[1], right[1]) > 1e-2


def test_library_layers_take_a_quantized_base_too(tmp_path: Path) -> None:
    model, adapters = adapted(quantized(tmp_path, QWEN, 4))
    batches = [pack(random_rows(1), [0], 128)[0]]
    names = sorted({key.rsplit(".", 1)[0] for key in adapters})
    own = OwnLayers(model, 2.0, 0.0, mx.float32, recompute_plan("none", 2))
    left, right = (
        step_gradients(network, adapters, batches, 0, 1.0)
        for network in (own, LibraryLayers(model, names, mx.float32))
    )
    assert largest_relative(left[1], right[1]) < 5e-5


def test_projections_of_the_layers_are_quantized_and_nothing_else(tmp_path: Path) -> None:
    model = quantized(tmp_path, QWEN, 4)
    kinds = {name: module for name, module in model.named_modules() if isinstance(module, nn.QuantizedLinear)}
    assert len(kinds) == 2 * len(PROJECTIONS)
    assert {name.rsplit(".", 1)[-1] for name in kinds} == set(PROJECTIONS)
    groups = {name.rsplit(".", 1)[-1]: module.group_size for name, module in kinds.items()}
    assert (groups["q_proj"], groups["down_proj"]) == (32, 64)
    assert type(model.model.embed_tokens) is nn.Embedding
    assert type(model.lm_head) is nn.Linear
    assert all(module.scales.dtype == mx.float32 for module in kinds.values())


def test_half_precision_stays_beside_quantized_weights(tmp_path: Path) -> None:
    model, _ = load_model(QWEN.write(tmp_path))
    model.set_dtype(mx.float16)
    quantize_projections(model, 4)
    model, adapters = adapted(model)
    own = OwnLayers(model, 2.0, 0.0, mx.float16, recompute_plan("none", 2))
    assert own.hidden(adapters, pack(random_rows(1), [0], 128)[0], None).dtype == mx.float16


def test_rows_that_do_not_divide_into_groups_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"rows of 40 values .* do not divide"):
        quantized(tmp_path, replace(QWEN, hidden=40), 4)


def test_a_base_that_is_quantized_already_is_refused(tmp_path: Path) -> None:
    model = quantized(tmp_path, QWEN, 4)
    with pytest.raises(UsageError, match="no projections in full precision"):
        quantize_projections(model, 4)


def test_only_a_run_that_uses_it_gets_another_fingerprint(in_tmp: Path) -> None:
    plain = load_config(write_project(in_tmp))
    section = training_settings(plain)["training"]
    assert isinstance(section, dict)
    assert "base_bits" not in section
    marks = set()
    for bits in (None, 4, 8):
        training = plain.training.model_copy(update={"base_bits": bits})
        marks.add(fingerprint(plain.model_copy(update={"training": training}), {}))
    assert len(marks) == 3
    assert fingerprint(plain, {}) in marks


def test_other_widths_are_refused(in_tmp: Path) -> None:
    with pytest.raises(Problems, match="base_bits"):
        load_config(write_project(in_tmp, base_bits=3))
