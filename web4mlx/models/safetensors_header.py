"""Reading the header of a safetensors file: what it holds and where, without reading the data."""

import json
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from web4mlx.errors import MissingPrerequisite, UsageError

BYTES_PER_VALUE = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4,
    "U16": 2, "U8": 1, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1,
}  # fmt: skip
MAX_HEADER_BYTES = 100_000_000


@dataclass(frozen=True)
class TensorInfo:
    """Stored format, shape and place of a tensor; `begin` and `end` are byte offsets in the file."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def read_safetensors_header(path: Path) -> dict[str, TensorInfo]:
    """The tensors of a safetensors file, in the order of their data.

    Raises:
        MissingPrerequisite: The file does not exist, or is shorter or longer than its header says.
        UsageError: It is no safetensors file.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            raw = file.read(length) if 0 < length <= MAX_HEADER_BYTES else b""
    except FileNotFoundError as error:
        raise MissingPrerequisite(
            f"{path}: no such file", "Download the base again: `web4mlx download`."
        ) from error
    if size < 8 + length and 0 < length <= MAX_HEADER_BYTES:
        raise _truncated(path, size, 8 + length)
    try:
        table = json.loads(raw)
        infos = {
            name: _tensor_info(entry, 8 + length) for name, entry in table.items() if name != "__metadata__"
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path}: not a safetensors file") from error
    _check_layout(path, infos, size, 8 + length)
    return dict(sorted(infos.items(), key=lambda item: item[1].begin))


def _tensor_info(entry: dict[str, Any], data_start: int) -> TensorInfo:
    begin, end = entry["data_offsets"]
    shape = tuple(int(extent) for extent in entry["shape"])
    return TensorInfo(str(entry["dtype"]), shape, data_start + int(begin), data_start + int(end))


def _check_layout(path: Path, infos: dict[str, TensorInfo], size: int, data_start: int) -> None:
    for name, info in infos.items():
        width = BYTES_PER_VALUE.get(info.dtype)
        if width is not None and info.end - info.begin != prod(info.shape) * width:
            raise UsageError(
                f"{path}: {name} is {info.dtype} {list(info.shape)} in {info.end - info.begin} bytes"
            )
    expected = max((info.end for info in infos.values()), default=data_start)
    if size != expected:
        raise _truncated(path, size, expected)


def _truncated(path: Path, size: int, expected: int) -> MissingPrerequisite:
    state = "truncated" if size < expected else "longer than its header says"
    return MissingPrerequisite(
        f"{path}: {state}: {size} bytes, expected {expected}", "Download the base again: `web4mlx download`."
    )
