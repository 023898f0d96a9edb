"""The samples: what `data check` found."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.widgets import Static

from tui.actions import Action
from tui.screens.pane import Pane
from tui.words import ago

FILE = "data_report.json"


@dataclass(frozen=True)
class DataReadings:
    """The file that this screen rests on, and when it was written; None when there is none."""

    path: Path
    written: float | None


class Data(Pane):
    """The samples: what `data check` found."""

    NAME = "data"
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("start", "s", "Check the samples", "Check the samples.", starts=True),
    )

    def compose(self) -> ComposeResult:
        """One text."""
        yield Static("reading …", id="data-text", classes="empty")

    def read(self) -> DataReadings:
        """Look whether the file is there."""
        path = self.place.outputs / FILE
        return DataReadings(path, path.stat().st_mtime if path.exists() else None)

    def show(self, readings: DataReadings) -> None:
        """Say what is there, or how to get it."""
        import time

        if readings.written is None:
            text = f"{FILE} is not there yet. [b $primary]s[/] makes it."
        else:
            text = f"{FILE} was written {ago(time.time() - readings.written)}."
        self.query_one("#data-text", Static).update(text)

    def do_start(self) -> None:
        """Check the samples."""
        self.start_job("data check", self.place.config_arguments)
