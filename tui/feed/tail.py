"""Following a file that grows: complete lines only, in pieces, whatever happens to the file.

A file may be missing, cut short, replaced, deleted while it is read, or hold bytes that are no text.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from web4mlx.events import Event, parse_event

PIECE_BYTES = 1 << 20


class LineTail:
    """Reads the lines that were added to a file since the last call.

    Args:
        path: The file; it need not exist yet.

    Attributes:
        problem: What is wrong with the file, in words; empty when nothing is.
        restarts: How often the file was found cut short or replaced, and reading began again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problem = ""
        self.restarts = 0
        self.offset = 0
        self._identity: tuple[int, int] | None = None
        self._seen = False

    def read(self, limit_bytes: int = 64 * PIECE_BYTES) -> Iterator[bytes]:
        """Yield complete new lines without their ends, at most about `limit_bytes` of them.

        A first line in a new place means that what was read before is void: look at `restarts`.
        """
        try:
            with self.path.open("rb") as file:
                self._check(os.fstat(file.fileno()))
                file.seek(self.offset)
                left = limit_bytes
                while left > 0 and (piece := file.read(PIECE_BYTES)):
                    end = piece.rfind(b"\n") + 1
                    if not end:
                        piece += file.readline()
                        end = len(piece) if piece.endswith(b"\n") else 0
                    if not end:
                        return
                    self.offset += end
                    left -= end
                    yield from piece[: end - 1].split(b"\n")
                    file.seek(self.offset)
        except FileNotFoundError:
            self.problem = "it has been deleted" if self._seen else "it is not there yet"
            self._identity = None  # a new file may get the old one's number
        except OSError as error:
            self.problem = f"it cannot be read: {error.strerror}"

    def _check(self, stat: os.stat_result) -> None:
        identity = (stat.st_dev, stat.st_ino)
        if self._seen and (identity != self._identity or stat.st_size < self.offset):
            self.offset = 0
            self.restarts += 1
        self._identity, self._seen, self.problem = identity, True, ""


class EventTail:
    """Reads the events that were added to a log since the last call.

    Attributes:
        garbage: Lines so far that were no events.
    """

    def __init__(self, path: Path) -> None:
        self.lines = LineTail(path)
        self.garbage = 0

    @property
    def problem(self) -> str:
        """What is wrong with the file, in words; empty when nothing is."""
        return self.lines.problem

    def read(self, limit_bytes: int = 64 * PIECE_BYTES) -> Iterator[Event]:
        """Yield new events; lines that are none are counted and passed over."""
        restarts = self.lines.restarts
        for line in self.lines.read(limit_bytes):
            if self.lines.restarts != restarts:
                restarts, self.garbage = self.lines.restarts, 0
            if not line.strip():
                continue
            try:
                yield parse_event(line.decode("utf-8", "replace"))
            except ValueError:
                self.garbage += 1
