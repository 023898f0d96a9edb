"""Rounding in which a row's later values make up for the errors of its earlier ones.

A matrix whose rows do not divide into K-quant blocks falls back to Q5_0, where llama.cpp rounds each value to
the nearest: in the demo's model every output is then off by 3 to 7 %. Here the columns are rounded one after
the other, and each error is spread over the columns not rounded yet, so that the outputs for real inputs
change least (GPTQ, arXiv 2210.17323). The block's scale is the one llama.cpp will compute, so its quantizer
finds exactly these values.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from web4mlx.config.schema import HardwareConfig
from web4mlx.data.chat import Row
from web4mlx.events import EventLog, Progress
from web4mlx.export.predict import Prediction, gguf_name
from web4mlx.machine.mlx_runtime import load_mlx

BLOCK, HALF_LEVELS = 32, 16
DAMPING = 0.01
# The projection whose input is watched → all that read this input.
READERS = {
    "self_attn.q_proj": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "self_attn.o_proj": ("self_attn.o_proj",),
    "mlp.gate_proj": ("mlp.gate_proj", "mlp.up_proj"),
    "mlp.down_proj": ("mlp.down_proj",),
}
Moments = dict[str, "np.ndarray[Any, Any]"]


def roundable(prediction: Prediction) -> list[str]:
    """Names of the tensors that llama.cpp will round to the nearest of a block's 32 values."""
    return [name for name, tensor in prediction.tensors.items() if tensor.type == "Q5_0"]


def input_moments(folder: Path, rows: Sequence[Row], hardware: HardwareConfig, log: EventLog) -> Moments:
    """The second moments of every projection's inputs while a model reads rows.

    Args:
        folder: The merged model.
        rows: What it reads; training rows, never held-out ones.
        hardware: The device.
        log: Progress is written here.

    Returns:
        GGUF tensor name → sum of x xᵀ, shape (inputs, inputs).
    """
    mx = load_mlx(hardware.device)
    import mlx.nn as nn
    from mlx_lm.utils import load_model

    sums: dict[str, Any] = {}

    class Watched(nn.Module):  # type: ignore[misc]  # typed as Any by MLX
        def __init__(self, linear: Any, name: str) -> None:
            super().__init__()
            self.linear, self.name = linear, name

        def __call__(self, x: Any) -> Any:
            flat = x.reshape(-1, x.shape[-1]).astype(mx.float32)
            sums[self.name] = sums.get(self.name, 0) + flat.T @ flat
            return self.linear(x)

    model, _ = load_model(folder, lazy=True)
    model.set_dtype(mx.float32)
    for index, layer in enumerate(model.model.layers):
        for leaf in READERS:
            parent, child = leaf.split(".")
            layer[parent][child] = Watched(layer[parent][child], f"model.layers.{index}.{leaf}")
    for number, row in enumerate(rows):
        mx.eval(model.model(mx.array([row.tokens])))
        mx.eval(sums)
        log.write(Progress, done=number + 1, total=len(rows), unit="rows", message="watch inputs")
    return {
        gguf_name(f"{name.rsplit('.', 2)[0]}.{reader}.weight"): np.array(total)
        for name, total in sums.items()
        for reader in READERS[".".join(name.rsplit(".", 2)[1:])]
    }


def round_matrix(weight: "np.ndarray[Any, Any]", moments: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Round a matrix to Q5_0's values.

    Args:
        weight: Shape (outputs, inputs); inputs a multiple of 32.
        moments: Sum of x xᵀ over inputs x, shape (inputs, inputs).

    Returns:
        Float32 of the same shape; llama.cpp's Q5_0 keeps every value.
    """
    left = weight.astype(np.float64)
    factor = _inverse_factor(moments.astype(np.float64))
    rounded = np.zeros_like(left)
    for start in range(0, left.shape[1], BLOCK):
        block = slice(start, start + BLOCK)
        scale, largest = _block_scale(left[:, block])
        errors = np.zeros((len(left), BLOCK))
        for offset in range(BLOCK):
            column = start + offset
            level = np.clip(np.floor(left[:, column] / scale + HALF_LEVELS + 0.5), 0, 2 * HALF_LEVELS - 1)
            level[largest == offset] = 0  # this value gives the block its scale: it stays at the end of it
            rounded[:, column] = scale * (level - HALF_LEVELS)
            errors[:, offset] = (left[:, column] - rounded[:, column]) / factor[column, column]
            rest = slice(column + 1, start + BLOCK)
            left[:, rest] -= np.outer(errors[:, offset], factor[column, rest])
        left[:, block.stop :] -= errors @ factor[block, block.stop :]
    return rounded.astype(np.float32)


def _inverse_factor(moments: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Upper U with Uᵀ U = (moments + damping)⁻¹: row i tells where the error of column i goes."""
    damped = moments + np.eye(len(moments)) * max(DAMPING * float(np.mean(np.diag(moments))), 1e-12)
    inverse = np.linalg.inv(damped)
    return np.linalg.cholesky((inverse + inverse.T) / 2).T


def _block_scale(block: "np.ndarray[Any, Any]") -> "tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]":
    """llama.cpp's scale of each row of a block, as stored in float16, and the column that decides it."""
    largest = np.abs(block).argmax(axis=1)
    scale = (block[np.arange(len(block)), largest] / -HALF_LEVELS).astype(np.float16).astype(np.float64)
    return np.where(scale == 0, 1e-12, scale), largest


@contextmanager
def rounded_copy(
    f16: Path, copy: Path, names: Sequence[str], moments: Moments, log: EventLog
) -> Iterator[Path]:
    """A copy of a float16 GGUF with these tensors rounded; it is removed in the end.

    llama.cpp permutes the rows of some tensors, which rounding along the columns does not mind.
    """
    from gguf import GGUFReader

    try:
        shutil.copyfile(f16, copy)
        tensors = {tensor.name: tensor for tensor in GGUFReader(copy, "r+").tensors}
        for number, name in enumerate(names):
            data = tensors[name].data
            data[:] = round_matrix(np.asarray(data, np.float32), moments[name]).astype(np.float16)
            log.write(Progress, done=number + 1, total=len(names), unit="tensors", message="round")
        del tensors
        yield copy
    finally:
        copy.unlink(missing_ok=True)
