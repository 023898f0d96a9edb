"""Stopping a job: SIGINT to its group, then SIGTERM, then SIGKILL to all that descend from it.

Who stops a job only writes that down. The process that keeps watch over it reads this and sends the signals,
so a stop that has begun goes on when the dashboard is gone. A job whose watcher is gone is told from here.

A trainer has a group of its own below its command, and is told to stop by it; only SIGKILL goes to every
process by itself.
"""

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tui.jobs.process import ProcessMark, find_family, is_alive, signal_group, signal_process
from tui.jobs.record import STOP, Job, StopRequest, read_record, write_record

POLL_S = 0.1
AFTER_KILL_S = 5.0
LATE_S = 10.0  # after this the watcher is not waited for any more


def stop(job: Job, *, at_once: bool = False) -> threading.Thread:
    """Begin to stop a job that runs; returns the thread that sees it end.

    Args:
        job: The job.
        at_once: Without grace: SIGKILL. A trainer then keeps its last checkpoint only.
    """
    write_record(job.folder, STOP, StopRequest(asked=time.time(), at_once=at_once))
    top = job.child or job.watcher
    stopping = Escalation(job.watcher, find_family(top.pid) if top else [])
    grace_s = 0.0 if at_once else job.order.grace_s

    def see_to_it() -> None:
        end = time.monotonic() + 2 * grace_s + AFTER_KILL_S + LATE_S
        while is_alive(job.watcher) and time.monotonic() < end:
            if stopping.is_over():
                return
            time.sleep(POLL_S)
        if not stopping.is_over():
            stopping.escalate(grace_s)

    return _begin(see_to_it)


def stop_process(mark: ProcessMark, grace_s: float) -> threading.Thread:
    """Begin to stop a process that no job stands for, such as a trainer started in another terminal."""
    stopping = Escalation(None, find_family(mark.pid))
    return _begin(lambda: stopping.escalate(grace_s))


def _begin(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, name="stop", daemon=True)
    thread.start()
    return thread


def asked_at_once(folder: Path) -> bool:
    """Whether somebody wants a job dead without grace."""
    request = read_record(folder, STOP, StopRequest)
    return request is not None and request.at_once


@dataclass
class Escalation:
    """Ends processes, ever more urgently.

    Attributes:
        watcher: Leads the group and records the end, so it is never killed.
        family: The others, as they were when the stop was asked for.
        is_hurried: Whether to leave out the rest of the grace.
        ends_with_watcher: Whether it is over only when the watcher has ended, too.
    """

    watcher: ProcessMark | None
    family: list[ProcessMark] = field(default_factory=list)
    is_hurried: Callable[[], bool] = lambda: False
    ends_with_watcher: bool = True

    def escalate(self, grace_s: float) -> None:
        """Send the signals, with `grace_s` seconds after SIGINT and again after SIGTERM; 0 kills at once."""
        for number in (signal.SIGINT, signal.SIGTERM) if grace_s else ():
            if self.is_hurried():
                break
            self._tell(number)
            if self._wait(grace_s):
                return
        for mark in self._everyone():
            signal_process(mark, signal.SIGKILL)
        self._wait(AFTER_KILL_S, patient=True)

    def is_over(self) -> bool:
        """Whether all have ended."""
        members = [*self.family, *([self.watcher] if self.watcher and self.ends_with_watcher else [])]
        return not any(is_alive(mark) for mark in members)

    def _tell(self, number: signal.Signals) -> None:
        if self.watcher is None or not signal_group(self.watcher, number):
            for mark in self.family:
                signal_process(mark, number)

    def _everyone(self) -> list[ProcessMark]:
        """The family, with whoever was born since."""
        roots = [*self.family, *([self.watcher] if self.watcher else [])]
        found = {member.pid: member for root in roots if is_alive(root) for member in find_family(root.pid)}
        return [mark for mark in found.values() if mark != self.watcher]

    def _wait(self, seconds: float, *, patient: bool = False) -> bool:
        end = time.monotonic() + seconds
        while not self.is_over():
            if time.monotonic() >= end or (not patient and self.is_hurried()):
                return False
            time.sleep(POLL_S)
        return True
