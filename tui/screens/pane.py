"""What every screen is: a pane that reads in a thread, shows what was read, and offers actions.

A screen is a subclass in a module of its own; `docs/dashboard.md` says how one is made.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.containers import Vertical
from textual.message import Message
from textual.widget import Widget

from tui.actions import Action
from tui.feed.reader import Problem, Reader
from tui.place import Place
from tui.widgets.problem import ProblemPanel

if TYPE_CHECKING:
    from tui.app import Dashboard

SLOW_S = 3.0


class Pane(Vertical):
    """One screen.

    A subclass sets `NAME` and `ACTIONS`, composes its widgets, and overrides `read` and `show`.
    """

    NAME: ClassVar[str] = ""
    ACTIONS: ClassVar[tuple[Action, ...]] = ()
    EVERY_S: ClassVar[float] = 1.0
    WAITS_FOR: ClassVar[str] = "the disk"

    class Delivered(Message):
        """A reading has arrived from the thread."""

        def __init__(self, readings: Any) -> None:
            super().__init__()
            self.readings = readings

    def __init__(self, place: Place) -> None:
        super().__init__(id=self.NAME, classes="pane")
        self.place = place
        self.reader = Reader(self.read, lambda readings: self.post_message(self.Delivered(readings)))
        self.has_read = False

    @property
    def dashboard(self) -> "Dashboard":
        """The app."""
        return cast("Dashboard", self.app)

    def on_mount(self) -> None:
        """Begin to read."""
        self.set_interval(self.EVERY_S, self.look)
        self.look()

    def on_unmount(self) -> None:
        """Stop reading."""
        self.reader.close()

    def look(self) -> None:
        """Ask for a reading, when this screen is the one that is shown."""
        if not self.display:
            return
        self.reader.ask()

    @property
    def waiting(self) -> str:
        """What this screen has been waiting for unusually long, in words; empty when for nothing."""
        busy_s = self.reader.busy_s
        return f"{self.WAITS_FOR} has not answered for {busy_s:.0f} s" if busy_s > SLOW_S else ""

    def read(self) -> Any:
        """Read what this screen shows; in a thread, so it may take its time and must touch no widget."""
        return None

    def show(self, readings: Any) -> None:
        """Show what `read` returned; must be quick."""

    def on_pane_delivered(self, message: Delivered) -> None:
        """Show a reading, or why there is none."""
        message.stop()
        self.has_read = True
        if self.dashboard.is_closing:
            return
        if isinstance(message.readings, Problem):
            self.show_problem(message.readings)
        elif self.is_mounted:
            self.show(message.readings)

    def show_problem(self, problem: Problem, log: Path | None = None, lines: tuple[str, ...] = ()) -> None:
        """Show an error with cause, hint and log."""
        panel = self.dashboard.query_one(ProblemPanel)
        if panel.plain.partition("\n")[0] != problem.cause:
            panel.show(problem, log, lines)

    def why_not(self, action: str) -> str:
        """Why an action cannot be done now, for the user; empty when it can."""
        return ""

    def offers(self, action: str) -> bool:
        """Whether the footer shows an action as things stand now; call the app's `show_keys` on a change."""
        return True

    def start_job(self, kind: str, arguments: Sequence[str] = (), title: str = "") -> None:
        """Start a command of `tui.jobs.kinds`, or queue it; says what became of it."""
        self.dashboard.start_job(kind, arguments, title)

    def first_focus(self) -> Widget | None:
        """What gets the keys when the screen is shown; None: the dashboard itself."""
        return None
