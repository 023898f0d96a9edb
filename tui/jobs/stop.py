"""Stopping a job: SIGINT to its group, then SIGTERM, then SIGKILL to all that descend from it.

A trainer has a group of its own below its command, and is told to stop by it; only SIGKILL goes to every
process by itself. The waiting happens in a thread; whoever asked looks at the job's state.
"""

import signal
import threading
import time
from dataclasses import dataclass, field

from tui.jobs.process import ProcessMark, find_family, is_alive, signal_group, signal_process
from tui.jobs.record import STOP, Job, StopRequest, write_record

POLL_S = 0.1
AFTER_KILL_S = 5.0


def stop(job: Job, *, at_once: bool = False) -> threading.Thread:
    """Begin to stop a job that runs; returns the thread that sees to it.

    Args:
        job: The job.
        at_once: Without grace: SIGKILL. A trainer then keeps its last checkpoint only.
    """
    write_record(job.folder, STOP, StopRequest(asked=time.time()))
    top = job.child or job.watcher
    stopping = _Stopping(job.watcher, find_family(top.pid) if top else [])
    return stopping.begin(0.0 if at_once else job.order.grace_s)


def stop_process(mark: ProcessMark, grace_s: float) -> threading.Thread:
    """Begin to stop a process that no job stands for, such as a trainer started in another terminal."""
    return _Stopping(None, find_family(mark.pid)).begin(grace_s)


@dataclass
class _Stopping:
    """`watcher` leads the group and records the end, so it is never killed; `family` are the others."""

    watcher: ProcessMark | None
    family: list[ProcessMark] = field(default_factory=list)

    def begin(self, grace_s: float) -> threading.Thread:
        thread = threading.Thread(target=self.escalate, args=(grace_s,), name="stop", daemon=True)
        thread.start()
        return thread

    def escalate(self, grace_s: float) -> None:
        for number in (signal.SIGINT, signal.SIGTERM) if grace_s else ():
            self.tell(number)
            if self.wait(grace_s):
                return
        for mark in self.everyone():
            signal_process(mark, signal.SIGKILL)
        self.wait(AFTER_KILL_S)

    def tell(self, number: signal.Signals) -> None:
        if self.watcher is None or not signal_group(self.watcher, number):
            for mark in self.family:
                signal_process(mark, number)

    def everyone(self) -> list[ProcessMark]:
        """The family, with whoever was born since."""
        roots = [*self.family, *([self.watcher] if self.watcher else [])]
        found = {member.pid: member for root in roots if is_alive(root) for member in find_family(root.pid)}
        return [mark for mark in found.values() if mark != self.watcher]

    def wait(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        members = [*self.family, *([self.watcher] if self.watcher else [])]
        while any(is_alive(mark) for mark in members):
            if time.monotonic() >= end:
                return False
            time.sleep(POLL_S)
        return True
