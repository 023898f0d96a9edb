"""The cases of a harness: a list that is filtered and searched, and one case with all that belongs to it."""

from collections.abc import Mapping
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from tui.feed.gate_rows import GateRow
from tui.markup import safe
from tui.themes import sign
from tui.widgets.source import answer_content, plain
from tui.words import duration
from web4mlx.reports import CaseReport

ORDER = {"errored": 0, "failed": 1, "inconclusive": 2, "passed": 3}
MARKS = {
    "passed": "[$success]✓[/]", "failed": "[$error]✗[/]", "errored": "[$error]![/]",
    "inconclusive": "[$warning]?[/]",
}  # fmt: skip


@dataclass(frozen=True)
class Beside:
    """Another model's cases, shown beside: `label` names it, `cases` is by `harness/case`."""

    label: str
    missing: str
    cases: Mapping[str, CaseReport]


class CaseBrowser(Vertical):
    """A list of cases at the left, the highlighted one at the right; in a narrow window one at a time."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.row: GateRow | None = None
        self.beside = Beside("", "", {})
        self.only_failing = False
        self.search = ""
        self.shown: tuple[CaseReport, ...] = ()
        self._listed: object = None
        self._drawn: object = None

    def compose(self) -> ComposeResult:
        """Head, list and case, search field."""
        yield Static("", id="case-head")
        with Horizontal(id="case-body"):
            yield OptionList(id="case-list")
            with VerticalScroll(id="case-view"):
                yield Static("", id="case-facts")
                yield Static("", id="case-prompt")
                with Horizontal(id="case-answers"):
                    with Vertical(classes="answer"):
                        yield Static("", id="case-answer-title")
                        yield Static("", id="case-answer")
                    with Vertical(classes="answer"):
                        yield Static("", id="case-beside-title")
                        yield Static("", id="case-beside")
        yield Input(id="case-search", placeholder="text in id, question, answer or reason; empty ends it")

    def on_mount(self) -> None:
        """The search field is hidden until it is wanted."""
        self.query_one("#case-search").display = False

    @property
    def list(self) -> OptionList:
        """The list."""
        return self.query_one("#case-list", OptionList)

    @property
    def case(self) -> CaseReport | None:
        """The highlighted case."""
        at = self.list.highlighted
        return self.shown[at] if at is not None and at < len(self.shown) else None

    @property
    def is_open(self) -> bool:
        """Whether one case fills a narrow window."""
        return self.has_class("-open")

    def show(self, row: GateRow, beside: Beside) -> None:
        """Show a harness; the highlighted case stays, wherever it moves to."""
        self.row, self.beside = row, beside
        self._show_list()
        self._show_case()

    def begin(self, only_failing: bool, case: str = "") -> None:
        """Show from the start: all or only what did not pass; open one case, when one is named."""
        self.only_failing, self.search = only_failing, ""
        self.shown, self._listed = (), None
        self.set_class(bool(case), "-open")
        self._show_list(case)
        self._show_case()

    def _show_list(self, wanted: str = "") -> None:
        row = self.row
        if row is None:
            return
        key = (row.name, tuple((case.id, case.verdict) for case in row.cases), self.only_failing, self.search)
        if key != self._listed:
            current = wanted or (self.case.id if self.case else "")
            self._listed = key
            cases = [case for case in row.cases if self._wants(case)]
            self.shown = tuple(sorted(cases, key=lambda case: ORDER[case.verdict]))
            self.list.clear_options()
            self.list.add_options([Option(case_line(case), id=case.id) for case in self.shown])
            ids = [case.id for case in self.shown]
            if ids:
                self.list.highlighted = ids.index(current) if current in ids else 0
        self.query_one("#case-head", Static).update(self._head(row))

    def _wants(self, case: CaseReport) -> bool:
        if self.only_failing and case.verdict == "passed":
            return False
        texts = (case.id, case.category, case.prompt, case.response, *case.reasons)
        return not self.search or any(self.search.lower() in text.lower() for text in texts)

    def _head(self, row: GateRow) -> str:
        parts = [f"[b]{safe(row.title)}[/]", f"{row.passed} of {len(row.cases)} passed"]
        if self.only_failing:
            parts.append(f"[$warning]only the {len(self.shown)} that did not pass[/]")
        else:
            parts.append(f"{len(self.shown)} shown" if self.search else "all shown")
        if self.search:
            parts.append(f"[$warning]with “{safe(self.search)}”[/]")
        if row.done < row.asked:
            parts.append(f"[$accent]{row.asked - row.done} not answered yet[/]")
        return "  [$muted]·[/]  ".join(parts)

    def _show_case(self) -> None:
        case, row = self.case, self.row
        key = (row.name, case, self.beside.label, self._other(case)) if row and case else (row and row.name,)
        if key == self._drawn:
            return
        self._drawn = key
        if case is None or row is None:
            why = "No case is like that." if self.search or self.only_failing else "No answer yet."
            self._fill(f"[$muted]{why}[/]", "", "", Content(""), "", Content(""))
            return
        asked = Content.assemble(("Asked\n", "bold $muted"), Content(plain(case.prompt)), "\n")
        other = self._other(case)
        text = answer_content(case.response) if case.response else Content.styled("no answer", "$muted")
        if other is None:
            title, beside = "", Content.styled(self.beside.missing, "$muted")
        else:
            title = f"{sign(other.verdict)} [$muted]{safe(case_facts(other))}[/]"
            beside = answer_content(other.response)
        self._fill(
            facts_text(case), asked, "[b $muted]Answered[/]", text,
            f"[b $muted]{safe(self.beside.label)}[/]  {title}", beside,
        )  # fmt: skip
        self.query_one("#case-view", VerticalScroll).scroll_home(animate=False)

    def _fill(
        self, facts: str, asked: Content | str, title: str, answer: Content, other: str, beside: Content
    ) -> None:
        for name, text in (
            ("facts", facts), ("prompt", asked), ("answer-title", title), ("answer", answer),
            ("beside-title", other), ("beside", beside),
        ):  # fmt: skip
            self.query_one(f"#case-{name}", Static).update(text)

    def _other(self, case: CaseReport | None) -> CaseReport | None:
        return self.beside.cases.get(f"{self.row.name}/{case.id}") if self.row and case else None

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Show the case."""
        event.stop()
        self._show_case()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Open the case."""
        event.stop()
        self.open_case()

    def open_case(self) -> None:
        """Give the case the keys, and the window when it is narrow."""
        if self.case is not None:
            self.add_class("-open")
            self.query_one("#case-view").focus()

    def leave(self) -> bool:
        """Go one level back: from the search, from the case; returns whether there was one."""
        field = self.query_one("#case-search")
        if field.display:
            field.display = False
            self.list.focus()
            return True
        if self.is_open:
            self.remove_class("-open")
            self.list.focus()
            return True
        return False

    def move(self, step: int) -> None:
        """Go to another case of the list."""
        at = self.list.highlighted
        if at is not None and 0 <= at + step < len(self.shown):
            self.list.highlighted = at + step

    def toggle_failing(self) -> None:
        """Show only what did not pass, or all."""
        self.only_failing = not self.only_failing
        self._show_list()
        self._show_case()

    def ask_for_search(self) -> None:
        """Show the search field."""
        field = self.query_one("#case-search", Input)
        field.border_title, field.value, field.display = "search", self.search, True
        field.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Search."""
        event.stop()
        self.search = event.value
        event.input.display = False
        self.remove_class("-open")
        self._show_list()
        self._show_case()
        self.list.focus()


def case_line(case: CaseReport) -> str:
    """One case in one line: verdict, id, and why not or the question."""
    rest = "; ".join(case.reasons) if case.reasons else case.prompt
    rest = " ".join(plain(rest).split())
    return f"{MARKS[case.verdict]} [b]{safe(f'{case.id:<24}')}[/] [$muted]{safe(rest[:160])}[/]"


def case_facts(case: CaseReport) -> str:
    """Tokens, time and end of an answer."""
    if not case.finish_reason:
        return ""
    cut = ", cut at the token limit" if case.finish_reason == "length" else ""
    return f"{case.completion_tokens} tokens, {duration(case.total_s)}{cut}"


def facts_text(case: CaseReport) -> str:
    """Verdict, name and reasons of a case."""
    told = f"[$muted]{safe(case.category)}  {case_facts(case)}[/]"
    head = f"{sign(case.verdict)}  [b]{safe(case.id)}[/]  {told}"
    lines = [head, *(f"  [$error]•[/] {safe(plain(reason))}" for reason in case.reasons)]
    readings = ", ".join(
        f"{name.replace('_', ' ')}: {_reading(value)}"
        for name, value in case.figures.items()
        if name != "expected"
    )
    if "expected" in case.figures:
        lines.append(f"  [$muted]expected: {safe(str(case.figures['expected']))}[/]")
    if readings:
        lines.append(f"  [$muted]{safe(readings)}[/]")
    return "\n".join(lines) + "\n"


def _reading(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
