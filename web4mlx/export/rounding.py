"""Rounding in which a row's later values make up for the errors of its earlier ones.

A matrix whose rows do not divide into K-quant blocks falls back to Q5_0, where llama.cpp rounds each value to
the nearest. Here the columns are rounded one after the other, and each error is spread over the columns not
rounded yet, so that the outputs for real inputs change least (GPTQ, arXiv 2210.17323). The block's scale is
the one llama.cpp will compute, so its quantizer finds exactly these values.
"""

import shutil
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from web4mlx.data.chat import Row
from web4mlx.events import EventLog, Progress
from web4mlx.export.predict import Prediction
from web4mlx.fuse.floats import Floats
from web4mlx.fuse.parity import load_for_parity
from web4mlx.machine.mlx_runtime import DeviceChoice, load_mlx

Matrix = npt.NDArray[np.float64]
BLOCK, HALF_LEVELS = 32, 16
DAMPING = 0.01
SMALLEST = 1e-12
"""Stands for a scale or a damping of zero: a block of zeros, an input that never comes."""
# The projection whose input is watched → GGUF names of all that read this input.
READERS = {
    "self_attn.q_proj": ("attn_q", "attn_k", "attn_v"),
    "self_attn.o_proj": ("attn_output",),
    "mlp.gate_proj": ("ffn_gate", "ffn_up"),
    "mlp.down_proj": ("ffn_down",),
}


@dataclass(frozen=True)
class Watched:
    """Tensors that read the same input x, and the sum of x xᵀ over all of it, shape (inputs, inputs)."""

    readers: tuple[str, ...]
    moments: Floats


def roundable(prediction: Prediction) -> set[str]:
    """Names of the projections that llama.cpp will round to the nearest of a block's 32 values.

    An embedding of that type is left alone: it looks rows up and multiplies nothing.
    """
    return {n for n, tensor in prediction.tensors.items() if tensor.type == "Q5_0" and n.startswith("blk.")}


def watch_inputs(
    folder: Path, names: Collection[str], rows: Sequence[Row], device: DeviceChoice, log: EventLog
) -> list[Watched]:
    """Let a model read rows, in float32, and note what the named projections read.

    Args:
        folder: The model.
        names: From `roundable`.
        rows: What it reads; training rows, never held-out ones.
        device: Where it runs.
        log: Progress is written here.
    """
    mx = load_mlx(device)
    from mlx_lm.quant.gptq import Catcher

    model = load_for_parity(folder, in_float32=True)
    catchers: list[tuple[tuple[str, ...], Any]] = []
    for index, layer in enumerate(model.model.layers):
        for leaf, readers in READERS.items():
            parent, child = leaf.split(".")
            wanted = tuple(n for n in (f"blk.{index}.{r}.weight" for r in readers) if n in names)
            if wanted:
                layer[parent][child] = Catcher(layer[parent][child])
                catchers.append((wanted, layer[parent][child]))
    began = time.monotonic()
    for done, row in enumerate(rows, 1):
        mx.eval(model.model(mx.array([row.tokens])), [catcher.H for _, catcher in catchers])
        _show(log, "watch inputs", done, len(rows), "rows", began)
    return [Watched(readers, np.array(catcher.H)) for readers, catcher in catchers]


@contextmanager
def rounded_copy(f16: Path, copy: Path, inputs: Sequence[Watched], log: EventLog) -> Iterator[Path]:
    """A copy of a float16 GGUF with the watched tensors rounded; it is removed in the end.

    llama.cpp permutes the rows of some tensors, which rounding along the columns does not mind.
    """
    from gguf import GGUFReader

    try:
        shutil.copyfile(f16, copy)
        tensors = {tensor.name: tensor.data for tensor in GGUFReader(copy, "r+").tensors}
        began = time.monotonic()
        for done, watched in enumerate(inputs, 1):
            factor = inverse_factor(watched.moments)
            for name in watched.readers:
                tensors[name][:] = round_matrix(tensors[name], factor)
            _show(log, "round", done, len(inputs), "inputs", began)
        yield copy
    finally:
        copy.unlink(missing_ok=True)


def inverse_factor(moments: Floats) -> Matrix:
    """Upper U with Uᵀ U = (moments + damping)⁻¹: row i tells where the error of column i goes."""
    wide = moments.astype(np.float64)
    damped = wide + np.eye(len(wide)) * max(DAMPING * float(np.diag(wide).mean()), SMALLEST)
    inverse = np.linalg.inv(damped)
    return np.linalg.cholesky((inverse + inverse.T) / 2).T.astype(np.float64, copy=False)


def round_matrix(weight: npt.NDArray[Any], factor: Matrix) -> Floats:
    """Round a matrix to Q5_0's values.

    Args:
        weight: Shape (outputs, inputs); inputs a multiple of 32.
        factor: From `inverse_factor`, shape (inputs, inputs).

    Returns:
        The same shape; llama.cpp's Q5_0 keeps every value, also by way of float16.
    """
    left = weight.astype(np.float64)
    rounded = np.zeros_like(left)
    for start in range(0, left.shape[1], BLOCK):
        end = start + BLOCK
        scale, largest = _block_scale(left[:, start:end])
        errors = np.zeros((len(left), BLOCK))
        for column in range(start, end):
            level = np.clip(np.floor(left[:, column] / scale + HALF_LEVELS + 0.5), 0, 2 * HALF_LEVELS - 1)
            level[largest == column - start] = 0  # this value gives the block its scale: it stays at the end
            rounded[:, column] = scale * (level - HALF_LEVELS)
            error = (left[:, column] - rounded[:, column]) / factor[column, column]
            left[:, column + 1 : end] -= np.outer(error, factor[column, column + 1 : end])
            errors[:, column - start] = error
        left[:, end:] -= errors @ factor[start:end, end:]
    return rounded.astype(np.float32)


def _block_scale(block: Matrix) -> tuple[Matrix, npt.NDArray[np.intp]]:
    """llama.cpp's scale of each row of a block, as stored in float16, and the column that decides it."""
    largest = np.abs(block).argmax(axis=1)
    scale = (block[np.arange(len(block)), largest] / -HALF_LEVELS).astype(np.float16).astype(np.float64)
    return np.where(scale == 0, SMALLEST, scale), largest


def _show(log: EventLog, message: str, done: int, total: int, unit: str, began: float) -> None:
    eta_s = (time.monotonic() - began) * (total - done) / done
    log.write(Progress, done=done, total=total, unit=unit, message=message, eta_s=eta_s)
