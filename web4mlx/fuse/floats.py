"""Number formats of safetensors files as numpy arrays, bfloat16 included, without torch."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Stored = npt.NDArray[np.float32] | npt.NDArray[np.float16] | npt.NDArray[np.uint16]
VALUE_BYTES = {"F32": 4, "F16": 2, "BF16": 2}
NUMPY_TYPES: dict[str, type[np.float32] | type[np.float16] | type[np.uint16]] = {
    "F32": np.float32,
    "F16": np.float16,
    "BF16": np.uint16,
}


def to_float32(raw: bytes, dtype: str) -> Floats:
    """Widen stored values (little endian) to float32, exactly; the result is flat and may be changed.

    Args:
        raw: The stored bytes.
        dtype: The safetensors name of the format: F32, F16 or BF16.
    """
    stored = np.frombuffer(raw, NUMPY_TYPES[dtype])
    if dtype != "BF16":
        return stored.astype(np.float32)
    wide = stored.astype(np.uint32)
    wide <<= np.uint32(16)
    return wide.view(np.float32)


def from_float32(values: Floats, dtype: str) -> Stored:
    """Round float32 values once, to nearest even, to a stored format."""
    if dtype == "F32":
        return values
    if dtype == "F16":
        return values.astype(np.float16)
    bits = np.ascontiguousarray(values).view(np.uint32)
    rounding = bits >> np.uint32(16)
    rounding &= np.uint32(1)
    rounding += np.uint32(0x7FFF)
    rounding += bits
    rounding >>= np.uint32(16)
    rounded = rounding.astype(np.uint16)
    is_nan = np.isnan(values)
    if is_nan.any():
        rounded[is_nan] = 0x7FC0
    return rounded
