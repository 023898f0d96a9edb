"""The first screen: the pipeline's stages, the machine, and what to do next."""

import time
from dataclasses import dataclass, replace
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Static

from tui.actions import Action
from tui.feed.advice import Advice, what_next
from tui.feed.machine import MachineReadings, read_machine
from tui.feed.run import RunFeed, RunReadings, list_runs
from tui.feed.stages import StageFeed, StageRow
from tui.jobs.record import Job
from tui.markup import cut, safe
from tui.place import Place
from tui.screens.pane import Pane
from tui.screens.training_pictures import loss_picture
from tui.themes import sign
from tui.widgets.plot import Plot
from tui.words import ago, bar, duration, size

WARM = 0.75
FULL = 0.9
SHOWN_JOBS = 40


@dataclass(frozen=True)
class OverviewReadings:
    """Stages, machine, advice."""

    stages: tuple[StageRow, ...]
    machine: MachineReadings
    advice: Advice
    run: RunReadings | None
    jobs: tuple[Job, ...]


class Overview(Pane):
    """Stages with state, duration, artifact and digest; the machine; what to do next."""

    NAME = "overview"
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("next", "enter,n", "Do it", "Do what is proposed under “Next”."),
        Action("run", "r", "Run line", "Run the whole pipeline; finished stages are skipped.", starts=True),
        Action("doctor", "d", "Doctor", "Look for problems of machine, packages and files.", starts=True),
        Action("stop", "s", "Stop", "Stop the job that runs."),
    )

    def __init__(self, place: Place) -> None:
        self.feed = StageFeed(place.settings, place.outputs)
        self.advice: Advice | None = None
        self.run_feed: RunFeed | None = None
        super().__init__(place)

    def compose(self) -> ComposeResult:
        """Advice on top, then stages, then the machine beside or below them."""
        with Vertical(classes="box", id="next") as box:
            box.border_title = "Next"
            yield Static("reading …", id="advice")
        with Horizontal(id="overview-body"):
            with Vertical(id="overview-left"):
                with VerticalScroll(classes="box", id="stages-box", can_focus=False) as box:
                    box.border_title = "Pipeline"
                    yield Static("", id="stages")
                with Vertical(classes="box", id="jobs-box") as box:
                    box.border_title = "Jobs"
                    yield Static("", id="jobs")
            with Vertical(id="overview-right"):
                with Vertical(classes="box", id="machine-box") as box:
                    box.border_title = "Machine"
                    yield Static("", id="machine")
                with Vertical(classes="box", id="loss-box") as box:
                    box.border_title = "Newest run"
                    yield Plot("loss", id="overview-loss")

    def read(self) -> OverviewReadings:
        """Read stages and machine."""
        jobs = self.dashboard.jobs
        is_live = any(job.is_alive and job.order.heavy for job in jobs) or bool(self.place.replayed)
        machine = read_machine(self.place.outputs)
        stages = tuple(self.feed.read(is_live or bool(machine.lease)))
        run = self._newest_run()
        if run is not None:
            stages = tuple(with_steps(row, run) for row in stages)
        advice = what_next(stages, jobs, machine.lease)
        return OverviewReadings(stages, machine, advice, run, jobs)

    def _newest_run(self) -> RunReadings | None:
        newest = next(iter(list_runs(self.place.outputs)), None)
        if newest is None:
            return None
        if self.run_feed is None or self.run_feed.folder != newest:
            self.run_feed = RunFeed(newest, is_recording=bool(self.place.replayed))
        return self.run_feed.read()

    def show(self, readings: OverviewReadings) -> None:
        """Draw all of it."""
        self.advice = readings.advice
        label = readings.advice.label
        key = f"\n[b $primary]⏎[/] {safe(label)}" if label else ""
        self.query_one("#advice", Static).update(f"{safe(readings.advice.text)}{key}")
        width = self.query_one("#stages-box").scrollable_content_region.width
        now = time.time()
        lines = [stage_line(row, width, now) for row in readings.stages]
        self.query_one("#stages", Static).update("\n".join(lines))
        self.query_one("#jobs", Static).update(jobs_text(readings.jobs, now))
        if readings.run is not None:
            last = float(readings.run.step.total_steps if readings.run.step else 1)
            self.query_one("#overview-loss", Plot).show(loss_picture(readings.run, None, last, False))
            self.query_one("#loss-box").border_title = safe(readings.run.name)
        width = self.query_one("#machine-box").content_size.width
        self.query_one("#machine", Static).update(machine_text(readings.machine, width))

    def why_not(self, action: str) -> str:
        """Nothing to stop when nothing runs; nothing to do when nothing is proposed."""
        if action == "stop" and not any(job.is_alive for job in self.dashboard.jobs):
            return "No job runs that was started here."
        if action == "next" and (self.advice is None or not self.advice.label):
            return "Nothing is proposed."
        starts = action == "next" and self.advice is not None and bool(self.advice.kind)
        return "This is a recording: nothing is started." if starts and self.place.replayed else ""

    async def do_next(self) -> None:
        """Do what is proposed."""
        if self.advice is None:
            return
        if self.advice.screen:
            await self.dashboard.action_go(self.advice.screen)
        elif self.advice.kind == "run":
            self.do_run()
        elif self.advice.kind:
            self.start_job(self.advice.kind, (*self.advice.arguments, *self.place.config_arguments))

    def do_run(self) -> None:
        """Run the pipeline."""
        self.start_job("run", [self.place.config])

    def do_doctor(self) -> None:
        """Run the doctor."""
        self.start_job("doctor", self.place.config_arguments)

    def do_stop(self) -> None:
        """Ask which job to stop."""
        self.dashboard.do_jobs()


def with_steps(row: StageRow, run: RunReadings) -> StageRow:
    """The training's row with how far it is, which the run tells and the line does not."""
    if (row.name, row.state, run.state) != ("train", "running", "running") or run.step is None:
        return row
    step, total = run.step.step, run.step.total_steps
    return replace(row, share=step / total if total else None, note=f"step {step} of {total}")


def stage_line(row: StageRow, width: int, now: float) -> str:
    """One stage in one line: as many of duration, age, artifact and digest as fit."""
    state = sign(row.state)
    word_width = 11
    pad = " " * max(0, word_width - _plain_width(state))
    took = duration(row.duration_s) if row.duration_s is not None else ""
    room = width - 14 - word_width - 11
    if row.state == "running" and row.share is not None:
        rest = f"{bar(row.share, min(20, max(6, room // 3)), '$accent')} {row.share:4.0%} {safe(row.note)}"
    elif row.state == "running":
        rest = f"[$muted]for {duration(now - row.when)}[/]" if row.when else ""
    elif row.state in ("failed", "stopped") or (row.state == "todo" and row.note):
        rest = safe(cut(row.note, room))
    else:
        rest = _artifact(row, room, now)
    muted = "[$muted]" if row.state == "todo" else "[b]"
    return f"{muted}{row.title:<14}[/]{state}{pad}[$muted]{took:>9}[/]  {rest}"


def _artifact(row: StageRow, room: int, now: float) -> str:
    when = ago(now - row.when) if row.when else ""
    digest = row.digest[:8]
    artifact = row.artifact
    tail = 0
    parts = ""
    if room >= 52:
        parts = f"  [$muted]{digest:<8}  {when:>11}[/]"
        tail = 23
    elif room >= 30:
        parts = f"  [$muted]{when:>11}[/]"
        tail = 13
    space = max(0, room - tail)
    if len(artifact) > space:
        artifact = "…" + artifact[len(artifact) - space + 1 :] if space > 1 else ""
    return f"{safe(artifact):<{space}}{parts}"


def _plain_width(markup: str) -> int:
    from rich.text import Text

    return Text.from_markup(markup.replace("[$", "[")).cell_len


def jobs_text(jobs: tuple[Job, ...], now: float) -> str:
    """The newest jobs, one a line."""
    lines = []
    for job in jobs[:SHOWN_JOBS]:
        state = sign(job.state)
        pad = " " * max(1, 12 - _plain_width(state))
        took = duration((job.ended or now) - job.started) if job.started else "waits"
        lines.append(f"{state}{pad}{safe(job.order.title)}  [$muted]{took}[/]")
    return "\n".join(lines) or "[$muted]none yet; what is started here goes on without the dashboard[/]"


def machine_text(machine: MachineReadings, width: int) -> str:
    """Chip, then one bar each for processor, memory, swap and disk."""
    bar_width = max(6, min(24, width - 32))
    gauges = [
        ("cores", machine.cpu, f"{machine.cores}"),
        ("memory", machine.memory_used / max(1, machine.memory), _of(machine.memory_used, machine.memory)),
        ("disk", machine.disk_used / max(1, machine.disk), _of(machine.disk_used, machine.disk)),
    ]
    if machine.swap:
        share = machine.swap_used / machine.swap
        gauges.insert(2, ("swap", share, _of(machine.swap_used, machine.swap)))
    lines = [f"[b]{safe(machine.chip)}[/]"]
    for name, share, text in gauges:
        colour = "$error" if share > FULL else "$warning" if share > WARM else "$primary"
        lines.append(f"[$muted]{name:<7}[/]{bar(share, bar_width, colour)} {share:4.0%}  [$muted]{text}[/]")
    device = "no GPU: MLX works on the CPU" if machine.device == "cpu" else machine.device
    lines.append(f"[$muted]device[/] {device}")
    if machine.working_set:
        lines.append(f"[$muted]Metal may use[/] {size(machine.working_set)}")
    lines.append(f"[$muted]heat[/]   {machine.thermal or 'not known'}")
    lines.append(f"[$muted]lease[/]  {safe(machine.lease) or 'free'}")
    return "\n".join(lines)


def _of(used: float, total: float) -> str:
    return f"{used / 1e9:.1f} of {total / 1e9:.1f} GB"
