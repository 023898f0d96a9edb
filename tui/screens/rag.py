"""The RAG screen: what the store holds, its marks, its speed, its check; and questions to it."""

import time
from dataclasses import replace
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.widget import Widget
from textual.widgets import OptionList, Static

from tui.actions import Action
from tui.feed.job_output import alive, read_output
from tui.feed.reader import Problem, attempt
from tui.markup import safe
from tui.place import Place
from tui.retrieval.asker import Asker, Stopped
from tui.retrieval.documents import read_document
from tui.retrieval.facts import StoreFacts, StoreFeed
from tui.retrieval.hit_text import Filters, whole_document
from tui.retrieval.readings import RagReadings
from tui.retrieval.reports import CheckFeed, expectations
from tui.retrieval.text import (
    findings_text,
    head_text,
    latencies_text,
    marks_text,
    tiers_text,
    whole_check,
)
from tui.retrieval.worker import Answer, Question
from tui.screens.rag_dialogs import StoreDialogs
from tui.screens.rag_search import QuestionInput, Search
from tui.themes import sign
from tui.widgets.dialogs import Reading
from tui.words import duration, near_paths
from web4mlx.errors import Web4Error

WRITING = ("rag build", "rag check", "rag mark", "rag sample")


class Rag(StoreDialogs):
    """Facts at the left, questions at the right; a narrow terminal shows one of them."""

    NAME = "rag"
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("ask", "slash", "Ask", "Type a question to the store."),
        Action("filters", "f", "Filters", "Restrict questions by days, agent, collections, links."),
        Action("untrained", "u", "Untrained", "Find only what no adapter was trained on, or everything."),
        Action("links", "g", "Links", "Go to the links of the shown document; ⏎ follows one."),
        Action("back", "backspace", "Back", "Go back along the links.", footer=False),
        Action("open", "o", "Read", "Read the shown document as a whole.", footer=False),
        Action("check", "c", "Check", "Check what the store holds, finds and how fast it is.", starts=True),
        Action("build", "b", "Build", "Index the repository; known texts cost nothing.", starts=True),
        Action("mark", "m", "Mark", "Mark what an adapter was trained on.", starts=True),
        Action("unmark", "M", "Unmark", "Take marks away.", footer=False, starts=True),
        Action("details", "d", "Details", "Read the check's findings as a whole.", footer=False),
        Action("view", "v", "View", "Change between the store and its answers."),
    )

    class Answered(Message):
        """The worker has answered."""

        def __init__(self, result: Answer | Problem) -> None:
            super().__init__()
            self.result = result

    def __init__(self, place: Place) -> None:
        self.feed = StoreFeed(place.settings.store.absolute())
        self.checks = CheckFeed(place.outputs)
        self.asker = Asker()
        self.filters = Filters(hops=place.settings.assistant.hops)
        self.readings: RagReadings | None = None
        self.text, self.number, self.asked_at = "", 0, 0.0
        self.wanted = ""
        self.trail: list[str] = []
        self.told = ""
        super().__init__(place)

    def compose(self) -> ComposeResult:
        """The store's boxes, and the search beside them."""
        with Horizontal(id="rag-body"):
            with VerticalScroll(id="rag-store", can_focus=False):
                yield Static("reading …", id="rag-head")
                for name, title in (
                    ("tiers", "Store"), ("marks", "Marks"), ("speed", "Latency"), ("check", "Check"),
                ):  # fmt: skip
                    with Vertical(classes="box rag-part") as box:
                        box.border_title = title
                        yield Static("", id=f"rag-{name}")
            yield Search()

    def on_mount(self) -> None:
        """Show the filters, begin to read."""
        self.search.show_filters(self.filters)
        super().on_mount()

    def on_unmount(self) -> None:
        """End the worker."""
        super().on_unmount()
        self.asker.stop()

    @property
    def search(self) -> Search:
        """The right side."""
        return self.query_one(Search)

    def first_focus(self) -> Widget | None:
        """The hits, when there are any and they are to be seen."""
        hits = self.search.query_one("#rag-hits", OptionList)
        return hits if hits.display and self.search.display else None

    def read(self) -> RagReadings:
        """Read facts and reports, and the wanted document."""
        from web4mlx.assistant.store import load_store_settings

        jobs = self.dashboard.jobs
        settings = load_store_settings(self.place.settings.rag.settings)
        busy = next((job for kind in WRITING if (job := alive(jobs, kind))), None)
        line = "".join(read_output(busy.log, 4096).lines[-1:]) if busy else ""
        readings = RagReadings(None, self.checks.read(), settings, busy, line)
        try:
            facts = self.feed.read()
            document = read_document(self.feed.folder, self.wanted) if facts and self.wanted else None
        except Web4Error as error:
            return replace(readings, problem=Problem(near_paths(error.message), error.hint))
        return replace(readings, facts=facts, document=document)

    def show(self, readings: RagReadings) -> None:
        """Show the store, how long a question has been waiting, and the document."""
        self.readings = readings
        facts = readings.facts
        self.set_class(facts is None, "-empty")
        self.query_one("#rag-head", Static).update(head_text(readings, self.empty_text()))
        if readings.problem is not None and readings.problem.cause != self.told:
            self.told = readings.problem.cause
            self.show_problem(readings.problem)
        if facts is not None:
            self._show_store(facts, readings)
        if self.asked_at:
            self.search.show_waiting(self._waiting())
        elif readings.document is not None:
            hit = self.search.hit if not self.trail else None
            self.search.show_document(readings.document, hit, len(self.trail))

    def _show_store(self, facts: StoreFacts, readings: RagReadings) -> None:
        report = readings.checked.report
        width = max(30, self.query_one("#rag-tiers").content_size.width)
        name, expected = expectations(readings.settings, facts.scale, report.expected if report else "")
        for part, text in (
            ("tiers", tiers_text(facts, name, expected, width)), ("marks", marks_text(facts, width)),
            ("speed", latencies_text(report, width)), ("check", findings_text(report, width)),
        ):  # fmt: skip
            self.query_one(f"#rag-{part}", Static).update(text)

    def _waiting(self) -> str:
        waited = duration(time.monotonic() - self.asked_at)
        what = "asking" if self.number > 1 and self.asker.is_warm else "loading the embedder, then asking"
        return f"{sign('running')} {what}, {waited}   [$muted]esc stops it[/]"

    def why_not(self, action: str) -> str:
        """What must be so for an action."""
        is_missing = self.readings is not None and self.readings.facts is None
        if action in ("ask", "check", "mark", "unmark") and is_missing:
            return "There is no store yet that could be used: b builds one."
        document = self.search.document
        if action in ("links", "open") and document is None:
            return "No document is shown: ask something first."
        if action == "links" and document is not None and not document.neighbours:
            return "This document has no links."
        if action == "back" and not self.trail:
            return "No link has been followed."
        if action == "details" and (self.readings is None or self.readings.checked.report is None):
            return "Nothing has been checked yet."
        return ""

    def do_ask(self) -> None:
        """Go to the question."""
        self.add_class("-asking")
        self.search.query_one(QuestionInput).enter()
        self._open_early()

    def _open_early(self) -> None:
        """Let the worker open the store while the question is being typed."""
        if not self.asker.is_warm and not self.asked_at:
            self._ask("")

    def on_question_input_entered(self) -> None:
        """Ask, as with the key."""
        reason = self.why_not("ask")
        if reason:
            self.notify(reason, severity="warning")
        else:
            self.do_ask()

    def on_question_input_left(self) -> None:
        """Stop a question that waits; else leave the field, and in a narrow terminal the answers."""
        if self.asked_at:
            self.asked_at = 0.0
            self.search.show_waiting("Asking was stopped.")
            attempt(self.asker.stop, lambda done: None)
        elif not self.search.hits:
            self.remove_class("-asking")
        self.app.set_focus(self.first_focus())

    def on_search_asked(self, message: Search.Asked) -> None:
        """Ask the worker."""
        self.text = message.text
        if message.text:
            self.asked_at = time.monotonic()
            self.search.show_waiting(self._waiting())
            self._ask(message.text)

    def _ask(self, text: str) -> None:
        self.number += 1
        filters = self.filters
        question = Question(
            number=self.number, db=str(self.feed.folder), settings=self.place.settings.rag.settings,
            text=text, collections=filters.collections, start=filters.start, end=filters.end,
            agent=filters.agent, hops=filters.hops, untrained=filters.untrained,
        )  # fmt: skip
        attempt(lambda: self._answer(question), lambda result: self.post_message(self.Answered(result)))

    def _answer(self, question: Question) -> Answer | Problem | None:
        try:
            return self.asker.ask(question)
        except Stopped:
            return None

    def on_rag_answered(self, message: Answered) -> None:
        """Show an answer, unless something newer was asked; one without a question only opened the store."""
        result = message.result
        is_old = isinstance(result, Answer) and result.number != self.number
        if is_old or self.dashboard.is_closing:
            return
        if isinstance(result, Answer) and result.error:
            result = Problem(result.error, result.hint)
        if isinstance(result, Problem):
            self.asked_at = 0.0
            self.search.show_waiting(f"{sign('errored')} {safe(result.cause)}")
            self.show_problem(result)
        elif result is not None and self.asked_at:
            self.asked_at = 0.0
            self.search.show_answer(result, self.text)

    def on_search_wanted(self, message: Search.Wanted) -> None:
        """Look at a document, as a hit or along a link."""
        if message.followed:
            self.trail.append(self.wanted)
        else:
            self.trail.clear()
        self.wanted = message.identity
        self.look()

    def on_search_opened(self) -> None:
        """Read the shown document."""
        self.do_open()

    def do_open(self) -> None:
        """Read the shown document as a whole."""
        document = self.search.document
        if document is not None:
            self.app.push_screen(Reading(document.id, whole_document(document)))

    def do_links(self) -> None:
        """Go to the links."""
        links = self.search.query_one("#rag-links", OptionList)
        links.highlighted = links.highlighted or 0
        links.focus()

    def do_back(self) -> None:
        """Go back along the links."""
        self.wanted = self.trail.pop()
        self.search.document = None
        self.look()

    def do_untrained(self) -> None:
        """Leave out what was trained, or bring it back; ask again."""
        self.use_filters(replace(self.filters, untrained=not self.filters.untrained))

    def use_filters(self, filters: Filters) -> None:
        """Restrict questions, and ask the last one again."""
        self.filters = filters
        self.search.show_filters(filters)
        if self.text:
            self.search.post_message(Search.Asked(self.text))

    def do_view(self) -> None:
        """Show the other side, where only one has room; else go over to it."""
        self.toggle_class("-asking")
        if self.has_class("-asking") and not self.search.hits:
            self.search.query_one(QuestionInput).enter()
        else:
            self.app.set_focus(self.first_focus() if self.has_class("-asking") else None)

    def do_details(self) -> None:
        """Read the findings."""
        if self.readings is not None and self.readings.checked.report is not None:
            self.app.push_screen(Reading("Check of the store", whole_check(self.readings.checked.report)))
