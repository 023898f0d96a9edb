"""What the dashboard costs: first paint, opening a long run, a fast run, a log of a million lines.

    python benchmarks/dashboard.py

Times are of this machine as busy as it is; processor time stands beside them.
"""

import argparse
import asyncio
import os
import pty
import resource
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.dashboards import place_in, step_fields
from tui.app import Dashboard
from tui.feed.logfile import Filter, LogFile
from tui.feed.run import RunFeed
from tui.screens.training import Training
from tui.screens.training_pictures import loss_picture
from web4mlx.events import EventLog, Started, Step, Validation

STEPS = 74_000
LOG_LINES = 1_000_000
RATE = 60
SECONDS = 10


@contextmanager
def measured(what: str) -> Iterator[None]:
    """Print wall and processor time of a block."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    print(f"{what:<58}{time.perf_counter() - wall:8.3f} s, processor {time.process_time() - cpu:.3f} s")


def write_run(folder: Path, steps: int) -> Path:
    """The event log of a long run."""
    run = folder / "tiny_lora_20260101_120000"
    best = {"rows": 9, "supervised_tokens": 9, "is_best": False, "duration_s": 1.0}
    with EventLog(run / "events.jsonl", run.name, "train") as log:
        log.write(Started, plan={"steps": steps})
        for step in range(1, steps + 1):
            log.write(Step, **step_fields(step, steps))
            if step % 500 == 0:
                log.write(Validation, step=step, loss=1.0, **best)
    return run


def first_paint(folder: Path) -> None:
    """From the start of the process to the first words of the first screen, in a terminal."""
    child, parent_end = 0, 0
    wall = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    child, parent_end = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.environ.update(TERM="xterm-256color", COLUMNS="120", LINES="40")
        root = str(Path(__file__).parents[1])
        os.environ["PYTHONPATH"] = root
        config = str(Path(root) / "configs" / "demo.toml")
        os.execv(sys.executable, [sys.executable, "-m", "tui", "--config", config])
    seen = b""
    while b"Overview" not in seen:
        if select.select([parent_end], [], [], 30)[0]:
            seen += os.read(parent_end, 1 << 16)
    took = time.perf_counter() - wall
    os.write(parent_end, b"q")
    end = time.perf_counter() + 10
    while os.waitpid(child, os.WNOHANG)[0] == 0 and time.perf_counter() < end:
        if select.select([parent_end], [], [], 0.05)[0]:
            try:
                os.read(parent_end, 1 << 16)
            except OSError:
                continue
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    print(f"{'first paint of `python -m tui`':<58}{took:8.3f} s, processor {cpu:.3f} s until it had ended")


def long_run(folder: Path) -> None:
    """Read a run of 74,000 steps as the screen does, and thin it for a plot."""
    run = write_run(folder, STEPS)
    feed = RunFeed(run)
    with measured(f"read a run of {STEPS:,} steps ({(run / 'events.jsonl').stat().st_size / 1e6:.0f} MB)"):
        while not feed.read().complete:
            pass
    with measured("and the same again, nothing being new"):
        feed.read()
    picture = loss_picture(feed.read(), None, STEPS, False)
    from tui.feed.series import thin

    with measured("thin its five curves to 200 columns"):
        for curve in (*picture.curves[:2], *picture.curves[:2], picture.curves[0]):
            thin(curve.x, curve.y, 400, 0.0, STEPS)


def drive(folder: Path, act: Callable[[Dashboard], object]) -> None:
    """Run the training screen without a terminal while something happens."""
    app = Dashboard(place_in(folder), "training")

    async def run() -> None:
        async with app.run_test(size=(120, 40)) as pilot:
            await pilot.pause(1.0)
            act(app)
            await pilot.pause(SECONDS)

    asyncio.run(run())


def fast_run(folder: Path) -> None:
    """60 events a second: how much of a core the dashboard takes, and how often it repaints."""
    (folder / "outputs").mkdir()
    writer = (
        "import sys, time; from pathlib import Path; from tests.dashboards import step_fields\n"
        "from web4mlx.events import EventLog, Step\n"
        f"run = Path({str(folder)!r}) / 'outputs' / 'tiny_lora_20260101_120000'\n"
        "log = EventLog(run / 'events.jsonl', 'r', 'train')\n"
        f"for step in range(1, {RATE * (SECONDS + 4)}):\n"
        f"    log.write(Step, **step_fields(step, 10000)); time.sleep(1 / {RATE})"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", writer], env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    )
    shown: list[float] = []
    original = Training.show

    def counting(self: Training, readings: object) -> None:
        shown.append(time.perf_counter())
        original(self, readings)  # type: ignore[arg-type]

    Training.show = counting  # type: ignore[method-assign]
    started = 0.0

    def begin(app: Dashboard) -> None:
        nonlocal started
        shown.clear()
        started = time.process_time()

    drive(folder, begin)
    cpu = (time.process_time() - started) / SECONDS
    child.wait()
    print(f"{RATE} events a second: {len(shown) / SECONDS:.1f} repaints a second, {cpu:.0%} of a core")


def long_log(folder: Path) -> None:
    """Index, look into, filter and search a log of a million lines."""
    path = folder / "log"
    with path.open("w") as file:
        file.writelines(
            f"{n} step loss {n % 97} tokens {n % 1013} and more words\n" for n in range(LOG_LINES)
        )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    log = LogFile(path)
    with measured(f"index {LOG_LINES:,} lines ({path.stat().st_size / 1e6:.0f} MB)"):
        while not log.is_complete or not log.size:
            log.grow()
    with measured("a window of 840 lines in its middle"):
        log.window(LOG_LINES // 2, 840)
    with measured("search for its last line"):
        log.find(f"{LOG_LINES - 1} step", 0, 1)
    log.set_filter(Filter(text="loss 96"))
    with measured("filter all of it"):
        while not log.is_complete:
            log.grow()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"{'most memory that took':<58}{grown / 1024:8.1f} MB")


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    for part in (first_paint, first_paint, long_run, fast_run, long_log):
        with tempfile.TemporaryDirectory() as temporary:
            part(Path(temporary))
