"""Driving one screen of the dashboard in a test: open it, wait for what should come, read what it shows."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from textual.pilot import Pilot

from tui.app import Dashboard
from tui.jobs.record import ENDED, Job, list_jobs
from tui.place import find_place
from tui.widgets.problem import ProblemPanel

SMALL, LARGE = (80, 24), (120, 40)
PATIENCE = 600  # looks of 50 ms; only a test that fails waits so long


@dataclass
class Driver:
    """The running dashboard."""

    app: Dashboard
    pilot: Pilot[int]

    @property
    def text(self) -> str:
        """Everything on the screen, line by line."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)

    @property
    def problem(self) -> str:
        """The text of the error panel; empty when it is hidden."""
        return self.app.screen_stack[0].query_one(ProblemPanel).plain

    @property
    def said(self) -> str:
        """All notifications."""
        return "\n".join(f"{note.title} {note.message}" for note in self.app._notifications)

    async def until(self, is_so: Callable[[], object], what: str = "") -> None:
        """Wait until something is so."""
        for _ in range(PATIENCE):
            if is_so():
                return
            await self.pilot.pause(0.05)
        raise AssertionError(f"never came: {what}\n{self.text}\n{self.problem}\n{self.said}")

    async def shows(self, *texts: str) -> None:
        """Wait until texts stand on the screen."""
        for text in texts:
            await self.until(lambda text=text: text in self.text, text)

    async def press(self, *keys: str) -> None:
        """Press keys one after the other."""
        for key in keys:
            await self.pilot.press(key)
            await self.pilot.pause()

    async def choose(self, text: str) -> None:
        """In an open list of answers, choose the one that holds a text."""
        from textual.widgets import OptionList

        await self.until(lambda: len(self.app.screen_stack) > 1, "a dialog")
        choices = self.app.screen.query_one(OptionList)
        for number in range(choices.option_count):
            if text in str(choices.get_option_at_index(number).prompt):
                choices.highlighted = number
                await self.press("enter")
                await self.until(lambda: len(self.app.screen_stack) == 1, "the dialog's end")
                return
        raise AssertionError(f"no answer {text!r}")

    async def ended(self, kind: str) -> Job:
        """Wait for the end of the newest job of a kind."""
        found: list[Job] = []

        def has_ended() -> bool:
            jobs = [job for job in list_jobs(self.app.place.outputs) if job.order.kind == kind]
            found[:] = jobs[:1]
            return bool(jobs) and jobs[0].state in ENDED

        await self.until(has_ended, f"the end of {kind}")
        return found[0]


@asynccontextmanager
async def open_screen(config: str, name: str, size: tuple[int, int] = LARGE) -> AsyncIterator[Driver]:
    """The dashboard on one screen, after its first reading."""
    app = Dashboard(find_place(config), name)
    async with app.run_test(size=size) as pilot:
        driver = Driver(app, pilot)
        await driver.until(lambda: app.pane.has_read, "the first reading")
        await pilot.pause()
        yield driver


def drive(
    test: Callable[[Driver], Awaitable[None]], name: str, size: tuple[int, int] = LARGE, theme: str = ""
) -> None:
    """Run a test on a screen of the project in the current folder."""

    async def run() -> None:
        async with open_screen("config.toml", name, size) as driver:
            if theme:
                driver.app.theme = theme
            await test(driver)

    asyncio.run(run())
