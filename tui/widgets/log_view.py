"""A view of a log of any length: holds the lines around the window, and asks for others when it scrolls."""

from rich.segment import Segment
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.feed.event_text import event_line
from tui.feed.logfile import level_of

OVERSCAN = 400
GUTTER = 10
SIGNS = {"error": "✗", "warning": "!", "all": " "}


class LogView(ScrollView, can_focus=True):
    """Shows lines that are given to it with `show`."""

    COMPONENT_CLASSES = {
        "log--number", "log--all", "log--error", "log--warning", "log--found", "log--missing",
    }  # fmt: skip
    DEFAULT_CSS = """
    LogView { height: 1fr; scrollbar-size-vertical: 1; scrollbar-size-horizontal: 0; }
    LogView > .log--number { color: $faint; }
    LogView > .log--all { color: $foreground; }
    LogView > .log--error { color: $error; text-style: bold; }
    LogView > .log--warning { color: $warning; }
    LogView > .log--found { background: $warning 30%; text-style: bold; }
    LogView > .log--missing { color: $faint; }
    """

    class Moved(Message):
        """Another part of the log is looked at; `by_user` when a key or the mouse did it."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.lines: dict[int, tuple[int, bytes]] = {}
        self.total = 0
        self.follow = True
        self.found: int | None = None

    @property
    def wanted(self) -> tuple[int, int]:
        """First line and number of lines that should be at hand."""
        height = max(1, self.size.height)
        top = max(0, self.total - height) if self.follow else self.scroll_offset.y
        return max(0, top - OVERSCAN), height + 2 * OVERSCAN

    def show(self, total: int, first: int, lines: list[tuple[int, bytes]]) -> None:
        """Take over the lines from `first` on, of `total` in all."""
        self.lines = {first + place: line for place, line in enumerate(lines)}
        longest = max((len(line) for _, line in lines), default=0) + GUTTER
        if (total, longest) != (self.total, self.virtual_size.width):
            self.total = total
            self.virtual_size = Size(max(longest, 1), total)
        if self.follow:
            self.scroll_end(animate=False, immediate=True, force=True)
        self.refresh()

    def go_to(self, place: int) -> None:
        """Stop following and show a line in the middle."""
        self.follow, self.found = False, place
        self.scroll_to(y=max(0, place - self.size.height // 2), animate=False, immediate=True, force=True)
        self.refresh()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Ask for other lines; scrolling up ends following, scrolling to the end begins it again."""
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            if new_value < old_value:
                self.follow = False
            elif self.total and new_value >= self.max_scroll_y and self.found is None:
                self.follow = True
            self.post_message(self.Moved())

    def render_line(self, y: int) -> Strip:
        """One visible line."""
        width = self.size.width
        place = self.scroll_offset.y + y
        if place >= self.total:
            return Strip.blank(width, self.rich_style)
        line = self.lines.get(place)
        if line is None:
            style = self.get_component_rich_style("log--missing")
            return Strip([Segment("…", style)]).adjust_cell_length(width, self.rich_style)
        number, raw = line
        level = level_of(raw)
        style = self.get_component_rich_style("log--found" if place == self.found else f"log--{level}")
        text = "".join(c if c.isprintable() else " " if c == "\t" else "·" for c in _plain(raw))
        strip = Strip(
            [
                Segment(f"{number + 1:>{GUTTER - 3}} ", self.get_component_rich_style("log--number")),
                Segment(f"{SIGNS[level]} ", style),
                Segment(text, style),
            ]
        )
        left = self.scroll_offset.x
        return strip.crop(left, left + width).adjust_cell_length(width, self.rich_style)


def _plain(raw: bytes) -> str:
    """The text of a line; of one that redrew itself, the last state."""
    if raw.startswith(b'{"ts"'):
        return event_line(raw.decode("utf-8", "replace"))
    text = raw.decode("utf-8", "replace").rstrip("\r")
    return text.rpartition("\r")[2].replace("\x1b[K", "")
