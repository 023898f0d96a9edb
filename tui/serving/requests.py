"""The newest requests of our server, from its event log; looking at its health is not shown as one."""

from collections import deque
from dataclasses import dataclass
from pathlib import Path

from tui.feed.tail import EventTail
from web4mlx.events import Served, Started

KEPT = 500
OPENING_BYTES = 4 << 20
HEALTH = "/healthz"


@dataclass(frozen=True)
class Requests:
    """The newest requests, oldest first; `first` is how many were there before them.

    `url` is where the newest server began to listen, empty when it is not known.
    """

    served: tuple[Served, ...] = ()
    first: int = 0
    url: str = ""
    behind: str = ""
    problem: str = ""
    garbage: int = 0

    @property
    def failed(self) -> int:
        """How many of them were answered with an error."""
        return sum(one.status >= 400 for one in self.served)

    @property
    def median_ms(self) -> float:
        """The median time to the first byte; 0 without requests."""
        times = sorted(one.first_byte_ms for one in self.served)
        return times[len(times) // 2] if times else 0.0


class RequestFeed:
    """Follows a server's log; of a long one only the end is read.

    Args:
        path: The log.
    """

    def __init__(self, path: Path) -> None:
        self.tail = EventTail(path)
        self._served: deque[Served] = deque(maxlen=KEPT)
        self._count = 0
        self._url, self._behind = "", ""
        self._restarts = 0
        self._cut = 0
        self._begin(path)

    def _begin(self, path: Path) -> None:
        try:
            start = path.stat().st_size - OPENING_BYTES
        except OSError:
            return
        if start > 0:
            self.tail.lines.offset = start
            self._cut = 1  # the line that the start falls into

    def read(self) -> Requests:
        """The newest requests."""
        for event in self.tail.read():
            if isinstance(event, Served) and event.path != HEALTH:
                self._served.append(event)
                self._count += 1
            elif isinstance(event, Started):
                self._url, self._behind = next(
                    iter((str(k), str(v)) for k, v in event.plan.items()), ("", "")
                )
        if self.tail.lines.restarts != self._restarts:
            self._restarts, self._cut = self.tail.lines.restarts, 0
        return Requests(
            tuple(self._served), self._count - len(self._served), self._url, self._behind,
            self.tail.problem, max(0, self.tail.garbage - self._cut),
        )  # fmt: skip
