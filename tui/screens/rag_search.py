"""The right side of the RAG screen: the question, the hits, the document that is looked at, its links."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from tui.markup import safe
from tui.retrieval.documents import Document
from tui.retrieval.hit_text import Filters, document_text, hit_lines, link_line, name_of
from tui.retrieval.worker import Answer, Found

HOW = (
    "Type a question and press ⏎. The first answer takes some seconds: the embedder is loaded then, in a "
    "process of its own, which ends with the dashboard."
)


class QuestionInput(Input, can_focus=False):
    """Where a question is typed; escape leaves it, down goes to the hits.

    It takes the keys only when it is entered: a dialog that closes gives them to whatever can have them, and
    here they would be typed instead of doing what they stand for.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", show=False),
        Binding("down", "hits", show=False),
    ]

    class Entered(Message):
        """The user has clicked it."""

    class Left(Message):
        """The user has pressed escape."""

    def enter(self) -> None:
        """Take the keys."""
        self.can_focus = True
        self.focus()

    def on_click(self) -> None:
        """Ask to be entered."""
        self.post_message(self.Entered())

    def on_blur(self) -> None:
        """Give up the keys."""
        self.can_focus = False

    def action_leave(self) -> None:
        """Leave."""
        self.post_message(self.Left())

    def action_hits(self) -> None:
        """Go to the hits, if there are any."""
        hits = self.screen.query_one("#rag-hits", OptionList)
        if hits.option_count:
            hits.focus()


class Search(Vertical):
    """Asks and shows; what is asked and which document is wanted it posts."""

    class Asked(Message):
        """A question was typed."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Wanted(Message):
        """A document is to be shown: by its own id, or by the id of one of its chunks."""

        def __init__(self, identity: str, *, followed: bool = False) -> None:
            super().__init__()
            self.identity, self.followed = identity, followed

    class Opened(Message):
        """The shown document is to be read as a whole."""

    def __init__(self) -> None:
        super().__init__(id="rag-search")
        self.hits: tuple[Found, ...] = ()
        self.document: Document | None = None

    def compose(self) -> ComposeResult:
        """Question, filters, hits, document, links."""
        yield QuestionInput(id="rag-question", placeholder="ask the store", compact=True)
        yield Static("", id="rag-filters")
        with Vertical(classes="box", id="rag-hits-box") as box:
            box.border_title = "Hits"
            yield Static(HOW, id="rag-hits-note")
            yield OptionList(id="rag-hits")
        with Vertical(classes="box", id="rag-document-box") as box:
            box.border_title = "Document"
            with VerticalScroll(id="rag-document-scroll"):
                yield Static("", id="rag-document")
        with Vertical(classes="box", id="rag-links-box") as box:
            box.border_title = "Links"
            yield OptionList(id="rag-links")

    def on_mount(self) -> None:
        """Nothing has been asked yet."""
        self.query_one("#rag-hits").display = False
        self.query_one("#rag-document-box").display = False
        self.query_one("#rag-links-box").display = False

    def show_filters(self, filters: Filters) -> None:
        """Show what restricts the questions."""
        self.query_one("#rag-filters", Static).update(filters.line())

    def show_waiting(self, text: str) -> None:
        """Say what is going on while there are no hits to look at."""
        self._note(text)

    def show_answer(self, answer: Answer, text: str) -> None:
        """Show the hits of an answer and look at the first, unless another question is being typed."""
        self.hits = answer.hits
        if not answer.hits:
            self._note("Nothing was found. Are the filters (f) too narrow?")
            return
        title = f"Hits  {len(answer.hits)} in {answer.took_ms:.0f} ms"
        self.query_one("#rag-hits-box").border_title = title
        hits = self.query_one("#rag-hits", OptionList)
        hits.clear_options()
        width = max(30, hits.size.width or self.size.width - 6)
        hits.add_options([Option(hit_lines(n, hit, width)) for n, hit in enumerate(answer.hits, 1)])
        self.query_one("#rag-hits-note").display, hits.display = False, True
        hits.highlighted = 0
        field = self.query_one(QuestionInput)
        if not field.has_focus or field.value.strip() == text:
            hits.focus()

    def _note(self, text: str) -> None:
        note = self.query_one("#rag-hits-note", Static)
        note.update(text)
        self.query_one("#rag-hits-box").border_title = "Hits"
        note.display, self.query_one("#rag-hits").display = True, False

    @property
    def hit(self) -> Found | None:
        """The hit that is looked at; None when the document was reached along links."""
        chosen = self.query_one("#rag-hits", OptionList).highlighted
        return self.hits[chosen] if chosen is not None and chosen < len(self.hits) else None

    def show_document(self, document: Document | None, hit: Found | None, trail: int) -> None:
        """Show a document: the hit's part of it, or all of it when it was reached along links."""
        if document is None or document == self.document:
            return
        self.document = document
        box = self.query_one("#rag-document-box")
        box.display = True
        box.border_title = "Document" if not trail else f"Document, {trail} link{'s' * (trail > 1)} away"
        self.query_one("#rag-document", Static).update(
            document_text(document, hit, max(20, self.size.width - 8))
        )
        self.query_one("#rag-document-scroll", VerticalScroll).scroll_home(animate=False)
        self._show_links(document)

    def _show_links(self, document: Document) -> None:
        box = self.query_one("#rag-links-box")
        box.display = document.is_pdca
        links = self.query_one("#rag-links", OptionList)
        width = max(30, self.size.width - 8)
        links.clear_options()
        links.add_options(
            [Option(link_line(direction, one, width)) for direction, one in document.neighbours]
            or [Option("[$muted]no document precedes or follows it[/]", disabled=True)]
        )
        box.border_title = f"Links  {len(document.before)} before, {len(document.after)} after"
        if document.dangling:
            box.border_title += f", {len(document.dangling)} lead nowhere"

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Ask."""
        event.stop()
        self.post_message(self.Asked(event.value.strip()))

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Look at the document of a hit."""
        event.stop()
        hit = self.hit
        if event.option_list.id == "rag-hits" and hit is not None:
            self.document = None
            self.post_message(self.Wanted(str(hit.metadata.get("pdca_id") or hit.id)))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Read a hit's document as a whole, or follow a link."""
        event.stop()
        if event.option_list.id == "rag-hits":
            self.post_message(self.Opened())
        elif self.document is not None:
            _, neighbour = self.document.neighbours[event.option_index]
            self.post_message(self.Wanted(neighbour.id, followed=True))

    @property
    def where(self) -> str:
        """The shown document's name, for titles."""
        return safe(name_of(self.document.id)) if self.document else ""
