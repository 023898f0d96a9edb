"""Progress of byte-counted work as events, with the time left from the speed so far."""

import time

from web4mlx.events import EventLog, Progress

MIN_INTERVAL_S = 0.5
MEBIBYTE = 2**20


class ByteProgress:
    """Reports how many of `total_bytes` are done, at most twice a second and once at the end.

    Args:
        log: Where the events go.
        total_bytes: All the work.
        message: What is being done.
    """

    def __init__(self, log: EventLog, total_bytes: int, message: str) -> None:
        self.log = log
        self.total_bytes = total_bytes
        self.message = message
        self.done_bytes = 0
        self._start = time.monotonic()
        self._last = self._start

    def advance(self, count: int) -> None:
        """Add `count` bytes to what is done."""
        self.done_bytes += count
        now = time.monotonic()
        if now - self._last < MIN_INTERVAL_S and self.done_bytes < self.total_bytes:
            return
        self._last = now
        rate = self.done_bytes / max(now - self._start, 1e-9)
        self.log.write(
            Progress,
            done=-(-self.done_bytes // MEBIBYTE),
            total=-(-self.total_bytes // MEBIBYTE),
            unit="MiB",
            message=self.message,
            eta_s=(self.total_bytes - self.done_bytes) / rate,
        )
