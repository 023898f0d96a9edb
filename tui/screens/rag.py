"""The retrieval store: what it holds and whether it finds it."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.widgets import Static

from tui.actions import Action
from tui.screens.pane import Pane
from tui.words import ago

FILE = "rag_check.json"


@dataclass(frozen=True)
class RagReadings:
    """The file that this screen rests on, and when it was written; None when there is none."""

    path: Path
    written: float | None


class Rag(Pane):
    """The retrieval store: what it holds and whether it finds it."""

    NAME = "rag"
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("start", "s", "Check the store", "Check the store.", starts=True),
    )

    def compose(self) -> ComposeResult:
        """One text."""
        yield Static("reading …", id="rag-text", classes="empty")

    def read(self) -> RagReadings:
        """Look whether the file is there."""
        path = self.place.outputs / FILE
        return RagReadings(path, path.stat().st_mtime if path.exists() else None)

    def show(self, readings: RagReadings) -> None:
        """Say what is there, or how to get it."""
        import time

        if readings.written is None:
            text = f"{FILE} is not there yet. [b $primary]s[/] makes it."
        else:
            text = f"{FILE} was written {ago(time.time() - readings.written)}."
        self.query_one("#rag-text", Static).update(text)

    def do_start(self) -> None:
        """Check the store."""
        self.start_job("rag check", self.place.config_arguments)
