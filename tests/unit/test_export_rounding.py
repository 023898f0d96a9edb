"""Rounding to Q5_0: llama.cpp keeps every value; real inputs notice less than of the nearest."""

from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter
from gguf.quants import dequantize, quantize

from web4mlx.events import EventLog
from web4mlx.export.predict import PredictedTensor, Prediction
from web4mlx.export.rounding import round_matrix, roundable, rounded_copy

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
    rounded = round_matrix(weight, MOMENTS)
    assert np.array_equal(nearest(rounded.astype(np.float16)), rounded)
    assert output_error(rounded, weight) < 0.5 * output_error(nearest(weight), weight)


@pytest.mark.parametrize("weight", [np.zeros((4, 64)), np.full((4, 64), 0.25), np.eye(4, 64) * -3.0])
def test_special_matrices_stay_what_the_quantizer_makes_of_them(weight: np.ndarray) -> None:
    rounded = round_matrix(weight.astype(np.float32), np.zeros((64, 64)))
    assert np.isfinite(rounded).all()
    np.testing.assert_allclose(rounded, nearest(weight), atol=1e-6)


def test_only_tensors_that_fall_back_to_q5_0_are_rounded() -> None:
    kinds = {"a": "Q5_0", "b": "Q4_K", "c": "Q8_0", "d": "F32"}
    tensors = {name: PredictedTensor(kind, 1, False) for name, kind in kinds.items()}
    assert roundable(Prediction(tensors, 1)) == ["a"]


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
        rounded_copy(original, copy, ["rounded"], {"rounded": MOMENTS}, log),
    ):
        found = {tensor.name: np.array(tensor.data) for tensor in GGUFReader(copy).tensors}
    assert np.array_equal(found["other"], weights["other"])
    expected = round_matrix(weights["rounded"].astype(np.float32), MOMENTS)
    assert np.array_equal(nearest(found["rounded"]), expected)
    assert original.read_bytes() == before
    assert not copy.exists()
