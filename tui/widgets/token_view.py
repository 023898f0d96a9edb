"""A training row as the model sees it: what it learns against what it only reads, told apart without colour.

Learnt text stands between ⟦ and ⟧, and lines that hold some have a bar at their left. The view scrolls.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len, get_character_cell_size
from rich.segment import Segment
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from web4mlx.cli.data_view import visible
from web4mlx.data.preview import Preview

Look = Literal["masked", "learnt", "mark", "note"]
Mode = Literal["text", "tokens"]
GUTTER = 2
BAR = "▌ "
OPENING, CLOSING, CUT = "⟦", "⟧", "│"


@dataclass(frozen=True)
class Piece:
    """A stretch of one look; holds no line break."""

    text: str
    look: Look


Line = list[Piece]


class TokenView(ScrollView, can_focus=True):
    """Shows previews of one sample; set them with `show`."""

    COMPONENT_CLASSES = {f"token--{name}" for name in ("masked", "learnt", "mark", "note", "bar")}
    DEFAULT_CSS = """
    TokenView { height: 1fr; scrollbar-size-vertical: 1; scrollbar-size-horizontal: 0; overflow-x: hidden; }
    TokenView > .token--masked { color: $muted; }
    TokenView > .token--learnt { color: $success; text-style: bold; }
    TokenView > .token--mark { color: $accent; text-style: bold; }
    TokenView > .token--note { color: $warning; }
    TokenView > .token--bar { color: $accent; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.parts: tuple[Preview, ...] = ()
        self.note = ""
        self.mode: Mode = "text"
        self.lines: list[Line] = []

    def show(self, parts: Sequence[Preview], note: str = "", mode: Mode = "text") -> None:
        """Show the rows of a sample, or a note in their place."""
        if (tuple(parts), note, mode) == (self.parts, self.note, self.mode):
            return
        is_other = tuple(parts) != self.parts
        self.parts, self.note, self.mode = tuple(parts), note, mode
        self._wrap()
        if is_other:
            self.scroll_home(animate=False, immediate=True)

    def on_resize(self) -> None:
        """Wrap the lines anew."""
        self._wrap()

    def _wrap(self) -> None:
        width = max(8, self.size.width - GUTTER - 1)
        self.lines = [line for whole in self._unwrapped() for line in wrap(whole, width)]
        self.virtual_size = Size(self.size.width, len(self.lines))
        self.refresh()

    def _unwrapped(self) -> Iterator[Line]:
        if self.note:
            yield from ([Piece(line, "note")] for line in self.note.splitlines())
        for number, part in enumerate(self.parts, 1):
            if len(self.parts) > 1:
                yield [Piece(f"row {number} of {len(self.parts)} that this sample makes", "note")]
            yield from text_lines(part) if self.mode == "text" else token_lines(part)

    def render_line(self, y: int) -> Strip:
        """One visible line."""
        width, place = self.size.width, self.scroll_offset.y + y
        if place >= len(self.lines):
            return Strip.blank(width, self.rich_style)
        line = self.lines[place]
        is_learnt = any(piece.look in ("learnt", "mark") for piece in line)
        bar = Segment(BAR if is_learnt else " " * GUTTER, self.get_component_rich_style("token--bar"))
        shown = [Segment(piece.text, self.get_component_rich_style(f"token--{piece.look}")) for piece in line]
        return Strip([bar, *shown]).adjust_cell_length(width, self.rich_style)


def text_lines(preview: Preview) -> Iterator[Line]:
    """The row as text, line by line."""
    pieces: Line = []
    for part in preview.parts:
        if part.is_supervised:
            pieces += [Piece(OPENING, "mark"), Piece(part.text, "learnt"), Piece(CLOSING, "mark")]
        else:
            pieces.append(Piece(part.text, "masked"))
    return split(pieces)


def token_lines(preview: Preview) -> Iterator[Line]:
    """The row token by token, each ended by a bar; line breaks inside tokens are shown and made."""
    pieces: Line = []
    before = False
    for token, is_learnt in zip(preview.tokens, preview.mask, strict=True):
        if is_learnt != before:
            pieces.append(Piece(OPENING if is_learnt else CLOSING, "mark"))
        before = is_learnt
        shown = token.replace("\n", "⏎\n")
        ends_line = shown.endswith("\n")
        pieces.append(Piece(shown if ends_line else shown + CUT, "learnt" if is_learnt else "masked"))
    if before:
        pieces.append(Piece(CLOSING, "mark"))
    return split(pieces)


def split(pieces: Sequence[Piece]) -> Iterator[Line]:
    """Pieces cut at line breaks; control characters are shown as escapes."""
    line: Line = []
    for piece in pieces:
        first, *rest = piece.text.split("\n")
        line.append(Piece(_plain(first), piece.look))
        for text in rest:
            yield line
            line = [Piece(_plain(text), piece.look)]
    if any(piece.text for piece in line):
        yield line


def _plain(text: str) -> str:
    return visible(text).replace("\t", "    ")


def wrap(line: Line, width: int) -> Iterator[Line]:
    """A line in lines of at most `width` columns, cut behind blanks where there are any near."""
    room, current = width, Line()
    for piece in line:
        text = piece.text
        while cell_len(text) > room:
            cut = _cut(text, room, at_start=not current)
            if cut:
                current.append(Piece(text[:cut], piece.look))
                text = text[cut:]
            yield current
            room, current = width, Line()
        if text:
            current.append(Piece(text, piece.look))
            room -= cell_len(text)
    yield current


def _cut(text: str, room: int, *, at_start: bool) -> int:
    """Where to cut: behind a blank, else at the edge; 0 when it should go to the next line."""
    used = fits = 0
    for char in text:
        used += get_character_cell_size(char)
        if used > room:
            break
        fits += 1
    blank = text.rfind(" ", 0, fits) + 1
    if blank and (blank > fits // 2 or not at_start):
        return blank
    return max(fits, 1) if at_start else 0
