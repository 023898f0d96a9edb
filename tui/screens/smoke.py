"""The smoke tests and the server."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.widgets import Static

from tui.actions import Action
from tui.screens.pane import Pane
from tui.words import ago

FILE = "smoke_test_report.json"


@dataclass(frozen=True)
class SmokeReadings:
    """The file that this screen rests on, and when it was written; None when there is none."""

    path: Path
    written: float | None


class Smoke(Pane):
    """The smoke tests and the server."""

    NAME = "smoke"
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("start", "s", "Run the smoke tests", "Run the smoke tests.", starts=True),
    )

    def compose(self) -> ComposeResult:
        """One text."""
        yield Static("reading …", id="smoke-text", classes="empty")

    def read(self) -> SmokeReadings:
        """Look whether the file is there."""
        path = self.place.outputs / FILE
        return SmokeReadings(path, path.stat().st_mtime if path.exists() else None)

    def show(self, readings: SmokeReadings) -> None:
        """Say what is there, or how to get it."""
        import time

        if readings.written is None:
            text = f"{FILE} is not there yet. [b $primary]s[/] makes it."
        else:
            text = f"{FILE} was written {ago(time.time() - readings.written)}."
        self.query_one("#smoke-text", Static).update(text)

    def do_start(self) -> None:
        """Run the smoke tests."""
        self.start_job("smoke", self.place.config_arguments)
