"""The process around the trainer: starts it in a group of its own, shows its events, tries again.

The trainer goes on when this process is killed; Ctrl-C here asks it to finish its step and checkpoint.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from web4mlx.artifacts import MANIFEST, explain_os_errors, new_run_name
from web4mlx.config import RunConfig, write_config
from web4mlx.errors import ExitCode, MissingPrerequisite, UsageError, Web4Error, error_for
from web4mlx.events import EventSink, Failed, Started, Warned, read_events
from web4mlx.machine.awake import keep_awake
from web4mlx.train.deaths import explain, prepare_retry, recognise
from web4mlx.train.launched import launched_place
from web4mlx.train.worker import EVENTS

LOG, PID = "train.log", "train.pid"
WORKER = "web4mlx.train.worker"
TRIES = 4
POLL_S = 0.2


def new_run(config: RunConfig) -> Path:
    """Make the folder of a new run and save its effective configuration there."""
    with explain_os_errors(config.outputs):
        while True:
            run = config.outputs / new_run_name(f"{config.name}_lora")
            if not run.exists():
                run.mkdir(parents=True)
                write_config(config, run / "config.toml")
                return run
            time.sleep(POLL_S)  # another run started within this second


def find_resumable(config: RunConfig, which: str) -> Path:
    """The run to resume: a folder, or with `auto` the newest unfinished one.

    Raises:
        MissingPrerequisite: There is none, or the folder is no run.
        UsageError: The run is finished already.
    """
    if which == "auto":
        unfinished = [
            folder
            for folder in sorted(config.outputs.glob(f"{config.name}_lora_*"))
            if (folder / "config.toml").is_file() and not (folder / MANIFEST).exists()
        ]
        if not unfinished:
            raise MissingPrerequisite(f"no unfinished run in {config.outputs}", "Start one: `web4mlx train`.")
        return unfinished[-1]
    run = Path(which)
    if not (run / "config.toml").is_file():
        raise MissingPrerequisite(f"{run}: not a run folder (it has no config.toml)")
    if (run / MANIFEST).exists():
        raise UsageError(f"{run}: this run is finished", "Start a new one without --resume.")
    return run


def supervise(run: Path, show: EventSink) -> None:
    """Run the trainer of a run folder to its end, showing its events; after some deaths it is tried again.

    One of several ranks is not tried again: the others have ended with it.

    Raises:
        Web4Error: The trainer failed; says why and how to go on.
        KeyboardInterrupt: It was interrupted and has written a checkpoint.
    """
    refuse_second_trainer(run)
    is_one_of_several = launched_place().size > 1
    with sigterm_as_interrupt():
        for tries_left in reversed(range(1 if is_one_of_several else TRIES)):
            end = run_trainer(run, show)
            if end.returncode == ExitCode.OK:
                return
            if end.returncode == ExitCode.INTERRUPTED or (end.interrupted and not end.failure):
                raise KeyboardInterrupt
            death = recognise(end.returncode, end.written)
            next_try = prepare_retry(death, run) if tries_left and not end.failure else ""
            if death is None or not next_try:
                raise end.failure or explain(end.returncode, end.written, run)
            warned = {"code": "restart", "message": death.message, "advice": f"{death.hint} Now {next_try}."}
            show(Warned(ts=time.time(), run=run.name, stage="train", **warned))


@dataclass(frozen=True)
class End:
    """How one trainer process ended; `written` is the end of what it wrote to its log."""

    returncode: int
    failure: Web4Error | None
    interrupted: bool
    written: str


def run_trainer(run: Path, show: EventSink) -> End:
    """Run one trainer process to its end, showing its events."""
    offset = (run / EVENTS).stat().st_size if (run / EVENTS).exists() else 0
    with (run / LOG).open("ab") as log:
        log_start = log.tell()
        trainer = subprocess.Popen(
            [sys.executable, "-m", WORKER, str(run)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        (run / PID).write_text(f"{trainer.pid}\n", "ascii")
        keep_awake(trainer.pid)
        failure, interrupted = follow(trainer, run, offset, show)
        (run / PID).unlink(missing_ok=True)
    written = (run / LOG).read_bytes()[log_start:][-20_000:].decode("utf-8", "replace")
    return End(trainer.returncode, failure, interrupted, written)


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Treat SIGTERM to this process like Ctrl-C, so that the trainer is told to stop and checkpoint.

    So is SIGHUP to one of several ranks: it is how the end of `mlx.launch` reaches another machine.
    Afterwards such a rank ignores both: `mlx.launch` stops all when one has ended, and this one must say why.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    is_one_of_several = launched_place().size > 1
    numbers = [signal.SIGTERM, *([signal.SIGHUP] if is_one_of_several else [])]
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if is_one_of_several else handler)


def follow(
    trainer: "subprocess.Popen[bytes]", run: Path, offset: int, show: EventSink
) -> tuple[Web4Error | None, bool]:
    """Show events until the trainer ends, passing Ctrl-C on to it.

    Before training has started there is nothing to keep, and SIGTERM ends it even inside a library's call.

    Returns:
        The failure the trainer reported, if any, and whether it was interrupted.
    """
    failed: Failed | None = None
    started = interrupted = False
    while True:
        try:
            ended = trainer.poll() is not None
            for event, next_offset in read_events(run / EVENTS, offset):
                offset = next_offset
                if isinstance(event, Failed):
                    failed = event
                else:
                    show(event)
                started |= isinstance(event, Started)
            if ended:
                code = trainer.returncode
                return (error_for(code, failed.message, failed.hint) if failed else None), interrupted
            time.sleep(POLL_S)
        except KeyboardInterrupt:
            os.killpg(trainer.pid, signal.SIGINT if started and not interrupted else signal.SIGTERM)
            interrupted = True
            print("finishing the current step and writing a checkpoint …", file=sys.stderr)


def refuse_second_trainer(run: Path) -> None:
    """Refuse to start when a trainer of this run is alive."""
    import psutil

    try:
        pid = int((run / PID).read_text("ascii"))
        command = psutil.Process(pid).cmdline()
    except (OSError, ValueError, psutil.Error):
        return
    if WORKER in command:
        raise UsageError(
            f"{run}: process {pid} is training this run already", "Wait for it, or stop it with SIGINT."
        )
