"""Dashboards for tests: recorded files, jobs that sleep, pilots that wait for what they expect."""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.style import Style
from textual.pilot import Pilot

from tui.app import Dashboard
from tui.jobs import kinds
from tui.jobs.kinds import Kind
from tui.jobs.record import Job, list_jobs, read_job
from tui.jobs.start import submit
from tui.jobs.stop import stop
from tui.place import Place
from web4mlx.config import RunConfig
from web4mlx.events import Checkpoint, EventLog, Failed, Finished, Started, Step, Validation, Warned

PATIENCE_S = 60.0
SLEEPER = "import time\nprint('asleep', flush=True)\ntime.sleep(600)"
STUBBORN = (
    "import signal, time\nfor n in (signal.SIGINT, signal.SIGTERM): signal.signal(n, signal.SIG_IGN)\n"
    "print('asleep', flush=True)\ntime.sleep(600)"
)


class Snippet(Kind):
    """A job that runs a piece of Python instead of a command of ours."""

    @property
    def command(self) -> tuple[str, ...]:
        """This interpreter."""
        return (sys.executable, "-c")


def snippet(*, heavy: bool = False, grace_s: float = 20.0, name: str = "sleep") -> Snippet:
    """The kind of a piece of Python, which follows as its only argument."""
    return Snippet(("web4mlx", name), heavy, grace_s)


def wait_until(is_so: Callable[[], Any], what: str = "it") -> Any:
    """Wait until something is so; returns what it is."""
    end = time.monotonic() + PATIENCE_S
    while not (found := is_so()):
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.02)
    return found


def wait_for_state(job: Job, *states: str) -> Job:
    """Wait until a job is in one of some states."""
    return wait_until(lambda: (now := read_job(job.folder)) and now.state in states and now, f"{states}")


def wait_for_text(job: Job, text: str) -> None:
    """Wait until a job has printed something."""
    wait_until(lambda: job.log.exists() and text in job.log.read_text("utf-8"), text)


def place_in(folder: Path, replayed: str = "") -> Place:
    """A place whose outputs are in a folder."""
    (folder / "outputs").mkdir(exist_ok=True)
    data = {"train": ["data/a.jsonl"], "eval": "data/eval.jsonl"}
    settings = RunConfig.model_validate({"data": data, "outputs": folder / "outputs", "name": "tiny"})
    return Place("demo", settings, folder / "outputs", replayed)


def step_fields(step: int, total: int = 100) -> dict[str, Any]:
    """A training report of a made-up run."""
    return {
        "step": step, "total_steps": total, "epoch": step / total, "loss": 3.0 / (1 + step / 10),
        "learning_rate": 1e-3, "grad_norm": 0.5, "tokens_per_second": 200.0,
        "supervised_tokens_per_second": 50.0, "samples_per_second": 2.0, "active_memory_bytes": 10**9,
        "cache_memory_bytes": 0, "peak_memory_bytes": 2 * 10**9, "process_memory_bytes": 10**9,
        "swap_used_bytes": 0, "skipped_steps": 0, "elapsed_s": float(step), "eta_s": float(total - step),
    }  # fmt: skip


def record_run(outputs: Path, stamp: str = "20260101_120000", steps: int = 40, end: str = "finished") -> Path:
    """Write the event log of a run that trained so many steps and ended so; `end` may be empty."""
    run = outputs / f"tiny_lora_{stamp}"
    with EventLog(run / "events.jsonl", run.name, "train") as log:
        log.write(Started, plan={"samples": 1200, "steps": 100})
        log.write(Validation, step=0, loss=4.0, rows=8, supervised_tokens=80, is_best=True, duration_s=1.0)
        for step in range(1, steps + 1):
            log.write(Step, **step_fields(step))
        log.write(Checkpoint, step=steps, path=f"checkpoints/step_{steps:06d}")
        log.write(Warned, code="memory", message="memory 2.0 GB is above the limit", advice="Close programs.")
        if end == "finished":
            log.write(Finished, duration_s=40.0, artifact=str(run), metrics={})
        elif end == "failed":
            log.write(Failed, message="the disk is full", hint="Free some space.")
        elif end == "stopped":
            log.write(Failed, message="stopped on request after a finished step", hint="Resume it.")
    return run


def write_job_folder(outputs: Path, job_id: str, log: str = "", **order: Any) -> Path:
    """The folder of a job that nobody runs, as an earlier dashboard left it."""
    folder = outputs / "jobs" / job_id
    folder.mkdir(parents=True)
    fields = {
        "id": job_id, "kind": "train", "title": "web4mlx train", "command": [sys.executable, "-c", "pass"],
        "folder": str(outputs), "heavy": True, "grace_s": 5.0, "created": time.time(),
        "queued_by": None, **order,
    }  # fmt: skip
    (folder / "job.json").write_text(json.dumps(fields), "utf-8")
    (folder / "output.log").write_text(log, "utf-8")
    return folder


def screen_lines(app: Dashboard) -> list[list[tuple[str, Style | None]]]:
    """What stands on the screen, line by line: pieces of text, each in one style."""
    strips = app.screen._compositor.render_strips()
    return [[(segment.text, segment.style) for segment in strip] for strip in strips]


def screen_text(app: Dashboard) -> str:
    """What stands on the screen, line by line; then the notices, whose lines are broken there."""
    lines = ["".join(text for text, _ in line) for line in screen_lines(app)]
    return "\n".join([*lines, *(f"{note.title} {note.message}" for note in app._notifications)])


async def wait_for(pilot: Pilot[int], *texts: str) -> str:
    """Wait until the screen shows all of some texts; returns it."""
    app = pilot.app
    assert isinstance(app, Dashboard)
    end = time.monotonic() + PATIENCE_S
    while True:
        await pilot.pause()
        shown = screen_text(app)
        missing = [text for text in texts if text not in shown]
        if not missing:
            return shown
        assert time.monotonic() < end, f"{missing} did not appear on:\n{shown}"
        await asyncio.sleep(0.05)


async def wait_so(pilot: Pilot[int], is_so: Callable[[str], Any], what: str) -> None:
    """Wait until something is so; it is asked with the screen's text."""
    app = pilot.app
    assert isinstance(app, Dashboard)
    end = time.monotonic() + PATIENCE_S
    while not is_so(screen_text(app)):
        assert time.monotonic() < end, f"waited in vain for {what} on:\n{screen_text(app)}"
        await pilot.pause(0.1)


class Sleeping(Kind):
    """A kind of job that sleeps, whatever its arguments."""

    @property
    def command(self) -> tuple[str, ...]:
        """This interpreter, asleep."""
        return (sys.executable, "-c", SLEEPER)


@contextmanager
def only_sleepers(monkeypatch: pytest.MonkeyPatch, outputs: Path, prefix: str = "") -> Iterator[None]:
    """Let every command whose kind begins so be a sleeper, and stop all jobs in the end."""
    for name, kind in kinds.KINDS.items():
        if name.startswith(prefix):
            monkeypatch.setitem(kinds.KINDS, name, Sleeping(("web4mlx", *name.split()), kind.heavy))
    yield
    for job in list_jobs(outputs):
        if job.is_alive:
            stop(job, at_once=True).join()


def drive(
    place: Place, steps: Callable[[Pilot[int]], Any], size: tuple[int, int] = (120, 40), **how: Any
) -> Dashboard:
    """Run a dashboard without a terminal and let a coroutine drive it; returns it when it has ended."""
    app = Dashboard(place, **how)

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await steps(pilot)

    asyncio.run(run())
    return app


def sleeper(place_folder: Path, heavy: bool = False) -> Job:
    """A job that sleeps."""
    job = submit(place_folder / "outputs", snippet(heavy=heavy), [SLEEPER], "a sleeper")
    if job.state == "running":
        wait_for_text(job, "asleep")
    return job
