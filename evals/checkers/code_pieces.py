"""Where code stands in an answer: fenced blocks of Markdown, and the text around them.

Fences are found by a Markdown parser, so that nested, indented, quoted and unclosed ones are what a reader
sees. What language a piece is in is not decided here: models mislabel their blocks.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

DOCUMENT_TAGS = ("markdown", "md")
DEEPEST = 3


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of an answer.

    Args:
        text: Its lines, without the fence.
        line: Number of its first line in the answer, from 1.
        tag: First word of the fence, in small letters; empty for none and outside of fences.
        is_fenced: It stood in a fence.
        is_closed: The fence was closed; an answer that was cut off leaves one open.
        heading: The last line with text before the fence, often a title or a path.
    """

    text: str
    line: int
    tag: str = ""
    is_fenced: bool = False
    is_closed: bool = True
    heading: str = ""


def split_answer(text: str) -> list[Piece]:
    """Cut an answer into its fenced blocks and what stands between them, in order."""
    normal = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
    return _split(normal, 1, DEEPEST)


def _split(text: str, first_line: int, levels: int) -> list[Piece]:
    lines = text.split("\n")
    pieces: list[Piece] = []
    end = 0
    for fence in _fences(text):
        start, stop = fence.map or [0, 0]
        pieces += _between(lines[end:start], first_line + end)
        block = _block(fence, lines, first_line)
        if levels > 1 and block.tag in DOCUMENT_TAGS:  # a whole document was wrapped in a fence
            pieces += _split(block.text, block.line, levels - 1)
        else:
            pieces.append(block)
        end = stop
    return pieces + _between(lines[end:], first_line + end)


def _fences(text: str) -> list["Token"]:
    return [token for token in _markdown().parse(text) if token.type == "fence"]


@lru_cache(maxsize=1)
def _markdown() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").disable("inline")


def _between(lines: list[str], line: int) -> list[Piece]:
    return [Piece("\n".join(lines), line)] if any(text.strip() for text in lines) else []


def _block(fence: "Token", lines: list[str], first_line: int) -> Piece:
    start, stop = fence.map or [0, 0]
    last = lines[stop - 1].strip(" \t>")
    is_closed = stop - start > 1 and last.startswith(fence.markup) and not last.strip(fence.markup[0])
    tag = fence.info.strip().lower().split(maxsplit=1)
    before = [line.strip() for line in lines[max(0, start - 3) : start] if line.strip()]
    return Piece(
        fence.content,
        first_line + start + 1,
        tag[0] if tag else "",
        is_fenced=True,
        is_closed=is_closed,
        heading=before[-1] if before else "",
    )
