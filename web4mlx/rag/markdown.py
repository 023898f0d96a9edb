"""Markdown as people really write it, read tolerantly: headings, header fields, quotes, tables.

A parser decides what is a heading, so `#` lines inside code fences are none. Sections are slices of the
original lines. What a generated document must look like is the business of the evaluation, not of this file.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_BEFORE_TITLE = re.compile(r"^[\W\d_]+")
_FIELD = re.compile(r"^[\W_]*(?P<key>[A-Za-z][A-Za-z0-9 /&_-]{0,40}?)\s*[*_`]*\s*:\s*[*_`]*\s*(?P<value>.*)$")


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading outside lists and quotes: its level, cleaned title, and the lines from it to its end."""

    level: int
    title: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Field:
    """A `Key: value` line outside code and quotes; the key is lower case, the value as written."""

    key: str
    value: str
    line: int


@dataclass(frozen=True, slots=True)
class Reading:
    """A parsed document; quotes and the tables outside of them are (first line, line after the last)."""

    lines: tuple[str, ...]
    headings: tuple[Heading, ...]
    fields: tuple[Field, ...]
    quotes: tuple[tuple[int, int], ...]
    tables: tuple[tuple[int, int], ...] = ()


@cache
def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable("table").disable(["link", "image", "reference"])


def read_markdown(text: str) -> Reading:
    """Read a text; nothing is an error."""
    lines = text.split("\n")
    tokens = _parser().parse("\n".join(without_front_matter(lines)))
    quotes = tuple(_ranges(tokens, "blockquote_open"))
    tables = [one for one in _ranges(tokens, "table_open") if not any(s <= one[0] < e for s, e in quotes)]
    return Reading(tuple(lines), tuple(_headings(tokens)), tuple(_fields(tokens)), quotes, tuple(tables))


def without_front_matter(lines: Sequence[str], longest: int = 60) -> list[str]:
    """The lines with the marks around `Key: value` lines at the very beginning left empty.

    Left as they are, the second mark would make a heading of the lines above it.
    """
    marks = [number for number, line in enumerate(lines[:longest]) if line.rstrip() in ("---", "+++")][:2]
    if len(marks) < 2 or marks[0] != 0 or any(not line.strip() for line in lines[1 : marks[1]]):
        return list(lines)
    return ["" if number in marks else line for number, line in enumerate(lines)]


def clean_title(text: str) -> str:
    """A heading without emoji, numbering, emphasis and punctuation around its words."""
    start = _BEFORE_TITLE.sub("", text)
    end = next((index for index in range(len(start), 0, -1) if start[index - 1].isalnum()), 0)
    return start[:end].replace("**", "")


def _headings(tokens: list["Token"]) -> Iterator[Heading]:
    for index, token in enumerate(tokens):
        if token.type == "heading_open" and token.level == 0 and token.map:
            title = clean_title(tokens[index + 1].content)
            yield Heading(int(token.tag[1]), title, token.map[0], token.map[1])


def _fields(tokens: list["Token"]) -> Iterator[Field]:
    quotes = 0
    for index, token in enumerate(tokens):
        quotes += token.nesting if token.type.startswith("blockquote") else 0
        is_text = token.type == "inline" and token.map and tokens[index - 1].type != "heading_open"
        if quotes or not is_text or token.map is None:
            continue
        for offset, line in enumerate(token.content.split("\n")):
            match = _FIELD.match(line)
            if match:
                yield Field(match["key"].strip().casefold(), match["value"].strip(), token.map[0] + offset)


def _ranges(tokens: list["Token"], kind: str) -> Iterator[tuple[int, int]]:
    yield from ((token.map[0], token.map[1]) for token in tokens if token.type == kind and token.map)
