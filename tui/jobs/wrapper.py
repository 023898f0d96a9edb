"""The process that keeps watch over one command: `python -m tui.jobs.wrapper JOB_FOLDER`.

It leads a session of its own, starts the command in its group, and records how it ended. Signals to the
group are meant for the command; this process only waits. It loads nothing heavy.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from tui.jobs.process import mark_process
from tui.jobs.record import CHILD, EXIT, JOB, LOG, STOP, Exit, Order, read_record, write_record
from web4mlx.errors import ExitCode

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
        if (folder / STOP).exists():  # asked before there was anybody to hear it
            command.send_signal(signal.SIGINT)
        code = command.wait()
    write_record(folder, EXIT, Exit(code=code, ended=time.time()))
    return code


def _let_pass(number: int, frame: FrameType | None) -> None:
    pass


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(max(keep_watch(Path(sys.argv[1])), 0))
