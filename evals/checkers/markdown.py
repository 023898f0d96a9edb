"""Markdown as the document checkers see it: level-2 sections of plain lines, by a real parser.

What stands in code fences, indented code, HTML comments and quotes is no part of the document: it is shown,
not said. A section is opened by a heading of level 2 (`## Plan`; template 3.2.4.2 knows no other level, and
the setext form `Plan` over `----` is the same level) and closed by the next heading of level 1 or 2; deeper
headings belong to it. A setext heading that names none of the sections is taken for what it nearly always
is: a paragraph with a rule under it that lacks the blank line. Emphasis is dropped, inline code keeps its
backticks.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

SECTIONS = ("Objective", "Plan", "Do", "Check", "Act")
SECTION_LEVEL = 2
_NAMES = frozenset(name.casefold() for name in SECTIONS)
_BEFORE_TITLE = re.compile(r"^[\W\d_]+")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text outside code and quotes.

    `level` is that of a heading, 0 for other text; a table row has its cells beside the joined text.
    """

    text: str
    level: int = 0
    cells: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A level-2 section: its cleaned title and its lines, those of deeper headings included."""

    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed text: its lines, its level-2 sections, and what stands inside its code fences."""

    lines: tuple[Line, ...]
    sections: tuple[Section, ...]
    fences: tuple[str, ...]

    def named(self, name: str) -> list[Section]:
        """The level-2 sections with this title, in any case."""
        return [section for section in self.sections if section.title.casefold() == name.casefold()]


@cache
def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    # `[20260101-080000-Ada.Developer.pdca.md]` and `[T]rigger` stay text whatever follows them
    return MarkdownIt("commonmark").enable("table").disable(["link", "image", "reference"])


def parse_markdown(text: str) -> Document:
    """Read a text; nothing is an error."""
    tokens = _parser().parse(text.removeprefix("\ufeff"))
    lines = tuple(_lines(tokens))
    return Document(
        lines, tuple(_sections(lines)), tuple(token.content for token in tokens if token.type == "fence")
    )


def clean_title(text: str) -> str:
    """A heading without emoji, numbering and punctuation around its words."""
    start = _BEFORE_TITLE.sub("", text)
    end = next((index for index in range(len(start), 0, -1) if start[index - 1].isalnum()), 0)
    return start[:end]


def _sections(lines: Sequence[Line]) -> Iterator[Section]:
    bounds = [index for index, line in enumerate(lines) if 0 < line.level <= SECTION_LEVEL]
    for start, end in pairwise([*bounds, len(lines)]):
        if lines[start].level == SECTION_LEVEL:
            yield Section(clean_title(lines[start].text), tuple(lines[start + 1 : end]))


def _lines(tokens: Sequence["Token"]) -> Iterator[Line]:
    """Lines in the order of the text. Only headings outside of lists count as headings."""
    quotes = 0
    cells: list[str] | None = None
    for index, token in enumerate(tokens):
        quotes += token.nesting if token.type.startswith("blockquote") else 0
        if quotes:
            continue
        if token.type == "tr_open":
            cells = []
        elif token.type == "tr_close" and cells is not None:
            yield Line(" | ".join(cells), cells=tuple(cells))
            cells = None
        elif token.type == "html_block":
            yield from (Line(text) for text in _COMMENT.sub("", token.content).split("\n"))
        elif token.type == "inline" and cells is not None:
            cells.append(" ".join(_texts(token)))
        elif token.type == "inline":
            level = _heading_level(tokens[index - 1], _texts(token))
            yield from (Line(text, level) for text in _texts(token))


def _heading_level(opening: "Token", texts: Sequence[str]) -> int:
    if opening.type != "heading_open" or opening.level > 0:
        return 0
    is_name = len(texts) == 1 and clean_title(texts[0]).casefold() in _NAMES
    return 0 if opening.markup == "-" and not is_name else int(opening.tag[1])


def _texts(inline: "Token") -> list[str]:
    """The lines of a paragraph, heading or cell without emphasis."""
    parts: list[str] = []
    for child in inline.children or ():
        if child.type in ("softbreak", "hardbreak"):
            parts.append("\n")
        elif child.type == "code_inline":
            parts.append("`" + child.content.replace("`", "'") + "`")
        elif not child.content.startswith("<!--"):
            parts.append(child.content)
    return "".join(parts).split("\n")
