"""The process that keeps watch over one command: `python -m tui.jobs.wrapper JOB_FOLDER`.

It leads a session of its own, starts the command in its group, and records how it ended. Signals to the
group are meant for the command. When the job's folder says that it is to stop, this process sees to it, with
or without a dashboard. It loads nothing heavy.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType

from tui.jobs.process import find_family, mark_process
from tui.jobs.record import CHILD, EXIT, JOB, LOG, STOP, Exit, Order, read_record, write_record
from web4mlx.errors import ExitCode

POLL_S = 0.2
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def keep_watch(folder: Path) -> int:
    """Run the command of a job folder to its end; returns its exit code."""
    order = read_record(folder, JOB, Order)
    if order is None:
        return ExitCode.USAGE
    # a handler, not SIG_IGN: what is ignored stays ignored in the command, what is handled does not
    for number in PASSED_ON:
        signal.signal(number, _let_pass)
    with (folder / LOG).open("ab") as log:
        try:
            command = subprocess.Popen(
                order.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=order.folder
            )
        except OSError as error:
            log.write(f"error: cannot start {order.command[0]}: {error.strerror}\n".encode())
            write_record(folder, EXIT, Exit(code=ExitCode.MISSING_PREREQUISITE, ended=time.time()))
            return ExitCode.MISSING_PREREQUISITE
        mark = mark_process(command.pid)
        if mark is not None:
            write_record(folder, CHILD, mark)
        code = _wait(command, folder, order.grace_s)
    write_record(folder, EXIT, Exit(code=code, ended=time.time()))
    return code


def _wait(command: "subprocess.Popen[bytes]", folder: Path, grace_s: float) -> int:
    """Wait for the command's end, and bring it about when that is asked for."""
    reaper = threading.Thread(target=command.wait, name="reaper", daemon=True)
    reaper.start()
    while not (folder / STOP).exists():
        reaper.join(POLL_S)
        if not reaper.is_alive():
            return command.wait()
    from tui.jobs.stop import Escalation, asked_at_once

    stopping = Escalation(
        mark_process(os.getpid()), find_family(command.pid),
        is_hurried=lambda: asked_at_once(folder), ends_with_watcher=False,
    )  # fmt: skip
    stopping.escalate(0.0 if asked_at_once(folder) else grace_s)
    return command.wait()


def _let_pass(number: int, frame: FrameType | None) -> None:
    pass


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(max(keep_watch(Path(sys.argv[1])), 0))
