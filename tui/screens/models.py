"""Models and their lineage."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.widgets import Static

from tui.actions import Action
from tui.screens.pane import Pane
from tui.words import ago

FILE = "web4-agent.gguf"


@dataclass(frozen=True)
class ModelsReadings:
    """The file that this screen rests on, and when it was written; None when there is none."""

    path: Path
    written: float | None


class Models(Pane):
    """Models and their lineage."""

    NAME = "models"
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("start", "s", "Verify the newest run", "Verify the newest run.", starts=True),
    )

    def compose(self) -> ComposeResult:
        """One text."""
        yield Static("reading …", id="models-text", classes="empty")

    def read(self) -> ModelsReadings:
        """Look whether the file is there."""
        path = self.place.outputs / FILE
        return ModelsReadings(path, path.stat().st_mtime if path.exists() else None)

    def show(self, readings: ModelsReadings) -> None:
        """Say what is there, or how to get it."""
        import time

        if readings.written is None:
            text = f"{FILE} is not there yet. [b $primary]s[/] makes it."
        else:
            text = f"{FILE} was written {ago(time.time() - readings.written)}."
        self.query_one("#models-text", Static).update(text)

    def do_start(self) -> None:
        """Verify the newest run."""
        self.start_job("verify", self.place.config_arguments)
