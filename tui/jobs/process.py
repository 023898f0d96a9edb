"""Which process is which: a number alone is not enough, because the system gives it out again.

A process is named by its number and by when it started, in a form that a changed clock does not change.
"""

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict

START_TICKS_FIELD = 19  # of /proc/PID/stat, counted from the state, which follows the name in brackets


class ProcessMark(BaseModel):
    """A process: its number and its start, as text that only another process differs in."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    pid: int
    started: str


def mark_process(pid: int) -> ProcessMark | None:
    """The mark of a living process; None when there is none, or when it is a zombie."""
    started = _linux_start(pid) if sys.platform == "linux" else _start(pid)
    return ProcessMark(pid=pid, started=started) if started else None


def is_alive(mark: ProcessMark | None) -> bool:
    """Whether exactly this process lives."""
    return mark is not None and mark_process(mark.pid) == mark


def _linux_start(pid: int) -> str:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except OSError:
        return ""
    if len(fields) <= START_TICKS_FIELD or fields[0] in "ZX":
        return ""
    return fields[START_TICKS_FIELD]


def _start(pid: int) -> str:
    import psutil

    try:
        process = psutil.Process(pid)
        return "" if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except psutil.Error:
        return ""


def find_family(pid: int) -> list[ProcessMark]:
    """A process and all that descend from it, eldest first; processes of other groups too."""
    import psutil

    found = [mark_process(pid)]
    with suppress(psutil.Error):
        found += [mark_process(child.pid) for child in psutil.Process(pid).children(recursive=True)]
    return [mark for mark in found if mark is not None]


def signal_group(mark: ProcessMark, number: signal.Signals) -> bool:
    """Send a signal to the group that a process leads; returns whether it was there to get it."""
    if not is_alive(mark):
        return False
    try:
        os.killpg(mark.pid, number)
    except ProcessLookupError:
        return False
    return True


def signal_process(mark: ProcessMark, number: signal.Signals) -> bool:
    """Send a signal to one process; returns whether it was there to get it."""
    if not is_alive(mark):
        return False
    try:
        os.kill(mark.pid, number)
    except ProcessLookupError:
        return False
    return True
