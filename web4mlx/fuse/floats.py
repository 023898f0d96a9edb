"""Number formats of safetensors files as numpy arrays, bfloat16 included, without torch."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
VALUE_BYTES = {"F32": 4, "F16": 2, "BF16": 2}
NUMPY_TYPES: dict[str, type[np.float32] | type[np.float16] | type[np.uint16]] = {
    "F32": np.float32,
    "F16": np.float16,
    "BF16": np.uint16,
}


def to_float32(raw: npt.NDArray[np.generic], dtype: str) -> Floats:
    """Widen stored values to float32; exact for each of `NUMPY_TYPES`.

    Args:
        raw: Stored values, of the numpy type that `NUMPY_TYPES` names for `dtype`.
        dtype: The safetensors name of the format.
    """
    if dtype == "BF16":
        return (raw.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return raw.astype(np.float32)


def from_float32(values: Floats, dtype: str) -> npt.NDArray[np.generic]:
    """Round float32 values once, to nearest even, to a stored format."""
    if dtype != "BF16":
        return values.astype(NUMPY_TYPES[dtype])
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    odd = (bits >> np.uint32(16)) & np.uint32(1)
    rounded = ((bits + (odd + np.uint32(0x7FFF))) >> np.uint32(16)).astype(np.uint16)
    is_nan = (bits & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000)
    rounded[is_nan] = (bits[is_nan] >> np.uint32(16)).astype(np.uint16) | np.uint16(0x40)
    return rounded
