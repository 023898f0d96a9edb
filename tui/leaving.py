"""Jobs from anywhere: the list of them, and what becomes of them when one leaves."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from textual import work
from textual.message import Message

from tui.feed.reader import Problem, Reader, attempt
from tui.jobs.record import Job
from tui.jobs.start import drop, release
from tui.jobs.stop import stop
from tui.markup import safe
from tui.themes import sign
from tui.widgets.dialogs import Choice, confirm

if TYPE_CHECKING:
    from textual.app import App

    _Base = App[int]
else:
    _Base = object

STOP_POLL_S = 0.2


class Acted(Message):
    """Something was done to a job: its result, or why not."""

    def __init__(self, result: object) -> None:
        super().__init__()
        self.result = result


class Leaving(_Base):
    """The part of the app that lists, stops and leaves jobs."""

    jobs: tuple[Job, ...]
    job_reader: Reader

    @work
    async def do_quit(self) -> None:
        """Leave; with jobs running, ask what becomes of them."""
        running = [job for job in self.jobs if job.is_alive]
        if not running:
            self.exit(0)
            return
        names = "\n".join(f"{sign(job.state)} {safe(job.order.title)}" for job in running)
        options = [
            ("leave", "Leave them running; they go on without the dashboard"),
            ("stop", "Stop them, then leave; training writes a checkpoint first"),
            ("stay", "Stay here"),
        ]
        answer = await self.push_screen_wait(Choice("Jobs are running. Leave?", options, names))
        if answer == "leave":
            self.exit(0)
        elif answer == "stop":
            await self.stop_and_leave(running)

    async def stop_and_leave(self, running: list[Job]) -> None:
        """Stop jobs, wait for their ends with the screen alive, and leave."""
        import asyncio

        self.notify("Stopping; press q again to leave without waiting.", title="◑ stopping", timeout=30)
        threads = [stop(job) for job in running]
        while any(thread.is_alive() for thread in threads):
            await asyncio.sleep(STOP_POLL_S)
        self.exit(0)

    @work
    async def do_jobs(self) -> None:
        """Show the jobs that run or wait, and the last ones; choose one to act on."""
        shown = self.jobs[:30]
        if not shown:
            self.notify("No job has been started here yet.")
            return
        options = [(job.order.id, f"{sign(job.state)}  {safe(job.order.title)}") for job in shown]
        chosen = await self.push_screen_wait(Choice("Jobs", options, "Newest first."))
        job = next((job for job in shown if job.order.id == chosen), None)
        if job is not None:
            await self.act_on(job)

    async def act_on(self, job: Job) -> None:
        """Ask what to do with a job, and do it."""
        options = [("log", "Show its log")]
        if job.state in ("queued", "held"):
            options += [("start", "Start it when its turn comes"), ("drop", "Drop it")]
        if job.is_alive:
            options += [("stop", "Stop it (SIGINT, later SIGTERM, SIGKILL)"), ("kill", "Kill it at once")]
        answer = await self.push_screen_wait(Choice(job.order.title, options, sign(job.state)))
        await self._do_to(job, answer)

    async def _do_to(self, job: Job, answer: str | None) -> None:
        match answer:
            case "log":
                await self.show_log(job)
            case "start":
                self.act(lambda: release(job))
            case "drop":
                self.act(lambda: drop(job))
            case "stop":
                self.act(lambda: stop(job))
            case "kill":
                question = confirm(
                    f"Kill {job.order.title}?", "Yes, kill it", "What it has not saved is lost."
                )
                if await self.push_screen_wait(question) == "yes":
                    self.act(lambda: stop(job, at_once=True))

    def act(self, work: Callable[[], object]) -> None:
        """Do something to a job in a thread: it waits for the disk."""
        attempt(work, lambda result: self.post_message(Acted(result)))

    def on_acted(self, message: Acted) -> None:
        """Say what went wrong, and look at the jobs."""
        if isinstance(message.result, Problem):
            self.notify(message.result.cause, severity="warning")
        self.job_reader.ask()

    async def show_log(self, job: Job) -> None:
        """Show a job's log."""
        from tui.screens.logs import Logs

        app = self
        await app.action_go("logs")  # type: ignore[attr-defined]
        app.query_one(Logs).open_log(job.log)
