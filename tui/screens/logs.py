"""The logs: any job's and any run's, followed, searched, filtered."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from tui.actions import Action
from tui.feed.logfile import LEVELS, Filter, LogFile, list_logs
from tui.markup import safe
from tui.place import Place
from tui.screens.pane import Pane
from tui.themes import sign
from tui.widgets.dialogs import Choice
from tui.widgets.log_view import LogView

LEVEL_WORDS = {"all": "all lines", "warning": "warnings and errors", "error": "errors"}


@dataclass(frozen=True)
class Wish:
    """What to read: which log, which lines of it, and what to look for."""

    path: Path | None = None
    first: int = 0
    count: int = 1
    filter: Filter = Filter()
    search: str = ""
    start: int = 0
    step: int = 0


@dataclass(frozen=True)
class LogReadings:
    """A window of a log. `found` is where the search stands, -1 when it found nothing, None without one."""

    wish: Wish
    sources: tuple[tuple[str, str], ...]
    total: int = 0
    lines: tuple[tuple[int, bytes], ...] = ()
    first: int = 0
    problem: str = ""
    found: int | None = None
    share: float = 1.0
    knows_jobs: bool = True


class Logs(Pane):
    """A list of logs and one of them."""

    NAME = "logs"
    EVERY_S = 0.25
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("pick", "o", "Open log", "Choose a log."),
        Action("search", "slash", "Search", "Find a text."),
        Action("next", "n", "Next", "Go to the next place that the search finds."),
        Action("back", "N", "Previous", "Go to the previous place that the search finds.", footer=False),
        Action("filter", "f", "Filter", "Show only lines that hold a text."),
        Action("level", "v", "Level", "Show all lines, warnings and errors, or errors only."),
        Action("follow", "space,end", "Follow", "Stay at the end of the log, or stop doing so."),
    )

    def __init__(self, place: Place) -> None:
        self.wish = Wish()
        self.files: dict[Path, LogFile] = {}
        self.sources: tuple[tuple[str, str], ...] = ()
        self.asked_for = ""
        super().__init__(place)

    def compose(self) -> ComposeResult:
        """Sources at the left, the log at the right, one line about it below."""
        with Horizontal(id="log-body"):
            yield OptionList(id="log-sources")
            with Vertical():
                yield LogView(id="log-view")
        yield Input(id="log-input", placeholder="text, then ⏎; empty ends it")
        yield Static("", id="log-line")

    def on_mount(self) -> None:
        """Hide the input until it is asked for."""
        self.query_one("#log-input").display = False
        super().on_mount()

    def first_focus(self) -> Widget | None:
        """The log gets the keys."""
        return self.query_one("#log-view")

    @property
    def view(self) -> LogView:
        """The log."""
        return self.query_one(LogView)

    def read(self) -> LogReadings:
        """Read the window that is looked at."""
        wish = self.wish
        knows_jobs = self.dashboard.knows_jobs
        jobs = [(str(job.log), f"{sign(job.state)} {safe(job.order.title)}") for job in self.dashboard.jobs]
        logs = [(str(path), log_title(path, self.place.outputs)) for path in list_logs(self.place.outputs)]
        sources = (*jobs, *logs)
        if wish.path is None:
            return LogReadings(wish, sources, knows_jobs=knows_jobs)
        log = self.files.setdefault(wish.path, LogFile(wish.path))
        log.set_filter(wish.filter)
        log.grow()
        found = None
        if wish.step and wish.search:
            place = log.find(wish.search, wish.start, wish.step)
            found = -1 if place is None else place
        first = wish.first if found in (None, -1) else max(0, found - wish.count // 2)
        if self.view.follow and found in (None, -1):
            first = max(0, log.shown - wish.count)
        lines = tuple(log.window(first, wish.count))
        share = log.scanned / log.size if log.size else 1.0
        return LogReadings(wish, sources, log.shown, lines, first, log.problem, found, share)

    def show(self, readings: LogReadings) -> None:
        """Show the window, unless another log has been chosen since."""
        self._show_sources(readings.sources)
        if readings.wish.path != self.wish.path:
            return
        if readings.wish.path is None:
            if not readings.knows_jobs:
                return
            if readings.sources:
                self.open_log(Path(readings.sources[0][0]))
            else:
                self.query_one("#log-line", Static).update("[$muted]No log is here yet: start something.[/]")
            return
        if readings.found is not None:
            self.wish = Wish(self.wish.path, filter=self.wish.filter, search=self.wish.search)
        self.view.show(readings.total, readings.first, list(readings.lines))
        if readings.found == -1:
            self.notify(f"{readings.wish.search!r} is nowhere in this log.", severity="warning")
        elif readings.found is not None:
            self.view.go_to(readings.found)
        self.query_one("#log-line", Static).update(self._line(readings))
        if readings.share < 1:
            self.look()

    def _show_sources(self, sources: tuple[tuple[str, str], ...]) -> None:
        if sources == self.sources:
            return
        self.sources = sources
        choices = self.query_one("#log-sources", OptionList)
        at = choices.highlighted
        choices.clear_options()
        choices.add_options([Option(text, id=path) for path, text in sources])
        choices.highlighted = at if at is not None and at < len(sources) else None

    def _line(self, readings: LogReadings) -> str:
        path = readings.wish.path
        name = (
            path.relative_to(self.place.outputs) if path and path.is_relative_to(self.place.outputs) else path
        )
        parts = [f"[b]{safe(str(name))}[/]"]
        top = self.view.scroll_offset.y
        bottom = min(readings.total, top + self.view.size.height)
        parts.append(f"[$muted]{min(top + 1, bottom):,}–{bottom:,} of {readings.total:,}[/]")
        parts.append("[$accent]● following[/]" if self.view.follow else "[$muted]○ not following[/]")
        if readings.wish.filter.level != "all":
            parts.append(f"[$warning]{LEVEL_WORDS[readings.wish.filter.level]}[/]")
        if readings.wish.filter.text:
            parts.append(f"[$warning]with “{safe(readings.wish.filter.text)}”[/]")
        if self.wish.search:
            parts.append(f"[$muted]search “{safe(self.wish.search)}”[/]")
        if readings.share < 1:
            parts.append(f"[$muted]reading {readings.share:.0%}[/]")
        if readings.problem:
            parts.append(f"[$error]! {safe(readings.problem)}[/]")
        return "  ".join(parts)

    def look(self) -> None:
        """Ask for the lines around what is looked at."""
        if self.is_mounted and self.wish.path is not None:
            first, count = self.view.wanted
            self.wish = Wish(
                self.wish.path,
                first,
                count,
                self.wish.filter,
                self.wish.search,
                self.wish.start,
                self.wish.step,
            )
        super().look()

    def open_log(self, path: Path) -> None:
        """Show a log from its end on."""
        self.wish = Wish(path)
        self.view.follow, self.view.found = True, None
        self.view.show(0, 0, [])
        self.look()

    def on_log_view_moved(self) -> None:
        """Other lines are looked at."""
        self.look()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Open the chosen log."""
        if event.option_id:
            self.open_log(Path(event.option_id))
            self.view.focus()

    def why_not(self, action: str) -> str:
        """Searching on needs a search."""
        if action in ("next", "back") and not self.wish.search:
            return "Search for something first: /"
        return "" if action == "pick" or self.wish.path else "No log is open."

    @work
    async def do_pick(self) -> None:
        """Choose a log."""
        chosen = await self.app.push_screen_wait(Choice("Which log?", self.sources or [("", "none yet")]))
        if chosen:
            self.open_log(Path(chosen))

    def do_search(self) -> None:
        """Ask for a text to find."""
        self._ask_for("search", self.wish.search)

    def do_filter(self) -> None:
        """Ask for a text that shown lines hold."""
        self._ask_for("filter", self.wish.filter.text)

    def _ask_for(self, what: str, value: str) -> None:
        self.asked_for = what
        field = self.query_one("#log-input", Input)
        field.border_title = what
        field.value, field.display = value, True
        field.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Search or filter."""
        event.stop()
        self._close_input()
        if self.asked_for == "search":
            self._search(event.value, 1)
        else:
            self._filter(Filter(event.value, self.wish.filter.level))

    def key_escape(self) -> None:
        """Close the input."""
        self._close_input()

    def _close_input(self) -> None:
        self.query_one("#log-input").display = False
        self.view.focus()

    def _search(self, text: str, step: int) -> None:
        at = self.view.found if self.view.found is not None else self.view.scroll_offset.y - step
        self.wish = Wish(
            self.wish.path, filter=self.wish.filter, search=text, start=at + step, step=step if text else 0
        )
        self.look()

    def _filter(self, wanted: Filter) -> None:
        self.wish = Wish(self.wish.path, filter=wanted, search=self.wish.search)
        self.view.follow, self.view.found = True, None
        self.look()

    def do_next(self) -> None:
        """Go on with the search."""
        self._search(self.wish.search, 1)

    def do_back(self) -> None:
        """Go back with the search."""
        self._search(self.wish.search, -1)

    def do_level(self) -> None:
        """Show the next level."""
        level = LEVELS[(LEVELS.index(self.wish.filter.level) + 1) % len(LEVELS)]
        self._filter(Filter(self.wish.filter.text, level))

    def do_follow(self) -> None:
        """Follow, or stop following."""
        self.view.follow, self.view.found = not self.view.follow, None
        self.look()


def log_title(path: Path, outputs: Path) -> str:
    """How a log that belongs to no job is listed: its name, and the run's time."""
    if path.parent == outputs:
        return safe(path.name)
    return f"{safe(path.name):<13} [$muted]{safe(path.parent.name.rpartition('_lora_')[2])}[/]"
