"""One training run as its events tell it: curves, checkpoints, warnings, and what state it is in."""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from tui.feed.series import Series
from tui.feed.tail import EventTail
from tui.jobs.process import ProcessMark, mark_process
from web4mlx import events

CURVES = ("loss", "learning_rate", "grad_norm", "tokens_per_second", "memory")
EVENTS, PID, MANIFEST = "events.jsonl", "train.pid", "manifest.json"
WORKER = "web4mlx.train.worker"
KEPT = 200  # checkpoints, warnings, samples
RunState = Literal["starting", "running", "finished", "failed", "stopped", "interrupted", "gone"]


@dataclass(frozen=True)
class RunWarning:
    """A warning, the step after which it came, and what to do."""

    step: int
    code: str
    message: str
    advice: str


@dataclass
class RunReadings:
    """All that is known of a run, for one repaint; memory is in bytes.

    `curves` and `validation` go on growing in the reader's thread: take copies with `Series.points`.
    """

    folder: Path
    curves: dict[str, Series] = field(default_factory=dict)
    validation: Series = field(default_factory=Series)
    best: tuple[int, float] | None = None
    checkpoints: Sequence[tuple[int, float]] = ()
    warnings: Sequence[RunWarning] = ()
    samples: Sequence[events.Sampled] = ()
    plan: dict[str, Any] = field(default_factory=dict)
    step: events.Step | None = None
    progress: events.Progress | None = None
    failure: events.Failed | None = None
    finished: events.Finished | None = None
    last_event: float = 0.0
    state: RunState = "starting"
    trainer: ProcessMark | None = None
    garbage: int = 0
    problem: str = ""
    complete: bool = False
    is_recording: bool = False

    @property
    def name(self) -> str:
        """The run's name."""
        return self.folder.name


class RunFeed:
    """Follows the event log of a run folder.

    Args:
        folder: The run folder.
        is_recording: It is being replayed: without an end it counts as running, though nobody trains.
    """

    def __init__(self, folder: Path, *, is_recording: bool = False) -> None:
        self.folder, self.is_recording = folder, is_recording
        self._tail = EventTail(folder / EVENTS)
        self._restarts = 0
        self._begin()

    def _begin(self) -> None:
        curves = {name: Series(smooth=name == "loss") for name in CURVES}
        self.readings = RunReadings(self.folder, curves, is_recording=self.is_recording)
        self._checkpoints: deque[tuple[int, float]] = deque(maxlen=KEPT)
        self._warnings: deque[RunWarning] = deque(maxlen=KEPT)
        self._samples: deque[events.Sampled] = deque(maxlen=KEPT)

    def read(self, limit_bytes: int = 16 << 20) -> RunReadings:
        """Take in what is new, at most `limit_bytes` of it; `complete` says whether that was all."""
        before = self._tail.lines.offset
        for event in self._tail.read(limit_bytes):
            if self._tail.lines.restarts != self._restarts:
                self._restarts = self._tail.lines.restarts
                self._begin()
            self._take(event)
        readings = self.readings
        readings.complete = self._tail.lines.offset - before < limit_bytes
        readings.garbage, readings.problem = self._tail.garbage, self._tail.problem
        readings.trainer = find_trainer(self.folder)
        readings.state = self._state()
        return replace(
            readings,
            checkpoints=tuple(self._checkpoints),
            warnings=tuple(reversed(self._warnings)),
            samples=tuple(reversed(self._samples)),
        )

    def _take(self, event: events.Event) -> None:
        now = self.readings
        now.last_event = event.ts
        match event:
            case events.Step():
                now.step, now.progress, now.failure = event, None, None
                for name, value in _curve_values(event):
                    now.curves[name].add(event.step, value)
            case events.Validation():
                now.validation.add(event.step, event.loss)
                now.progress = None
                if event.is_best:
                    now.best = (event.step, event.loss)
            case events.Checkpoint():
                self._checkpoints.append((event.step, event.ts))
            case events.Sampled():
                self._samples.append(event)
            case events.Warned():
                step = now.step.step if now.step else 0
                self._warnings.append(RunWarning(step, event.code, event.message, event.advice))
            case events.Started():
                now.plan, now.failure, now.finished = event.plan, None, None
            case events.Progress():
                now.progress = event
            case events.Failed():
                now.failure = event
            case events.Finished():
                now.finished = event

    def _state(self) -> RunState:
        now = self.readings
        if not self.folder.is_dir():
            return "gone"
        if now.trainer is not None:
            return "running" if now.step or now.progress else "starting"
        if now.finished or (self.folder / MANIFEST).is_file():
            return "finished"
        if now.failure:
            return "stopped" if now.failure.message.startswith("stopped on request") else "failed"
        return "running" if self.is_recording else "interrupted"


def _curve_values(event: events.Step) -> tuple[tuple[str, float], ...]:
    memory = max(event.peak_memory_bytes, event.process_memory_bytes)
    return (
        ("loss", event.loss), ("learning_rate", event.learning_rate), ("grad_norm", event.grad_norm),
        ("tokens_per_second", event.tokens_per_second), ("memory", float(memory)),
    )  # fmt: skip


def find_trainer(folder: Path) -> ProcessMark | None:
    """The trainer that lives and works on a run folder, whoever started it."""
    try:
        pid = int((folder / PID).read_text("ascii"))
    except (OSError, ValueError):
        return None
    import psutil

    try:
        command = psutil.Process(pid).cmdline()
    except psutil.Error:
        return None
    return mark_process(pid) if WORKER in command else None


def list_runs(outputs: Path) -> list[Path]:
    """Run folders of an outputs folder, newest first."""
    try:
        found = [entry for entry in outputs.iterdir() if "_lora_" in entry.name and entry.is_dir()]
    except OSError:
        return []
    return sorted(found, key=lambda folder: folder.name.rpartition("_lora_")[2], reverse=True)


def age_s(readings: RunReadings) -> float:
    """Seconds since the run's last event; never negative, whatever the clock does."""
    return max(0.0, time.time() - readings.last_event)
