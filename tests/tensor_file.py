"""Writing a safetensors file tensor by tensor: the header first, from shapes that are known beforehand.

Nothing of a file but the tensor being written is ever in memory.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt

from web4mlx.errors import StageCrashed
from web4mlx.fuse.floats import VALUE_BYTES


@dataclass(frozen=True)
class TensorSpec:
    """Stored format and shape of a tensor that will be written."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of the tensor's data."""
        return prod(self.shape) * VALUE_BYTES[self.dtype]


def build_header(specs: Mapping[str, TensorSpec], metadata: Mapping[str, str] | None = None) -> bytes:
    """The length field and JSON header of a safetensors file whose data follow in the order of `specs`."""
    table: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    begin = 0
    for name, spec in specs.items():
        end = begin + spec.size_bytes
        table[name] = {"dtype": spec.dtype, "shape": list(spec.shape), "data_offsets": [begin, end]}
        begin = end
    text = json.dumps(table, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def write_tensors(
    path: Path,
    specs: Mapping[str, TensorSpec],
    tensors: Iterable[npt.NDArray[np.generic]],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a safetensors file from tensors that are made one at a time.

    Args:
        path: The file; not written atomically, the caller owns the folder.
        specs: Name → format and shape, in the order of `tensors`.
        tensors: Stored values (see `floats.from_float32`), consumed lazily.
        metadata: The header's `__metadata__`.

    Raises:
        StageCrashed: A tensor has another size than announced, or one is missing or too many.
    """
    with path.open("wb") as file:
        file.write(build_header(specs, metadata))
        try:
            for (name, spec), tensor in zip(specs.items(), tensors, strict=True):
                if tensor.nbytes != spec.size_bytes:
                    raise StageCrashed(
                        f"{path}: {name} has {tensor.nbytes} bytes, {spec.size_bytes} announced"
                    )
                file.write(np.ascontiguousarray(tensor).data.cast("B"))
        except ValueError as error:
            raise StageCrashed(f"{path}: the number of tensors differs from the header") from error
