"""A plot of curves over the step: title and newest value above, axis at the left, steps below."""

import math
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from tui.words import short

if TYPE_CHECKING:
    from tui.widgets.braille import Canvas

Look = Literal["faint", "main", "other", "mark", "limit"]
LOOKS: tuple[Look, ...] = ("faint", "main", "other", "mark", "limit")
AXIS = 8  # columns of the y axis with its line
LEAST_POSITIVE = 1e-12


@dataclass(frozen=True)
class Curve:
    """One curve: x ascending and y. `kind` is how it is drawn; `label` stands in the legend when not empty.

    `line` joins the means of what falls into a column; `band` fills from the lowest to the highest of it.
    """

    x: "array[float]"
    y: "array[float]"
    look: Look = "main"
    kind: Literal["line", "dashed", "band", "marks"] = "line"
    label: str = ""


@dataclass(frozen=True)
class Picture:
    """What a plot shows. `limit` is drawn as a level; `log` wants a logarithmic y axis."""

    title: str
    value: str = ""
    curves: tuple[Curve, ...] = ()
    limit: float | None = None
    log: bool = False
    first: float = 0.0
    last: float = 1.0
    empty: str = "nothing yet"


class Plot(Widget):
    """Shows a `Picture`; set it with `show`."""

    COMPONENT_CLASSES = {f"plot--{name}" for name in (*LOOKS, "axis", "title", "value")}
    DEFAULT_CSS = """
    Plot { height: 1fr; min-height: 3; }
    Plot > .plot--faint { color: $faint; }
    Plot > .plot--main { color: $primary; }
    Plot > .plot--other { color: $secondary; }
    Plot > .plot--mark { color: $warning; text-style: bold; }
    Plot > .plot--limit { color: $error; }
    Plot > .plot--axis { color: $muted; }
    Plot > .plot--title { color: $foreground; text-style: bold; }
    Plot > .plot--value { color: $primary; text-style: bold; }
    """
    SIGNS = {"line": "━", "dashed": "╍", "band": "▒", "marks": "◆"}

    def __init__(self, title: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.picture = Picture(title)
        self._lines: list[Strip] = []
        self._drawn: tuple[Picture, Size, str] | None = None

    def show(self, picture: Picture) -> None:
        """Show another picture."""
        self.picture = picture
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line of the widget."""
        key = (self.picture, self.size, self.app.theme)
        if self._drawn is None or self._drawn[0] is not key[0] or self._drawn[1:] != key[1:]:
            self._lines = self._draw()
            self._drawn = key
        return self._lines[y] if y < len(self._lines) else Strip.blank(self.size.width, self.rich_style)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"plot--{name}")

    def _draw(self) -> list[Strip]:
        width, height = self.size
        if width < AXIS + 4 or height < 2:
            return []
        has_x_axis = height >= 6
        rows = height - 1 - has_x_axis
        body = self._body(width - AXIS, rows)
        lines = [self._title(width), *body]
        if has_x_axis:
            left, right = f"{self.picture.first:,.0f}", f"step {self.picture.last:,.0f}"
            gap = " " * max(1, width - AXIS - len(left) - len(right))
            lines.append(Strip([Segment(f"{'':{AXIS}}{left}{gap}{right}", self._style("axis"))]))
        return [line.adjust_cell_length(width, self.rich_style) for line in lines]

    def _title(self, width: int) -> Strip:
        picture = self.picture
        parts = [Segment(picture.title, self._style("title")), Segment("  ", self.rich_style)]
        parts.append(Segment(picture.value, self._style("value")))
        used = len(picture.title) + 2 + len(picture.value)
        legend: list[tuple[str, str]] = [
            (curve.look, f"{self.SIGNS[curve.kind]} {curve.label}") for curve in picture.curves if curve.label
        ]
        bounds = self._bounds()
        if picture.limit is not None and bounds and bounds[0] <= picture.limit <= bounds[1]:
            legend.append(("limit", "┈ limit"))
        kept: list[tuple[str, str]] = []
        for name, text in legend:
            if used + sum(len(known) + 2 for _, known in kept) + len(text) + 4 <= width:
                kept.append((name, text))
        gap = width - used - sum(len(text) + 2 for _, text in kept)
        parts.append(Segment(" " * max(0, gap), self.rich_style))
        for name, text in kept:
            parts += [Segment(f"  {text[0]}", self._style(name)), Segment(text[1:], self._style("axis"))]
        return Strip(parts)

    def _body(self, columns: int, rows: int) -> list[Strip]:
        from tui.widgets.braille import Canvas

        picture = self.picture
        bounds = self._bounds()
        axis = self._style("axis")
        if bounds is None:
            blank = [Strip([Segment(f"{'':{AXIS - 1}}│", axis)]) for _ in range(rows)]
            text = f"{'':{AXIS - 1}}│ {picture.empty}"
            return [*blank[: rows // 2], Strip([Segment(text, axis)]), *blank[rows // 2 + 1 :]]
        low, high = bounds
        canvas = Canvas(columns, rows, low, high)
        self._draw_curves(canvas, columns)
        styles = [self.rich_style, *(self._style(look) for look in LOOKS)]
        labels = self._labels(rows, low, high)
        lines = []
        for row in range(rows):
            tick = "┤" if labels[row] else "│"
            parts = [Segment(f"{labels[row]:>{AXIS - 1}}{tick}", axis)]
            codes, looks = canvas.codes[row], canvas.styles[row]
            start = 0
            for end in range(1, columns + 1):
                if end == columns or looks[end] != looks[start]:
                    parts.append(Segment("".join(map(chr, codes[start:end])), styles[looks[start]]))
                    start = end
            lines.append(Strip(parts))
        return lines

    def _draw_curves(self, canvas: "Canvas", columns: int) -> None:
        import numpy as np

        from tui.feed.series import thin

        picture = self.picture
        for curve in picture.curves:
            style = LOOKS.index(curve.look) + 1
            y = np.frombuffer(curve.y, dtype=np.float64) if len(curve.y) else np.zeros(0)
            y = np.log10(np.maximum(y, LEAST_POSITIVE)) if picture.log else y
            if curve.kind == "marks":
                span = (picture.last - picture.first) or 1.0
                for x, value in list(zip(curve.x, y, strict=True))[-4 * columns :]:
                    column = min(columns - 1, int((x - picture.first) / span * columns))
                    canvas.mark(column, float(value), "◆", style)
                continue
            thinned = thin(curve.x, y, columns * 2, picture.first, picture.last)
            if curve.kind == "band":
                canvas.band(thinned.low, thinned.high, style)
            else:
                canvas.line(thinned.middle, style, dashed=curve.kind == "dashed")
        if picture.limit is not None:
            limit = math.log10(max(picture.limit, LEAST_POSITIVE)) if picture.log else picture.limit
            if canvas.low <= limit <= canvas.high:
                canvas.level(limit, LOOKS.index("limit") + 1)

    def _bounds(self) -> tuple[float, float] | None:
        import numpy as np

        lows, highs = [], []
        for curve in self.picture.curves:
            y = np.frombuffer(curve.y, dtype=np.float64) if len(curve.y) else np.zeros(0)
            y = y[np.isfinite(y)]
            if self.picture.log:
                y = np.log10(np.maximum(y[y > 0], LEAST_POSITIVE))
            if len(y):
                lows.append(float(y.min()))
                highs.append(float(y.max()))
        if not lows:
            return None
        low, high = min(lows), max(highs)
        limit = self.picture.limit
        if limit is not None and not self.picture.log and limit < 4 * high:
            high = max(high, limit)
        room = (high - low) * 0.05 or abs(high) * 0.1 or 1.0
        bottom = low - room
        return (0.0 if low >= 0 > bottom and not self.picture.log else bottom), high + room

    def _labels(self, rows: int, low: float, high: float) -> list[str]:
        labels = [""] * rows
        places = (0, rows - 1) if rows < 5 else (0, rows // 2, rows - 1)
        for row in places:
            value = high - (high - low) * (row + 0.5) / rows
            labels[row] = self._number(10**value if self.picture.log else value)
        return labels

    def _number(self, value: float) -> str:
        return short(value)
