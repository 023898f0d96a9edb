"""The gates: what the suite decided."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.widgets import Static

from tui.actions import Action
from tui.screens.pane import Pane
from tui.words import ago

FILE = "eval_report_final.json"


@dataclass(frozen=True)
class GatesReadings:
    """The file that this screen rests on, and when it was written; None when there is none."""

    path: Path
    written: float | None


class Gates(Pane):
    """The gates: what the suite decided."""

    NAME = "gates"
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("start", "s", "Evaluate the newest GGUF", "Evaluate the newest GGUF.", starts=True),
    )

    def compose(self) -> ComposeResult:
        """One text."""
        yield Static("reading …", id="gates-text", classes="empty")

    def read(self) -> GatesReadings:
        """Look whether the file is there."""
        path = self.place.outputs / FILE
        return GatesReadings(path, path.stat().st_mtime if path.exists() else None)

    def show(self, readings: GatesReadings) -> None:
        """Say what is there, or how to get it."""
        import time

        if readings.written is None:
            text = f"{FILE} is not there yet. [b $primary]s[/] makes it."
        else:
            text = f"{FILE} was written {ago(time.time() - readings.written)}."
        self.query_one("#gates-text", Static).update(text)

    def do_start(self) -> None:
        """Evaluate the newest GGUF."""
        self.start_job("evals run", self.place.config_arguments)
