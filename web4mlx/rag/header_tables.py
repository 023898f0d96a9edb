"""Header fields that stand in Markdown tables instead of `Key: value` lines."""

import re
from collections.abc import Collection, Iterator, Sequence

from web4mlx.rag.markdown import Field, Reading, clean_title

_BAR = re.compile(r"(?<!\\)\|")


def table_fields(reading: Reading, known: Collection[str]) -> Iterator[Field]:
    """The fields of all tables outside quotes.

    A table holds a field in each row, or fields side by side under a row that names at least two known ones.

    Args:
        reading: The document.
        known: The keys that count as fields, lower case.
    """
    for start, end in reading.tables:
        rows = [(line, cells(reading.lines[line])) for line in range(start, end)]
        names = [key_of(cell) for cell in rows[0][1]]
        is_side_by_side = sum(name in known for name in names) > 1
        body = rows[2:3] if is_side_by_side else [rows[0], *rows[2:]]
        for line, row in body:
            pairs = zip(names, row, strict=False) if is_side_by_side else [beside(row)]
            yield from (Field(key, value, line) for key, value in pairs if key in known)


def cells(line: str) -> list[str]:
    """The cells of a table's row."""
    inner = line.strip().removeprefix("|")
    inner = inner[:-1] if inner.endswith("|") and not inner.endswith("\\|") else inner
    return [cell.strip().replace("\\|", "|") for cell in _BAR.split(inner)]


def key_of(cell: str) -> str:
    """What a cell names, without emoji, emphasis and colon."""
    return clean_title(cell).casefold()


def beside(row: Sequence[str]) -> tuple[str, str]:
    """The key of a row and everything to the right of it."""
    return key_of(row[0]), " | ".join(cell for cell in row[1:] if cell)


def header_rows(reading: Reading, fields: Collection[Field]) -> set[int]:
    """The lines of tables that hold nothing but the given fields, their heads and rules included."""
    held = {one.line for one in fields}
    covered: set[int] = set()
    for start, end in reading.tables:
        body = set(range(start + 2, end))
        if body and body <= held:
            covered |= {start, start + 1} | body
        covered |= {line for line in range(start, end) if line in held}
    return covered
