"""Ways for the server to misbehave."""

from dataclasses import dataclass, field
from threading import Event
from typing import Literal

Kind = Literal["status", "error_line", "drop", "end", "stall", "die"]


@dataclass
class Fault:
    """What goes wrong with requests to a path.

    `status` answers with `status` and `error`; `error_line` sends an error as a line of the stream after
    `after` lines; `drop` breaks the connection there, `end` ends the stream properly there, `stall` says
    nothing more until `released` is set, `die` stops listening and breaks the connection. The first
    `skip` requests go well, then `times` go wrong.
    """

    path: str
    kind: Kind
    after: int = 0
    status: int = 500
    error: str = "out of order"
    skip: int = 0
    times: int = 1_000_000
    released: Event = field(default_factory=Event)

    def strikes(self, path: str) -> bool:
        """Whether this request is hit; counts it."""
        if not path.startswith(self.path):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.times -= 1
        return self.times >= 0
