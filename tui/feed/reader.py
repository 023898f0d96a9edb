"""A thread that reads for one screen, so that a slow disk or a dead server never stops the screen.

It reads when asked, one reading at a time; being asked while it reads costs nothing. It is a daemon: a read
that hangs keeps nobody from quitting.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from web4mlx.errors import Web4Error

REST_S = 0.1  # between two readings, so that there are at most ten repaints a second


@dataclass(frozen=True)
class Problem:
    """Why a reading failed: for the error panel."""

    cause: str
    hint: str = ""


class Reader:
    """Calls `read` in a thread of its own each time `ask` was called.

    Args:
        read: Does the slow work; what it returns goes to `deliver`.
        deliver: Takes a reading or a `Problem`; called in the reader's thread, must only post.
    """

    def __init__(self, read: Callable[[], Any], deliver: Callable[[Any], object]) -> None:
        self._read, self._deliver = read, deliver
        self._asked = threading.Event()
        self._closed = False
        self._since: float | None = None
        self._thread: threading.Thread | None = None

    def ask(self) -> None:
        """Ask for a reading soon."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="reader", daemon=True)
            self._thread.start()
        self._asked.set()

    def close(self) -> None:
        """Deliver nothing any more; the thread ends after its current reading."""
        self._closed = True
        self._asked.set()

    @property
    def busy_s(self) -> float:
        """For how long the current reading has been going on; 0 when there is none."""
        since = self._since
        return time.monotonic() - since if since is not None else 0.0

    def _work(self) -> None:
        while True:
            self._asked.wait()
            self._asked.clear()
            if self._closed:
                return
            self._since = time.monotonic()
            try:
                result = self._read()
            except Web4Error as error:
                result = Problem(error.message, error.hint)
            except Exception as error:  # the boundary of a thread: what nobody foresaw is shown, not fatal
                result = Problem(f"{type(error).__name__}: {error}", "The next reading may go well again.")
            self._since = None
            if not self._closed:
                self._deliver(result)
            time.sleep(REST_S)


def attempt(work: Callable[[], Any], deliver: Callable[[Any], object]) -> None:
    """Do something slow once, in a thread of its own; its result or a `Problem` goes to `deliver`."""

    def finish(result: Any) -> None:
        reader.close()
        deliver(result)

    reader = Reader(work, finish)
    reader.ask()
