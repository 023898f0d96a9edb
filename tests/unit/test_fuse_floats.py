"""Rounding to the stored formats, against torch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from web4mlx.fuse.floats import NUMPY_TYPES, from_float32, to_float32

BITS = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=64)


def torch_bits(values: np.ndarray, dtype: str) -> np.ndarray:
    import torch

    kind = {"BF16": torch.bfloat16, "F16": torch.float16}[dtype]
    return torch.from_numpy(values.copy()).to(kind).view(torch.uint16).numpy()


@settings(max_examples=200, deadline=None)
@given(BITS)
@pytest.mark.parametrize("dtype", ["BF16", "F16"])
def test_rounding_is_to_nearest_even_as_in_torch(dtype: str, bits: list[int]) -> None:
    values = np.array(bits, np.uint32).view(np.float32)
    values = values[~np.isnan(values)]
    with np.errstate(over="ignore"):
        ours = from_float32(values, dtype).view(np.uint16)
    assert np.array_equal(ours, torch_bits(values, dtype))


@pytest.mark.parametrize("dtype", ["BF16", "F16"])
def test_widening_and_rounding_back_changes_nothing(dtype: str) -> None:
    stored = np.arange(0, 0x7C00 if dtype == "F16" else 0x7F80, dtype=np.uint16)
    wide = np.empty(stored.size, np.float32)
    to_float32(stored.view(NUMPY_TYPES[dtype]), dtype, wide)
    again = from_float32(wide, dtype).view(np.uint16)
    assert np.array_equal(stored, again)
