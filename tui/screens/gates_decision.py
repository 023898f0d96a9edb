"""The decision in large letters, a line a harness, and what fails in the highlighted one."""

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from tui.feed.gate_rows import GateRow
from tui.markup import safe
from tui.screens.gates_banner import Banner, banner, conditions_line, facts_line, no_run_banner
from tui.screens.gates_reading import GatesReadings
from tui.screens.gates_text import Columns, canaries_text, failures_text
from tui.widgets.letters import large


class DecisionView(Vertical):
    """Of one run; other views of the screen go into its harnesses."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.readings = GatesReadings()
        self._lines: list[str] = []

    def compose(self) -> ComposeResult:
        """From the decision down to the canaries."""
        yield Static("", id="gates-letters")
        yield Static("", id="gates-lines")
        yield Static("", id="gates-facts")
        yield Static("", id="gates-header")
        yield OptionList(id="gates-list")
        yield Static("", id="gates-conditions")
        with Horizontal(id="gates-details"):
            with VerticalScroll(classes="box", id="gates-why-box", can_focus=False):
                yield Static("", id="gates-why")
            with VerticalScroll(classes="box", id="gates-canaries-box", can_focus=False) as box:
                box.border_title = "Canaries"
                yield Static("", id="gates-canaries")

    def show(self, readings: GatesReadings, width: int) -> None:
        """Draw it; `width` is that of the screen's content in columns."""
        self.readings, run = readings, readings.run
        is_high = self.app.screen.has_class("-high")
        told = (
            banner(run, readings.published, 5 if is_high else 2)
            if run
            else no_run_banner(readings.is_starting)
        )
        self._show_banner(told, width)
        if run is None:
            return
        self.query_one("#gates-facts", Static).update(facts_line(run, width))
        columns = Columns(self.query_one("#gates-list").size.width or width)
        self.query_one("#gates-header", Static).update(f"[$muted]{columns.header()}[/]")
        self._show_lines([columns.line(row) for row in run.rows], worst_of(run.rows))
        self.query_one("#gates-conditions", Static).update(conditions_line(run))
        self._show_details()

    def _show_banner(self, told: Banner, width: int) -> None:
        letters = "\n".join(large(told.letters, width))
        self.query_one("#gates-letters", Static).update(f"[{told.colour}]{letters}[/]")
        lines = list(told.lines)
        if self.readings.is_starting and self.readings.run is not None:
            lines.insert(0, "[$accent]● an evaluation is starting: its model is being loaded[/]")
        self.query_one("#gates-lines", Static).update("\n".join(lines))

    def _show_lines(self, lines: list[str], first: int) -> None:
        choices = self.query_one("#gates-list", OptionList)
        if len(lines) != len(self._lines):
            choices.clear_options()
            choices.add_options([Option(line) for line in lines])
            choices.highlighted = first if lines else None
        else:
            for place, (line, before) in enumerate(zip(lines, self._lines, strict=True)):
                if line != before:
                    choices.replace_option_prompt_at_index(place, line)
        self._lines = lines

    def _show_details(self) -> None:
        row, run = self.highlighted_row(), self.readings.run
        if row is None or run is None:
            return
        box = self.query_one("#gates-why-box")
        box.border_title = f"{safe(row.title)}: what fails"
        width = box.content_size.width
        self.query_one("#gates-why", Static).update(failures_text(row, width, 12))
        width = self.query_one("#gates-canaries-box").content_size.width
        self.query_one("#gates-canaries", Static).update(canaries_text(run.row("canary"), width))

    def highlighted_row(self) -> GateRow | None:
        """The harness that is highlighted."""
        at = self.query_one("#gates-list", OptionList).highlighted
        rows = self.readings.run.rows if self.readings.run else ()
        return rows[at] if at is not None and at < len(rows) else None

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Say what fails in it."""
        self._show_details()


def worst_of(rows: tuple[GateRow, ...]) -> int:
    """Where to look first: the first gate that did not pass."""
    return next((place for place, row in enumerate(rows) if row.state in ("failed", "errored")), 0)
