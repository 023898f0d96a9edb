"""Reads what a server looks at in a GGUF: header, key-values, tensor table, and whether it fits the file."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_BLOCKS = {0: (1, 4), 1: (1, 2), 6: (32, 22), 7: (32, 24), 8: (32, 34), 12: (256, 144), 13: (256, 176),
           14: (256, 210), 30: (1, 2)}  # fmt: skip
FILE_TYPES = {0: "F32", 1: "F16", 7: "Q8_0", 14: "Q4_K_S", 15: "Q4_K_M", 17: "Q5_K_M", 18: "Q6_K", 32: "BF16"}


class GgufError(Exception):
    """What the server says of a file; `status` is that of an answer without a stream."""

    def __init__(self, message: str, status: int = 500) -> None:
        super().__init__(message)
        self.message, self.status = message, status


@dataclass(frozen=True)
class Gguf:
    values: dict[str, Any]
    parameters: int

    @property
    def family(self) -> str:
        return str(self.values.get("general.architecture", "unknown"))

    @property
    def file_type(self) -> str:
        number = int(self.values.get("general.file_type", 0))
        return FILE_TYPES.get(number, "unknown") if number else "unknown"


def read_gguf(path: Path) -> Gguf:
    """Parse a file.

    Raises:
        GgufError: It is none, or cut off, or a tensor lies outside.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise GgufError("supplied file was not in GGUF format", 400)
        _number(file, "I")
        tensors, count = _number(file, "Q"), _number(file, "Q")
        values = {_text(file): _value(file, _number(file, "I")) for _ in range(count)}
        table = [_tensor(file) for _ in range(tensors)]
        alignment = int(values.get("general.alignment", 32))
        begin = -(-file.tell() // alignment) * alignment
    for name, length, offset, _ in table:
        if begin + offset + length > size:
            raise GgufError(
                f'tensor "{name}" offset+size ({begin + offset + length}) exceeds file size ({size})'
            )
    return Gguf(values, sum(elements for *_, elements in table))


def _bytes(file: BinaryIO, length: int) -> bytes:
    data = file.read(length)
    if len(data) != length:
        raise GgufError("unexpected EOF" if data else "EOF")
    return data


def _number(file: BinaryIO, kind: str) -> Any:
    return struct.unpack(f"<{kind}", _bytes(file, struct.calcsize(f"<{kind}")))[0]


def _text(file: BinaryIO) -> str:
    length = _number(file, "Q")
    if length > 1 << 24:
        raise GgufError("unexpected EOF")
    return _bytes(file, length).decode("utf-8", "replace")


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == _STRING:
        return _text(file)
    if kind == _ARRAY:
        inner, count = _number(file, "I"), _number(file, "Q")
        return [_value(file, inner) for _ in range(count)]
    if kind not in _SCALARS:
        raise GgufError(f"invalid type: {kind}")
    return _number(file, _SCALARS[kind])


def _tensor(file: BinaryIO) -> tuple[str, int, int, int]:
    """Name, bytes, offset, elements."""
    with _reading("name"):
        name = _text(file)
    with _reading("dimensions"):
        dimensions = _number(file, "I")
    if dimensions > 4:
        raise GgufError(f'tensor "{name}" dimensions {dimensions} exceeds maximum 4')
    with _reading("shape"):
        elements = prod(_number(file, "Q") for _ in range(dimensions))
    with _reading("kind"):
        kind = _number(file, "I")
    with _reading("offset"):
        offset = _number(file, "Q")
    values, width = _BLOCKS.get(kind, (1, 4))
    return name, elements // values * width, offset, elements


@contextmanager
def _reading(what: str) -> Iterator[None]:
    try:
        yield
    except GgufError as error:
        raise GgufError(f"failed to read tensor {what}: {error.message}") from error
