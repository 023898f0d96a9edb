"""The gates: what the suite decided and on what it rests, down to a single answer."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import ContentSwitcher, OptionList

from tui.actions import Action
from tui.feed.reader import Problem
from tui.place import Place
from tui.screens.gates_orders import GatesOrders
from tui.screens.gates_reading import GatesReadings, GatesWish
from tui.screens.pane import Pane
from tui.widgets.problem import ProblemPanel

if TYPE_CHECKING:
    from tui.feed.gate_rows import GateRow
    from tui.feed.job_result import JobResult
    from tui.screens.gates_compare import ComparisonView
    from tui.screens.gates_decision import DecisionView
    from tui.screens.gates_reader import GatesReader
    from tui.widgets.case_browser import CaseBrowser

VIEWS = {
    "main": {"open", "start", "harness", "failing", "canaries", "score", "pick", "compare", "incidents"},
    "cases": {"open", "filter", "search", "next", "previous", "back"},
    "compare": {"open", "compare", "back"},
    "incident": {"next", "previous", "back"},
}


class Gates(GatesOrders, Pane):
    """The decision in large letters, a line a harness; behind them cases, comparisons and incidents."""

    NAME = "gates"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", show=False)]
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("open", "enter", "Open", "Open the harness or the case."),
        Action(
            "back", "b,backspace", "Back", "Go back from a case, a comparison, an incident; so does escape."
        ),
        Action(
            "start", "s", "Run all", "Evaluate the newest GGUF: all harnesses, all canaries.", starts=True
        ),
        Action("pick", "o", "Runs", "Choose the evaluation that is shown."),
        Action("failing", "x", "Failing", "Ask again only what did not pass; clears nothing.", starts=True),
        Action("compare", "c", "Compare", "Compare with another evaluation, case by case.", starts=True),
        Action("score", "r", "Re-score", "Score the stored answers again, without a model.", starts=True),
        Action("harness", "h", "One", "Ask only the highlighted harness; clears nothing.", starts=True),
        Action("canaries", "k", "Canaries", "Ask the twenty canaries; clears nothing.", starts=True),
        Action("incidents", "i", "Incidents", "Read the PDCAs that blocked deployments left."),
        Action("filter", "f", "Failing only", "Show only cases that did not pass, or all."),
        Action("search", "slash", "Search", "Find cases by id, question, answer or reason."),
        Action("next", "n", "Next", "Go to the next case or incident."),
        Action("previous", "p", "Previous", "Go to the case or incident before."),
    )

    def __init__(self, place: Place) -> None:
        self.gates_reader: GatesReader | None = None
        self.wish = GatesWish()
        self.readings = GatesReadings()
        self.view = "main"
        self.harness: str | None = None
        self._result = ""
        self._told: tuple[str, ...] = ()
        super().__init__(place)

    def compose(self) -> ComposeResult:
        """The views, one at a time."""
        from tui.screens.gates_compare import ComparisonView
        from tui.screens.gates_decision import DecisionView
        from tui.screens.gates_incident import IncidentView
        from tui.widgets.case_browser import CaseBrowser

        with ContentSwitcher(id="gates-views", initial="gates-main"):
            yield DecisionView(id="gates-main")
            yield CaseBrowser(id="gates-cases")
            yield ComparisonView(id="gates-compare")
            yield IncidentView(id="gates-incident")

    def first_focus(self) -> Widget | None:
        """The list or text of the view."""
        names = {"main": "#gates-list", "cases": "#case-list", "compare": "#compare-list",
                 "incident": "#incident-scroll"}  # fmt: skip
        return self.query_one(names[self.view])

    @property
    def decision(self) -> "DecisionView":
        """The decision and the harnesses."""
        from tui.screens.gates_decision import DecisionView

        return self.query_one(DecisionView)

    @property
    def browser(self) -> "CaseBrowser":
        """The cases of the open harness."""
        from tui.widgets.case_browser import CaseBrowser

        return self.query_one(CaseBrowser)

    def read(self) -> GatesReadings:
        """Read the run that is shown and what stands beside it."""
        from tui.screens.gates_reader import GatesReader

        self.gates_reader = self.gates_reader or GatesReader(self.place.outputs)
        return self.gates_reader.read(self.wish, self.dashboard.jobs, time.time())

    def show(self, readings: GatesReadings) -> None:
        """Draw the view that is shown."""
        self.readings = readings
        self.set_class(readings.run is None or not readings.run.rows, "-empty")
        self.decision.show(readings, self.size.width - 2)
        row = self.open_row()
        if self.view == "cases" and row is not None and readings.beside is not None:
            self.browser.show(row, readings.beside)
        if self.view == "incident" and readings.incident is not None:
            path, text = readings.incident
            from tui.screens.gates_incident import IncidentView

            place = readings.incidents.index(path)
            self.query_one("#gates-incident", IncidentView).show(path, text, place, len(readings.incidents))
        self._show_result()
        if readings.problems and readings.problems != self._told:
            self.show_problem(Problem(readings.problems[0], "The gates are shown without it."))
        self._told = readings.problems

    def _show_result(self) -> None:
        """What a command that was waited for has printed."""
        from pydantic import ValidationError

        wanted, result = self.wish.wanted, self.readings.result
        if wanted is None or result is None or result.id + result.state == self._result:
            return
        self._result = result.id + result.state
        try:
            if wanted.kind == "evals compare":
                self._show_comparison(wanted.arguments, result)
            elif result.printed is not None:
                self._show_score(result.printed)
        except ValidationError as error:
            self.show_problem(Problem(f"{wanted.kind}: {error.errors()[0]['msg']}", "Its log says more: j."))

    def _show_comparison(self, arguments: tuple[str, ...], result: "JobResult") -> None:
        from evals.compare import Comparison
        from tui.screens.gates_compare import ComparisonView, waiting_text

        view = self.query_one(ComparisonView)
        if result.printed is None:
            view.say(waiting_text(result))
        else:
            a, b = (Path(name).name for name in arguments[:2])
            view.show(Comparison.model_validate(result.printed), (a, b))

    def _show_score(self, printed: dict[str, Any]) -> None:
        from tui.screens.gates_text import rescored_text
        from tui.widgets.dialogs import Reading
        from web4mlx.reports import FinalReport

        if self.readings.run is not None:
            text = rescored_text(self.readings.run, FinalReport.model_validate(printed))
            self.app.push_screen(Reading(f"{self.readings.run.name}, scored now", text))

    def open_row(self) -> "GateRow | None":
        """The harness whose cases are shown."""
        return self.readings.run.row(self.harness) if self.readings.run else None

    def highlighted_row(self) -> "GateRow | None":
        """The harness that is highlighted or open."""
        if self.view == "cases":
            return self.open_row()
        return self.decision.highlighted_row()

    def go_to(self, view: str) -> None:
        """Show a view, and its keys."""
        self.view = view
        self.query_one("#gates-views", ContentSwitcher).current = f"gates-{view}"
        self.screen.set_focus(self.first_focus())
        self.dashboard.show_keys()

    def offers(self, action: str) -> bool:
        """Each view has its own keys."""
        return action in VIEWS[self.view]

    def why_not(self, action: str) -> str:
        """What must be so for an action."""
        run, titles = self.readings.run, {entry.id: entry.name for entry in self.ACTIONS}
        if action == "back":
            return ""
        if action not in VIEWS[self.view]:
            return f"“{titles[action]}” is for another view of this screen; esc goes back."
        if action == "start" or action == "canaries" or self.view != "main":
            return ""
        if action == "incidents":
            return "" if self.readings.incidents else "No blocked deployment has left an incident here."
        if not self.readings.runs or run is None:
            return "No evaluation is here yet: s starts one."
        if action == "compare" and len(self.readings.runs) < 2:
            return "There is no other evaluation to compare with."
        if action == "failing" and not any(len(row.cases) > row.passed for row in run.rows):
            return "Nothing failed in this run."
        if action == "score" and run.state == "running":
            return "It is still being asked."
        return ""

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Open the harness."""
        self.do_open()

    def do_open(self) -> None:
        """Open the highlighted harness, or the highlighted case."""
        if self.view == "main":
            self.open_harness(self.highlighted_row())
        elif self.view == "cases":
            self.browser.open_case()
        else:
            self.query_one("#compare-list", OptionList).action_select()

    def open_harness(self, row: "GateRow | None", case: str = "") -> None:
        """Show the cases of a harness, or one of them."""
        beside = self.readings.beside
        if row is None or beside is None:
            return
        self.harness = row.name
        browser = self.browser
        browser.show(row, beside)
        browser.begin(only_failing=False, case=case)
        self.go_to("cases")

    def on_comparison_view_chosen(self, message: "ComparisonView.Chosen") -> None:
        """Open a case whose verdict changed."""
        if self.readings.run is not None:
            self.open_harness(self.readings.run.row(message.harness), message.case)

    def action_leave(self) -> None:
        """Close the error panel, or go back."""
        if self.dashboard.query_one(ProblemPanel).display:
            self.dashboard.do_close_problem()
        else:
            self.do_back()

    def do_back(self) -> None:
        """Go one level back."""
        if self.view == "cases" and self.browser.leave():
            return
        came_from_comparison = self.view == "cases" and self.wish.compared and self._result
        self.go_to("compare" if came_from_comparison else "main")

    def do_filter(self) -> None:
        """Show only what did not pass, or all."""
        self.browser.toggle_failing()

    def do_search(self) -> None:
        """Search the cases."""
        self.browser.ask_for_search()

    def do_next(self) -> None:
        """Go on."""
        self._move(1)

    def do_previous(self) -> None:
        """Go back by one."""
        self._move(-1)

    def _move(self, step: int) -> None:
        if self.view == "cases":
            self.browser.move(step)
            return
        incidents, current = self.readings.incidents, self.wish.incident
        at = incidents.index(current) if current in incidents else -step
        self.wish.incident = incidents[min(len(incidents) - 1, max(0, at + step))] if incidents else None
        self.look()

    def do_incidents(self) -> None:
        """Read the newest incident."""
        self.wish.incident = self.readings.incidents[0]
        self.go_to("incident")
        self.look()
