"""What the gates screen starts: evaluations, scoring, comparisons; each the command of the command line."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from textual import work
from textual.widgets import OptionList, Static

from tui.markup import safe
from tui.screens.gates_reading import GatesReadings, GatesWish, Wanted
from tui.widgets.dialogs import Choice, confirm

if TYPE_CHECKING:
    from tui.feed.evaluations import RunEntry
    from tui.feed.gate_rows import GateRow
    from tui.screens.pane import Pane as _Base
else:
    _Base = object

KIND_WORDS = {"complete": "whole suite", "partial": "a part", "baseline": "base model"}


class GatesOrders(_Base):
    """The part of the screen that starts jobs."""

    readings: GatesReadings
    wish: GatesWish

    def highlighted_row(self) -> "GateRow | None":
        """The harness that is highlighted or open."""
        raise NotImplementedError

    def go_to(self, view: str) -> None:
        """Show one of the screen's views."""
        raise NotImplementedError

    def _model(self) -> tuple[str, ...]:
        """Nothing where an exported GGUF is, which the command finds; else the shown run's model."""
        run = self.readings.run
        if self.readings.has_gguf or run is None or run.header is None:
            return ()
        return (run.header.subject.model,)

    def _command(self, *options: str) -> tuple[str, ...]:
        return (*self._model(), *self.place.config_arguments, *options)

    async def _ask_and_run(
        self, question: str, detail: str, arguments: tuple[str, ...], title: str = ""
    ) -> None:
        command = f"evals run {' '.join(arguments)}"
        asked = confirm(question, "Yes, start it", f"{detail}\n[$muted]{safe(command)}[/]")
        if await self.app.push_screen_wait(asked) == "yes":
            self.wish.chosen = None
            self.start_job("evals run", arguments, title)

    @work
    async def do_start(self) -> None:
        """Ask, then evaluate everything."""
        detail = "All harnesses and the canaries; only this can clear a model. An unfinished run goes on."
        await self._ask_and_run("Evaluate the model?", detail, self._command())

    @work
    async def do_harness(self) -> None:
        """Ask, then evaluate the highlighted harness."""
        row = self.highlighted_row()
        if row is not None:
            detail = f"{row.planned} cases. A look: it clears nothing."
            await self._ask_and_run(f"Ask only {row.title}?", detail, self._command("--harness", row.name))

    @work
    async def do_failing(self) -> None:
        """Ask, then evaluate only what did not pass in the shown run."""
        run = self.readings.run
        if run is not None:
            count = sum(len(row.cases) - row.passed for row in run.rows)
            detail = (
                f"{count} cases of {safe(run.name)} did not pass. A look: it clears nothing. Answers that "
            )
            detail += "the same model gave before come from the cache."
            arguments = self._command("--failed-in", str(run.folder))
            title = f"evals run --failed-in {run.name}"
            await self._ask_and_run("Ask the failing cases again?", detail, arguments, title)

    def do_canaries(self) -> None:
        """Ask the twenty canaries."""
        self.wish.chosen = None
        self.start_job("evals canary", self._command())

    @work
    async def do_score(self) -> None:
        """Score the shown run again."""
        run = self.readings.run
        if run is None:
            return
        options = [("look", "Show what the suite of now makes of it; write nothing")]
        if run.is_current:
            options.append(("write", "Write its reports again"))
        detail = "From the stored answers, without a model; seconds."
        answer = await self.app.push_screen_wait(Choice(f"Score {run.name} again?", options, detail))
        if answer == "write":
            self.start_job("evals score", [str(run.folder), "--write"], f"evals score {run.name} --write")
        elif answer == "look":
            self._want("evals score", (str(run.folder), "--json"), f"evals score {run.name}")

    def _want(self, kind: str, arguments: tuple[str, ...], title: str) -> None:
        self.wish.wanted = Wanted(kind, arguments, time.time() - 1)
        self.start_job(kind, arguments, title)

    @work
    async def do_pick(self) -> None:
        """Choose a run."""
        newest = ("", "[b]the newest run[/], also of runs to come")
        chosen = await self._ask_for_run("Show which evaluation?", [newest])
        if chosen is not None:
            self.wish.chosen = Path(chosen) if chosen else None
            self.wish.compared = None
            self.go_to("main")
            self.look()

    @work
    async def do_compare(self) -> None:
        """Choose a run to compare with, and compare."""
        run = self.readings.run
        if run is None:
            return
        options = [("", "with none; show the base model beside")] if self.wish.compared else []
        chosen = await self._ask_for_run(f"Compare {run.name} with which?", options, without=run.folder)
        if chosen is None:
            return
        self.wish.compared = Path(chosen) if chosen else None
        if chosen:
            older, newer = sorted((Path(chosen), run.folder), key=lambda folder: folder.name)
            title = f"evals compare {older.name} {newer.name}"
            self._want("evals compare", (str(older), str(newer), "--json"), title)
            self.query_one("#compare-text", Static).update("[$accent]● comparing …[/]")
            self.query_one("#compare-list", OptionList).clear_options()
            self.go_to("compare")
        self.look()

    async def _ask_for_run(
        self, title: str, first: list[tuple[str, str]], without: Path | None = None
    ) -> str | None:
        published = self.readings.published.run if self.readings.published else ""
        options = [
            (str(entry.folder), run_line(entry, is_published=entry.folder.name == published))
            for entry in self.readings.runs
            if entry.folder != without
        ]
        return await self.app.push_screen_wait(Choice(title, [*first, *options]))


def run_line(entry: "RunEntry", *, is_published: bool) -> str:
    """One run in a list: what it asks, how far it got, how it was decided."""
    name = f"{entry.folder.name:<21}"
    if entry.problem:
        return f"[$error]![/] {safe(name)} [$muted]damaged[/]"
    mark = "[$success]✓[/]" if entry.cleared else "[$error]✗[/]" if entry.decision else "[$warning]■[/]"
    if entry.kind != "complete" and entry.decision:
        mark = "[$muted]·[/]"
    word = "cleared" if entry.cleared else "blocked" if entry.decision else "no decision"
    word = {"partial": "a look", "baseline": ""}.get(entry.kind, word) if entry.decision else word
    read = "  [b]import reads it[/]" if is_published else ""
    return (
        f"{mark} {safe(name)} [$muted]{KIND_WORDS[entry.kind]:<12}{entry.answered:>4}/{entry.asked:<4}[/]"
        f" {word}{read}"
    )
