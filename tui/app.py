"""The app: bars, tabs, the action table put to work, and the jobs that every screen sees."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.notifications import SeverityLevel
from textual.widgets import ContentSwitcher

from tui.actions import EVERYWHERE_ACTIONS
from tui.feed.jobs import Ending, JobsFeed, JobsReadings
from tui.feed.reader import Problem, Reader, attempt
from tui.jobs.kinds import KINDS
from tui.jobs.record import Job
from tui.jobs.start import submit
from tui.leaving import Leaving
from tui.markup import plain
from tui.place import Place
from tui.screens import SCREENS, action_table, actions_of, screen_class
from tui.screens.pane import Pane
from tui.themes import DARK, LIGHT, THEMES
from tui.widgets.bars import KeyBar, Tab, TabBar, TopBar
from tui.widgets.problem import ProblemPanel
from tui.words import short_path

JOBS_EVERY_S = 1.0


def _load_commands() -> Any:
    from tui.commands import ActionCommands

    return ActionCommands


class Dashboard(Leaving, App[int]):
    """The dashboard of one place.

    Args:
        place: Configuration and outputs.
        first: Name of the screen to begin with.
    """

    CSS_PATH: ClassVar[Any] = sorted(Path(__file__).parent.rglob("*.tcss"))
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-middle"), (160, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (34, "-high")]
    COMMANDS: ClassVar[Any] = {_load_commands}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(str(number), f"go('{entry.name}')", entry.title, show=False)
        for number, entry in enumerate(SCREENS, 1)
    ]
    TITLE = "web4mlx"

    class JobsRead(Message):
        """The jobs were read."""

        def __init__(self, readings: JobsReadings | Problem) -> None:
            super().__init__()
            self.readings = readings

    class Submitted(Message):
        """A job was started or queued, or could not be."""

        def __init__(self, result: Job | Problem) -> None:
            super().__init__()
            self.result = result

    def __init__(self, place: Place, first: str = "overview") -> None:
        super().__init__()
        self.place, self.current = place, first
        self.jobs: tuple[Job, ...] = ()
        self.knows_jobs = self.was_ready = False
        self.animation_level = "none"
        for theme in THEMES:
            self.register_theme(theme)
        feed = JobsFeed(place.outputs, moves_queue=not place.replayed)
        self.job_reader = Reader(feed.read, lambda read: self.post_message(self.JobsRead(read)))
        for action in action_table():
            call = f"do('{action.where}','{action.id}')"
            self.bind(action.key, call, description=action.name, show=False)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Values of our own colour variables before a theme is chosen, and in themes that lack them."""
        return dict(THEMES[0].variables)

    def compose(self) -> ComposeResult:
        """Bars around the screen that is shown."""
        place = self.place
        shown = f"{place.config} → {short_path(place.outputs)}"
        yield TopBar(f"replay of {place.replayed}" if place.replayed else shown)
        yield TabBar([(entry.name, entry.title) for entry in SCREENS])
        with ContentSwitcher(id="panes"):
            pass
        yield ProblemPanel()
        yield KeyBar()

    async def on_mount(self) -> None:
        """Show the first screen and begin to watch the jobs."""
        self.theme = DARK
        await self.action_go(self.current)
        self.set_interval(JOBS_EVERY_S, self.look_around)
        self.job_reader.ask()

    def look_around(self) -> None:
        """Read the jobs, and say so when the shown screen waits for something."""
        self.job_reader.ask()
        if not self.is_closing:
            self.query_one(TopBar).show_waiting(self.pane.waiting)

    def on_ready(self) -> None:
        """From now on, not to run means to close."""
        self.was_ready = True

    @property
    def is_closing(self) -> bool:
        """Whether it is being closed: the widgets go first, and what still arrives has no place to go."""
        return self.was_ready and not self.is_running

    def on_unmount(self) -> None:
        """Stop watching."""
        self.job_reader.close()

    @property
    def pane(self) -> Pane:
        """The screen that is shown."""
        return self.query_one(f"#{self.current}", Pane)

    async def action_go(self, name: str) -> None:
        """Show a screen; the first time it is made."""
        switcher = self.query_one("#panes", ContentSwitcher)
        if not switcher.query(f"#{name}"):
            await switcher.add_content(screen_class(name)(self.place), id=name)
        self.current = name
        switcher.current = name
        self.query_one(TabBar).choose(name)
        self.show_keys()
        self.set_focus(self.pane.first_focus())
        self.pane.look()

    async def on_tab_chosen(self, message: Tab.Chosen) -> None:
        """Show the screen of a clicked tab."""
        await self.action_go(message.name)

    def show_keys(self) -> None:
        """Show the keys of the current screen."""
        panes = self.query(f"#{self.current}").results(Pane)
        offered = [action for pane in panes for action in actions_of(pane.NAME) if pane.offers(action.id)]
        self.query_one(KeyBar).show(offered, EVERYWHERE_ACTIONS)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """An action of another screen is not one now."""
        return action != "do" or parameters[0] in ("", self.current)

    async def action_do(self, where: str, name: str) -> None:
        """Carry out an action of the table, or say why not."""
        target = self.pane if where else self
        action = next(entry for entry in action_table() if (entry.where, entry.id) == (where, name))
        reason = self.pane.why_not(name) if where else ""
        if action.starts and self.place.replayed:
            reason = "This is a recording: nothing is started or stopped."
        if reason:
            self.notify(reason, severity="warning")
            return
        done = getattr(target, f"do_{name}")()
        if hasattr(done, "__await__"):
            await done

    async def run_from_palette(self, where: str, name: str) -> None:
        """Carry out an action from any screen."""
        if where:
            await self.action_go(where)
        await self.action_do(where, name)

    def start_job(self, kind: str, arguments: Sequence[str] = (), title: str = "") -> None:
        """Start or queue a job; what became of it is said when it is known."""
        attempt(
            lambda: submit(self.place.outputs, KINDS[kind], arguments, title),
            lambda result: self.post_message(self.Submitted(result)),
        )

    def on_dashboard_submitted(self, message: Submitted) -> None:
        """Say what became of a job that was to be started."""
        job = message.result
        if self.is_closing:
            return
        if isinstance(job, Problem):
            self.query_one(ProblemPanel).show(job)
        elif job.state == "queued":
            self.notify(f"{job.order.title} waits: something heavy is running.", title="◌ queued")
        else:
            self.notify(job.order.title, title="● started")
        self.job_reader.ask()

    def on_dashboard_jobs_read(self, message: JobsRead) -> None:
        """Show the jobs and announce those that ended."""
        if self.is_closing:
            return
        if isinstance(message.readings, Problem):
            self.query_one(ProblemPanel).show(message.readings)
            return
        self.jobs, self.knows_jobs = message.readings.jobs, True
        self.query_one(TopBar).show_jobs(self.jobs, time.time(), message.readings.elsewhere)
        for ending in message.readings.endings:
            self.announce(ending)

    def announce(self, ending: Ending) -> None:
        """Say how a job ended; one that failed gets the error panel."""
        job = ending.job
        match job.state:
            case "done":
                self.notify(job.order.title, title="✓ done")
            case "stopped":
                self.notify(job.order.title, title="■ stopped", severity="warning")
            case _:
                word = {"refused": "said no", "lost": "ended without a word"}.get(job.state, "failed")
                hint = next((line for line in ending.lines if line.startswith("hint: ")), "")
                problem = Problem(f"{job.order.title}: {word}", hint.removeprefix("hint: "))
                self.query_one(ProblemPanel).show(problem, job.log, ending.lines)

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """Say something for a while, as it is: names and reasons in it are never taken for markup."""
        super().notify(plain(message), title=plain(title), severity=severity, timeout=timeout, markup=False)

    def do_theme(self) -> None:
        """Change between dark and light."""
        self.theme = LIGHT if self.theme == DARK else DARK

    def do_palette(self) -> None:
        """Open the command palette."""
        self.action_command_palette()

    def do_help(self) -> None:
        """Show all keys."""
        from tui.help import help_text
        from tui.widgets.dialogs import Reading

        self.push_screen(Reading("Keys", help_text(self.current, min(82, self.size.width * 92 // 100 - 10))))

    def do_close_problem(self) -> None:
        """Close the error panel."""
        self.query_one(ProblemPanel).close()

    def do_copy_problem(self) -> None:
        """Copy the error panel's text."""
        text = self.query_one(ProblemPanel).plain
        if text:
            self.copy_to_clipboard(text)
            self.notify("copied")
