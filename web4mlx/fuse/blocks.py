"""Adding a low-rank change to the rows of one stored tensor, in blocks that stay in the processor's cache."""

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from web4mlx.errors import CheckFailed, StageCrashed
from web4mlx.fuse.floats import NUMPY_TYPES, VALUE_BYTES, Floats, from_float32, to_float32
from web4mlx.models.safetensors_header import TensorInfo

BLOCK_VALUES = 1 << 17
LARGEST = {"F32": float(np.finfo(np.float32).max), "F16": 65504.0, "BF16": 3.3895e38}


@dataclass(frozen=True)
class Delta:
    """The low-rank change of one tensor: `b` (outputs, rank), already scaled, times `a` (rank, inputs)."""

    a: Floats
    b: Floats


class Memory(threading.local):
    """Working memory of each thread, allocated once: fresh memory for each block costs more than the sums."""

    def __init__(self) -> None:
        self.reserve(0)

    def reserve(self, values: int) -> None:
        """Have room for blocks of `values` values."""
        self.raw = bytearray(4 * values)
        self.sum = np.empty(values, np.float32)
        self.change = np.empty(values, np.float32)
        self.scratch = np.empty(values, np.uint32)


MEMORY = Memory()


def row_blocks(info: TensorInfo) -> Iterator[range]:
    """Ranges of rows of about `BLOCK_VALUES` values."""
    rows, columns = info.shape
    step = max(1, BLOCK_VALUES // columns)
    return (range(start, min(start + step, rows)) for start in range(0, rows, step))


def merge_rows(source: BinaryIO, info: TensorInfo, delta: Delta, rows: range) -> memoryview:
    """The stored bytes of some rows of base + change.

    Raises:
        CheckFailed: A sum is not finite, or too large for the format.
        StageCrashed: The file ended early.
    """
    columns = info.shape[1]
    values = len(rows) * columns
    if MEMORY.sum.size < values:
        MEMORY.reserve(values)
    row_bytes = columns * VALUE_BYTES[info.dtype]
    raw = memoryview(MEMORY.raw)[: len(rows) * row_bytes]
    if os.preadv(source.fileno(), [raw], info.begin + rows.start * row_bytes) < len(raw):
        raise StageCrashed(f"{source.name}: became shorter while it was read")
    total, change = MEMORY.sum[:values], MEMORY.change[:values]
    to_float32(np.frombuffer(raw, NUMPY_TYPES[info.dtype]), info.dtype, total)
    with np.errstate(all="ignore"):
        np.matmul(delta.b[rows.start : rows.stop], delta.a, out=change.reshape(len(rows), columns))
        total += change
    smallest, largest = float(total.min()), float(total.max())
    if not -LARGEST[info.dtype] <= smallest <= largest <= LARGEST[info.dtype]:
        raise CheckFailed(
            f"{source.name}: rows {rows.start}-{rows.stop} of a sum ({smallest} to {largest}) do not fit "
            f"{info.dtype}",
            "The adapter's weights are broken or far too large; choose an earlier checkpoint.",
        )
    return from_float32(total, info.dtype, MEMORY.scratch[:values]).data.cast("B")
