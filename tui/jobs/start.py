"""Starting a job, or letting it wait until the machine's memory is free.

One heavy job runs at a time. A second one is queued: it is a folder with an order and no process. The
dashboard that queued it starts it when its turn comes. When that dashboard has ended, the job is *held*: it
is shown, and starts only when somebody says so. Reopening a terminal must not begin hours of work by itself.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

from tui.jobs.kinds import Kind
from tui.jobs.process import ProcessMark, mark_process
from tui.jobs.record import JOB, JOBS, PID, Job, Order, list_jobs, read_job, write_record
from web4mlx.artifacts import explain_os_errors
from web4mlx.errors import StageCrashed, UsageError
from web4mlx.machine.awake import lease_holder, line_holder

_watchers: list["subprocess.Popen[bytes]"] = []


def submit(outputs: Path, kind: Kind, arguments: Sequence[str], title: str = "") -> Job:
    """Start a command, or queue it when it is heavy and something heavy runs.

    Args:
        outputs: The outputs folder whose `jobs` gets the job's folder.
        kind: The command.
        arguments: What follows the command's own words.
        title: What people call it; default: the command as typed.

    Raises:
        StageCrashed: The folder cannot be written.
    """
    command = (*kind.command, *arguments)
    with _jobs_lock(outputs):
        job_id = _new_id(outputs, kind.name)
        me = mark_process(os.getpid())
        order = Order(
            id=job_id, kind=kind.name, title=title or " ".join((*kind.words, *arguments)), command=command,
            folder=str(Path.cwd()), heavy=kind.heavy, grace_s=kind.grace_s, created=time.time(), queued_by=me,
        )  # fmt: skip
        folder = outputs / JOBS / job_id
        with explain_os_errors(folder):
            folder.mkdir(parents=True)
        write_record(folder, JOB, order)
        if not kind.heavy or not what_is_busy(outputs):
            launch(folder)
        return _read(folder)


def start_next(outputs: Path, me: ProcessMark | None = None) -> Job | None:
    """Start the eldest job that this dashboard has queued, if nothing heavy runs; returns it.

    Args:
        outputs: The outputs folder.
        me: The dashboard; default: this process.
    """
    me = me or mark_process(os.getpid())
    if not any(_is_mine(job, me) for job in list_jobs(outputs)):
        return None
    with _jobs_lock(outputs):
        waiting = [job for job in reversed(list_jobs(outputs)) if _is_mine(job, me)]
        if not waiting or what_is_busy(outputs):
            return None
        launch(waiting[0].folder)
        return _read(waiting[0].folder)


def release(job: Job) -> Job:
    """Put a held job back into the queue of this dashboard.

    Raises:
        UsageError: It does not wait any more.
    """
    outputs = job.folder.parent.parent
    with _jobs_lock(outputs):
        now = read_job(job.folder)
        if now is None or now.state not in ("held", "queued"):
            raise UsageError(f"{job.order.title} does not wait any more")
        order = now.order.model_copy(update={"queued_by": mark_process(os.getpid())})
        write_record(job.folder, JOB, order)
        if not order.heavy or not what_is_busy(outputs):
            launch(job.folder)
        return _read(job.folder)


def drop(job: Job) -> None:
    """Remove a job that has not started.

    Raises:
        UsageError: It has started.
    """
    import shutil

    with _jobs_lock(job.folder.parent.parent):
        now = read_job(job.folder)
        if now is not None and now.state not in ("held", "queued"):
            raise UsageError(f"{job.order.title} has started", "Stop it instead.")
        shutil.rmtree(job.folder, ignore_errors=True)


def what_is_busy(outputs: Path) -> str:
    """What uses this machine's memory: a heavy job, or what another terminal runs; empty when nothing."""
    heavy = [job for job in list_jobs(outputs) if job.order.heavy and job.is_alive]
    return heavy[0].order.title if heavy else lease_holder() or line_holder(outputs)


def launch(folder: Path) -> None:
    """Start the watching process of a job folder, in a session of its own."""
    collect_ended()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TEXTUAL")}
    environment["PYTHONUNBUFFERED"] = "1"
    watcher = subprocess.Popen(
        [sys.executable, "-m", "tui.jobs.wrapper", str(folder.absolute())],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True, env=environment,
    )  # fmt: skip
    _watchers.append(watcher)
    # a watcher that is gone already has recorded why; its mark then only says that it was started
    mark = mark_process(watcher.pid) or ProcessMark(pid=watcher.pid, started="ended")
    write_record(folder, PID, mark)


def collect_ended() -> None:
    """Let the system forget watchers that have ended; they are this process's children."""
    _watchers[:] = [watcher for watcher in _watchers if watcher.poll() is None]


def _is_mine(job: Job, me: ProcessMark | None) -> bool:
    return job.state == "queued" and job.order.queued_by == me


def _jobs_lock(outputs: Path) -> FileLock:
    folder = outputs / JOBS
    with explain_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / ".lock", timeout=10)


def _new_id(outputs: Path, name: str) -> str:
    stamp = time.strftime("%Y%m%d_%H%M%S")
    taken = {folder.name for folder in (outputs / JOBS).iterdir()}
    ids = (f"{stamp}_{number:02d}_{name.replace(' ', '_')}" for number in range(100))
    for job_id in ids:
        if not any(name.startswith(job_id[:18]) for name in taken):
            return job_id
    raise StageCrashed("more than 100 jobs within a second", "Wait a moment.")


def _read(folder: Path) -> Job:
    job = read_job(folder)
    if job is None:
        raise StageCrashed(f"{folder}: the job has vanished", "Was the outputs folder deleted?")
    return job
