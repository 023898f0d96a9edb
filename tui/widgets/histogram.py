"""A histogram: one column of eighths a bin or more, the limit as a marked place on the axis."""

from collections.abc import Sequence

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from web4mlx.data.report import LengthBin

AXIS = 7
EIGHTHS = " ▁▂▃▄▅▆▇█"


class Histogram(Widget):
    """Shows bins; set them with `show`."""

    COMPONENT_CLASSES = {"histogram--bar", "histogram--over", "histogram--axis", "histogram--limit"}
    DEFAULT_CSS = """
    Histogram { height: 1fr; min-height: 4; }
    Histogram > .histogram--bar { color: $primary; }
    Histogram > .histogram--over { color: $warning; }
    Histogram > .histogram--axis { color: $muted; }
    Histogram > .histogram--limit { color: $error; text-style: bold; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.bins: tuple[LengthBin, ...] = ()
        self.limit = 0
        self.empty = ""

    def show(self, bins: Sequence[LengthBin], limit: int, empty: str = "") -> None:
        """Show bins and the length limit (tokens); `empty` is said when there are none."""
        if (tuple(bins), limit, empty) != (self.bins, self.limit, self.empty):
            self.bins, self.limit, self.empty = tuple(bins), limit, empty
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line: bars above, axis below."""
        width, height = self.size
        return self._line(y, width, height).adjust_cell_length(width, self.rich_style)

    def _line(self, y: int, width: int, height: int) -> Strip:
        axis = self.get_component_rich_style("histogram--axis")
        columns = width - AXIS - 1
        if not self.bins or columns < 8 or height < 3:
            return Strip([Segment(f" {self.empty}" if y == 0 else "", axis)])
        rows = height - 2
        if y == rows:
            return Strip([Segment(" " * AXIS + "└" + "─" * columns, axis)])
        if y > rows:
            return self._labels(columns)
        most = max(one.rows for one in self.bins)
        label = f"{most:,}" if y == 0 else "0" if y == rows - 1 and rows > 1 else ""
        parts = [Segment(f"{label:>{AXIS}}{'┤' if label else '│'}", axis)]
        for one, wide in zip(self.bins, shares(len(self.bins), columns), strict=True):
            level = one.rows / most * rows * 8
            eighths = round(min(8.0, max(0.0, level - (rows - 1 - y) * 8)))
            if one.rows and y == rows - 1:
                eighths = max(1, eighths)  # what is there is seen
            style = "histogram--over" if self.limit and one.low >= self.limit else "histogram--bar"
            parts.append(Segment(EIGHTHS[eighths] * wide, self.get_component_rich_style(style)))
        return Strip(parts)

    def _labels(self, columns: int) -> Strip:
        low, high = self.bins[0].low, self.bins[-1].high
        text = [" "] * columns
        mark = f"▲ limit {self.limit:,}" if low <= self.limit < high else ""
        start = max(0, min(round((self.limit - low) / (high - low) * columns), columns - len(mark)))
        _put(text, start, mark)
        end = f"{high:,} tokens"
        _put(text, 0, f"{low:,}")
        _put(text, columns - len(end), end)
        for share in (0.5, 0.25, 0.75):
            _put(text, round(share * columns), f"{round(low + (high - low) * share):,}")
        axis, limit = (self.get_component_rich_style(f"histogram--{name}") for name in ("axis", "limit"))
        before, after = "".join(text[:start]), "".join(text[start + len(mark) :])
        return Strip([Segment(" " * (AXIS + 1) + before, axis), Segment(mark, limit), Segment(after, axis)])


def shares(count: int, columns: int) -> list[int]:
    """Widths of bars that fill the columns as evenly as whole columns allow."""
    edges = [round(place * columns / count) for place in range(count + 1)]
    return [after - before for before, after in zip(edges, edges[1:], strict=False)]


def _put(text: list[str], start: int, word: str) -> None:
    """Write a word over blanks; not at all when something is there or it does not fit."""
    end = start + len(word)
    if start >= 0 and end <= len(text) and all(char == " " for char in text[max(0, start - 1) : end + 1]):
        text[start:end] = word
