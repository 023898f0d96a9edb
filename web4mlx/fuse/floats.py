"""Number formats of safetensors files as numpy arrays, bfloat16 included, without torch."""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Stored = npt.NDArray[Any]
VALUE_BYTES = {"F32": 4, "F16": 2, "BF16": 2}
NUMPY_TYPES: dict[str, type[np.float32] | type[np.float16] | type[np.uint16]] = {
    "F32": np.float32,
    "F16": np.float16,
    "BF16": np.uint16,
}


def to_float32(stored: Stored, dtype: str, out: Floats) -> None:
    """Widen stored values to float32, exactly.

    Args:
        stored: Flat, of the numpy type that `NUMPY_TYPES` names.
        dtype: The safetensors name of the format: F32, F16 or BF16.
        out: Receives the values; flat, of the same length.
    """
    if dtype != "BF16":
        np.copyto(out, stored)
        return
    bits = out.view(np.uint32)
    np.copyto(bits, stored)
    bits <<= np.uint32(16)


def from_float32(values: Floats, dtype: str, scratch: npt.NDArray[np.uint32] | None = None) -> Stored:
    """Round float32 values that are no NaN, once, to nearest even, to a stored format.

    Args:
        values: C-contiguous.
        dtype: The safetensors name of the format.
        scratch: Memory of the same shape to work in; saves allocating it for each block.
    """
    if dtype != "BF16":
        return values.astype(NUMPY_TYPES[dtype])
    bits = values.view(np.uint32)
    rounded = np.right_shift(bits, np.uint32(16), out=scratch)
    rounded &= np.uint32(1)
    rounded += np.uint32(0x7FFF)
    rounded += bits
    rounded >>= np.uint32(16)
    return rounded.astype(np.uint16)
