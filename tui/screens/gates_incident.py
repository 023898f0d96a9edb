"""The incidents: each a PDCA that a blocked deployment left."""

from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from tui.markup import safe
from tui.widgets.source import document_content

MOST_CHARACTERS = 400_000


class IncidentView(Vertical):
    """One incident, to be read."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._drawn: tuple[Path, str] | None = None

    def compose(self) -> ComposeResult:
        """Head and document."""
        yield Static("", id="incident-head")
        with VerticalScroll(id="incident-scroll"):
            yield Static("", id="incident-text")

    def show(self, path: Path, text: str, place: int, count: int) -> None:
        """Show a document that is number `place` of `count`, counted from the newest."""
        head = f"[b]Incident {place + 1} of {count}[/]  [$muted]newest first   {safe(path.name)}[/]"
        self.query_one("#incident-head", Static).update(head)
        if (path, text) != self._drawn:
            self._drawn = (path, text)
            self.query_one("#incident-text", Static).update(document_content(text))
            self.query_one("#incident-scroll", VerticalScroll).scroll_home(animate=False)


def read_incident(path: Path) -> str:
    """The text of an incident; what is wrong with it, when it cannot be read."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(MOST_CHARACTERS)
    except OSError as error:
        return f"It cannot be read: {error.strerror}."
