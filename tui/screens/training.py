"""The training screen: curves as they grow, where the run stands, checkpoints, warnings with advice."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.containers import Grid, Horizontal, Vertical, VerticalScroll
from textual.widgets import Static

from tui.actions import Action
from tui.feed.reader import Problem
from tui.feed.run import RunFeed, RunReadings, list_runs
from tui.jobs.stop import stop, stop_process
from tui.markup import safe
from tui.place import Place
from tui.screens.pane import Pane
from tui.screens.training_pictures import loss_picture, small_picture
from tui.screens.training_text import (
    facts_text,
    head_text,
    newest_sample_text,
    one_line_of,
    samples_text,
    warnings_text,
)  # fmt: skip
from tui.themes import sign
from tui.widgets.dialogs import Choice, Reading, confirm
from tui.widgets.plot import Plot

TRAINER_GRACE_S = 180.0
NO_RUN = "No training run is here yet. [b $primary]s[/] starts one, or run the whole line from Overview."


@dataclass(frozen=True)
class TrainingReadings:
    """The run that is shown and the one it is compared with."""

    run: RunReadings | None
    other: RunReadings | None
    runs: tuple[Path, ...]


class Training(Pane):
    """Follows one run."""

    NAME = "training"
    EVERY_S = 0.25
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("start", "s", "Start", "Start a new training run with this configuration.", starts=True),
        Action("pause", "p", "Pause", "Finish the step, write a checkpoint and stop.", starts=True),
        Action("resume", "r", "Resume", "Go on from the newest checkpoint of the shown run.", starts=True),
        Action("pick", "o", "Open run", "Choose the run that is shown."),
        Action("compare", "c", "Compare", "Lay an earlier run's curves under this one's."),
        Action("log_scale", "l", "Log scale", "Draw the loss on a logarithmic axis, or not."),
        Action("samples", "a", "Answers", "Read what the model said at the checkpoints, newest first."),
        Action("warnings", "w", "Warnings", "Read all warnings with their advice."),
    )

    def __init__(self, place: Place) -> None:
        self.feeds: dict[Path, RunFeed] = {}
        self.chosen: Path | None = None
        self.compared: Path | None = None
        self.log_scale = False
        self.readings = TrainingReadings(None, None, ())
        super().__init__(place)

    def compose(self) -> ComposeResult:
        """Head, plots at the left, facts at the right."""
        yield Static("", id="run-head")
        with Horizontal(id="run-body"):
            with Vertical(id="plots"):
                yield Plot("loss", id="plot-loss")
                with Grid(id="small-plots"):
                    yield Plot("tokens/s", id="plot-speed")
                    yield Plot("memory", id="plot-memory")
                    yield Plot("gradient norm", id="plot-grad")
                    yield Plot("learning rate", id="plot-rate")
            with VerticalScroll(id="run-side", can_focus=False):
                yield Static("", id="run-facts")
                yield Static("", id="run-sample")
                yield Static("", id="run-warnings")
        yield Static("", id="run-line")

    def read(self) -> TrainingReadings:
        """Take in what the logs have grown by."""
        runs = tuple(list_runs(self.place.outputs))
        shown = self.chosen or (runs[0] if runs else None)
        run = self._feed(shown).read() if shown else None
        other = self._feed(self.compared).read() if self.compared else None
        return TrainingReadings(run, other, runs)

    def _feed(self, folder: Path) -> RunFeed:
        return self.feeds.setdefault(folder, RunFeed(folder, is_recording=bool(self.place.replayed)))

    def show(self, readings: TrainingReadings) -> None:
        """Draw it; when the log is long, ask for the next piece at once."""
        self.readings = readings
        run = readings.run
        self.set_class(run is None, "-empty")
        if run is None:
            self.query_one("#run-head", Static).update(NO_RUN)
            return
        limit = self.place.settings.hardware.memory_limit_gb * 1e9
        self.query_one("#run-head", Static).update(head_text(run, self.size.width - 2))
        self.query_one("#run-facts", Static).update(facts_text(run, readings.other, limit))
        self.query_one("#run-sample", Static).update(newest_sample_text(run))
        self.query_one("#run-warnings", Static).update(warnings_text(run))
        self.query_one("#run-line", Static).update(one_line(run))
        self._draw(run, readings.other, limit)
        if run.failure and run.state == "failed":
            self.show_problem(Problem(run.failure.message, run.failure.hint), run.folder / "train.log")
        if not run.complete:
            self.reader.ask()

    def _draw(self, run: RunReadings, other: RunReadings | None, limit: float) -> None:
        last = float(run.step.total_steps if run.step else 1)
        self.query_one("#plot-loss", Plot).show(loss_picture(run, other, last, self.log_scale))
        for plot, name, unit in (
            ("speed", "tokens_per_second", ""), ("grad", "grad_norm", ""), ("rate", "learning_rate", ""),
            ("memory", "memory", "GB"),
        ):  # fmt: skip
            title = {"speed": "tokens/s", "grad": "gradient norm", "rate": "learning rate"}.get(plot, plot)
            picture = small_picture(title, name, run, other, last, limit if unit else None)
            self.query_one(f"#plot-{plot}", Plot).show(picture)

    def why_not(self, action: str) -> str:
        """What must be so for an action."""
        run = self.readings.run
        if action == "start":
            return ""
        if run is None:
            return "There is no run yet."
        if action == "pause" and run.trainer is None:
            return "This run has no trainer that could be paused."
        if action == "resume" and (run.trainer is not None or run.state == "finished"):
            return "This run is finished." if run.state == "finished" else "This run is being trained."
        if action == "compare" and len(self.readings.runs) < 2 and self.compared is None:
            return "There is no other run to compare with."
        if action == "samples" and not run.samples:
            return "The model has said nothing yet: training.sample_prompts asks it at each checkpoint."
        return ""

    @work
    async def do_start(self) -> None:
        """Ask, then start a run."""
        command = f"web4mlx train --config {self.place.config}"
        question = confirm("Start a new training run?", "Yes, start it", safe(command))
        if await self.app.push_screen_wait(question) == "yes":
            self.chosen = None
            self.start_job("train", self.place.config_arguments)

    def do_pause(self) -> None:
        """Ask the trainer for a checkpoint and its end."""
        run = self.readings.run
        if run is None or run.trainer is None:
            return
        jobs = [job for job in self.dashboard.jobs if job.is_alive and job.order.kind == "train"]
        trainer = run.trainer
        if jobs:
            self.dashboard.act(lambda: stop(jobs[0]))
        else:
            self.dashboard.act(lambda: stop_process(trainer, TRAINER_GRACE_S))
        self.notify("The trainer finishes its step and writes a checkpoint.", title="◑ pausing")

    def do_resume(self) -> None:
        """Go on with the run."""
        if self.readings.run is not None:
            folder = self.readings.run.folder
            self.start_job("train", ["--resume", str(folder)], f"web4mlx train --resume {folder.name}")

    @work
    async def do_pick(self) -> None:
        """Choose another run."""
        newest = [("", "[b]the newest run[/], also of runs to come")]
        chosen = await self._ask_for_run("Show which run?", newest)
        if chosen is not None:
            self.chosen = Path(chosen) if chosen else None
            self.look()

    @work
    async def do_compare(self) -> None:
        """Choose a run to compare with."""
        chosen = await self._ask_for_run("Compare with which run?", [("", "with none")])
        if chosen is not None:
            self.compared = Path(chosen) if chosen else None
            self.look()

    async def _ask_for_run(self, title: str, first: list[tuple[str, str]]) -> str | None:
        current = self.readings.run.folder if self.readings.run else None
        options = [
            (str(folder), safe(folder.name) + (" [$muted](shown)[/]" if folder == current else ""))
            for folder in self.readings.runs
        ]
        return await self.app.push_screen_wait(Choice(title, [*first, *options]))

    def do_log_scale(self) -> None:
        """Change the loss axis."""
        self.log_scale = not self.log_scale
        self.show(self.readings)

    def do_samples(self) -> None:
        """Show all that the model said."""
        run = self.readings.run
        if run is not None:
            self.app.push_screen(Reading(f"What {run.name} says", samples_text(run)))

    def do_warnings(self) -> None:
        """Show all warnings."""
        run = self.readings.run
        if run is not None:
            text = warnings_text(run, limit=len(run.warnings)) or "No warnings."
            self.app.push_screen(Reading(f"Warnings of {run.name}", text))


def one_line(run: RunReadings) -> str:
    """What a narrow terminal shows instead of the side: the newest warning, or what the model said last."""
    if run.warnings:
        newest = run.warnings[0]
        return f"{sign('warning')} {safe(newest.message)} [$muted]{safe(newest.advice)}[/]"
    if run.samples:
        sample = run.samples[0]
        return f"[$muted]at step {sample.step} it says[/] {safe(one_line_of(sample.answer))}"
    return f"[$muted]{len(run.checkpoints)} checkpoints, no warnings[/]"
