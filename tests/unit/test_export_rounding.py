"""Rounding to Q5_0: llama.cpp keeps every value; real inputs notice less than of the nearest."""

from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter
from gguf.quants import dequantize, quantize

from tests.data_files import make_config
from tests.micro_models import write_micro_qwen2
from web4mlx.artifacts import read_manifest
from web4mlx.config.schema import ExportConfig
from web4mlx.events import Event, EventLog, Progress
from web4mlx.export.base import export_base
from web4mlx.export.plan import ExportOptions, plan_base_export
from web4mlx.export.predict import PredictedTensor, Prediction
from web4mlx.export.rounding import (
    Watched,
    inverse_factor,
    round_matrix,
    roundable,
    rounded_copy,
    watch_inputs,
)
from web4mlx.export.stage import spread_rows

TENSOR = "blk.1.ffn_up.weight"
Q5_0 = GGMLQuantizationType.Q5_0
RANDOM = np.random.default_rng(0)
INPUTS = RANDOM.normal(size=(500, 12)) @ RANDOM.normal(size=(12, 96)) + 0.1 * RANDOM.normal(size=(500, 96))
MOMENTS = INPUTS.T @ INPUTS


def nearest(weight: np.ndarray) -> np.ndarray:
    return dequantize(quantize(weight.astype(np.float32), Q5_0), Q5_0)


def output_error(rounded: np.ndarray, weight: np.ndarray) -> float:
    return float(np.linalg.norm(INPUTS @ (rounded - weight).T) / np.linalg.norm(INPUTS @ weight.T))


@pytest.mark.parametrize("seed", range(5))
def test_the_quantizer_keeps_every_value_and_outputs_are_nearer_than_with_the_nearest(seed: int) -> None:
    weight = np.random.default_rng(seed).normal(size=(40, 96)).astype(np.float32)
    rounded = round_matrix(weight, inverse_factor(MOMENTS))
    assert np.array_equal(nearest(rounded.astype(np.float16)), rounded)
    assert output_error(rounded, weight) < 0.5 * output_error(nearest(weight), weight)


@pytest.mark.parametrize("weight", [np.zeros((4, 64)), np.full((4, 64), 0.25), np.eye(4, 64) * -3.0])
def test_special_matrices_stay_what_the_quantizer_makes_of_them(weight: np.ndarray) -> None:
    rounded = round_matrix(weight.astype(np.float32), inverse_factor(np.zeros((64, 64))))
    assert np.isfinite(rounded).all()
    np.testing.assert_allclose(rounded, nearest(weight), atol=1e-6)


def test_only_tensors_that_fall_back_to_q5_0_are_rounded() -> None:
    kinds = {"blk.0.attn_q.weight": "Q5_0", "blk.0.ffn_down.weight": "Q4_K", "blk.0.attn_v.weight": "Q8_0",
             "blk.0.attn_norm.weight": "F32", "token_embd.weight": "Q5_0"}  # fmt: skip
    tensors = {name: PredictedTensor(kind, 1, False) for name, kind in kinds.items()}
    assert roundable(Prediction(tensors, 1)) == {"blk.0.attn_q.weight"}


def test_a_rounded_copy_leaves_the_original_alone_and_is_removed(tmp_path: Path) -> None:
    original, copy = tmp_path / "f16.gguf", tmp_path / "copy.gguf"
    weights = {name: RANDOM.normal(size=(8, 96)).astype(np.float16) for name in ("rounded", "other")}
    writer = GGUFWriter(original, "llama")
    for name, weight in weights.items():
        writer.add_tensor(name, weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    before = original.read_bytes()
    with (
        EventLog(None, "run", "export") as log,
        rounded_copy(original, copy, [Watched(("rounded",), MOMENTS)], log),
    ):
        found = {tensor.name: np.array(tensor.data) for tensor in GGUFReader(copy).tensors}
    assert np.array_equal(found["other"], weights["other"])
    expected = round_matrix(weights["rounded"], inverse_factor(MOMENTS))
    assert np.array_equal(nearest(found["rounded"]), expected)
    assert original.read_bytes() == before
    assert not copy.exists()


def test_an_export_is_rounded_on_training_rows_and_another_number_of_them_exports_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEB4MLX_CACHE", str(tmp_path / "cache"))
    base, out = write_micro_qwen2(tmp_path / "base", hidden=64), tmp_path / "outputs" / "base.gguf"
    options, values = ExportOptions(keep_f16=True), {}
    for count in (0, 3):
        config = make_config(tmp_path).model_copy(update={"export": ExportConfig(calibration_rows=count)})
        events: list[Event] = []
        export_base(base, config, out, EventLog(None, "run", "export", events.append), options)
        values[count] = read_tensor(out)
        manifest = read_manifest(out)
        assert manifest is not None
        assert manifest.config["calibration_rows"] == count
        shown = {event.message for event in events if isinstance(event, Progress)}
        assert ({"watch inputs", "round"} <= shown) == bool(count)
    original = read_tensor(out.with_name("base.f16.gguf"))
    assert np.array_equal(values[0], nearest(original))
    source = plan_base_export(base, config, out, options).source
    rows = spread_rows(config.data.train, 3, config, source)
    with EventLog(None, "run", "export") as log:
        (watched,) = watch_inputs(base, {TENSOR}, rows, "cpu", log)
    assert watched.readers == (TENSOR,)
    errors = {n: np.trace((v - original) @ watched.moments @ (v - original).T) for n, v in values.items()}
    assert errors[3] < 0.5 * errors[0]
    assert not [path.name for path in out.parent.iterdir() if ".tmp-" in path.name]


def read_tensor(gguf: Path) -> np.ndarray:
    found = {tensor.name: tensor for tensor in GGUFReader(gguf).tensors}[TENSOR]
    return dequantize(np.array(found.data), found.tensor_type)
