"""What is known of a job, and the files it stands in: `<outputs>/jobs/<id>/`.

Each file has one writer and is replaced as a whole, so a reader never sees half a state:

    job.json      what was asked for, and who queued it     the dashboard
    pid.json      the process that keeps watch              the dashboard, when it starts
    child.json    the command's own process                 the watching process
    exit.json     exit code and end                         the watching process
    stop.json     that somebody asked it to stop            the dashboard
    output.log    everything the command printed            the command
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from tui.jobs.process import ProcessMark, is_alive
from web4mlx.artifacts import atomic_write

JOBS = "jobs"
JOB, PID, CHILD, EXIT, STOP, LOG = (
    "job.json", "pid.json", "child.json", "exit.json", "stop.json", "output.log",
)  # fmt: skip
State = Literal["queued", "held", "running", "stopping", "done", "refused", "failed", "stopped", "lost"]
ENDED: tuple[State, ...] = ("done", "refused", "failed", "stopped", "lost")
Record = TypeVar("Record", bound=BaseModel)


class _File(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Order(_File):
    """`job.json`: what was asked for. `command` is complete; `grace_s` is what SIGINT and SIGTERM get each.

    `queued_by` is the dashboard that will start it when its turn comes; None when it was started at once.
    """

    id: str
    kind: str
    title: str
    command: tuple[str, ...]
    folder: str
    heavy: bool
    grace_s: float
    created: float
    queued_by: ProcessMark | None = None


class Exit(_File):
    """`exit.json`: how the command ended; a negative code is the signal that ended it."""

    code: int
    ended: float


class StopRequest(_File):
    """`stop.json`: when somebody asked the job to stop, and whether without grace."""

    asked: float
    at_once: bool = False


class Job(_File):
    """One job as it stands now. `folder` is `<outputs>/jobs/<id>`; `started` is None while it waits."""

    order: Order
    folder: Path
    state: State
    watcher: ProcessMark | None = None
    child: ProcessMark | None = None
    started: float | None = None
    ended: float | None = None
    code: int | None = None

    @property
    def log(self) -> Path:
        """Where the command's output goes."""
        return self.folder / LOG

    @property
    def is_alive(self) -> bool:
        """Whether a process of it is there."""
        return self.state in ("running", "stopping")


def write_record(folder: Path, name: str, record: BaseModel) -> None:
    """Write one of a job's files."""
    atomic_write(folder / name, record.model_dump_json(indent=2) + "\n")


def read_record(folder: Path, name: str, kind: type[Record]) -> Record | None:
    """One of a job's files; None when it is missing or damaged."""
    try:
        return kind.model_validate_json((folder / name).read_bytes())
    except (OSError, ValidationError):
        return None


def read_job(folder: Path) -> Job | None:
    """The job of a folder; None when the folder does not hold one."""
    order = read_record(folder, JOB, Order)
    if order is None:
        return None
    watcher, child = (read_record(folder, name, ProcessMark) for name in (PID, CHILD))
    # the processes are asked before the exit file: one that ends in between has written it by then
    alive = is_alive(watcher) or is_alive(child)
    end = read_record(folder, EXIT, Exit)
    stop = read_record(folder, STOP, StopRequest)
    return Job(
        order=order, folder=folder, watcher=watcher, child=child,
        started=_changed(folder / PID), code=end.code if end else None,
        state=_state(order, watcher, alive, end, stop),
        ended=end.ended if end else None,
    )  # fmt: skip


def _state(
    order: Order, watcher: ProcessMark | None, alive: bool, end: Exit | None, stop: StopRequest | None
) -> State:
    if end is not None:
        if stop is not None and end.code in (130, -2, -9, -15):
            return "stopped"
        codes: dict[int, State] = {0: "done", 1: "refused", 130: "stopped"}
        return codes.get(end.code, "failed")
    if watcher is None:
        return "queued" if is_alive(order.queued_by) else "held"
    if alive:
        return "stopping" if stop else "running"
    return "stopped" if stop else "lost"


def _changed(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def list_jobs(outputs: Path) -> list[Job]:
    """All jobs of an outputs folder, newest first."""
    return sorted(_read_all(outputs / JOBS), key=lambda job: job.order.id, reverse=True)


def _read_all(folder: Path) -> Iterator[Job]:
    try:
        folders = [entry for entry in folder.iterdir() if entry.is_dir()]
    except OSError:
        return
    for entry in folders:
        job = read_job(entry)
        if job is not None:
            yield job
