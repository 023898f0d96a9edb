"""A log of any length: which line begins where, found lazily; lines are read when they are looked at.

Only every 64th line's place is kept, so a million lines cost 125 kB. Everything here runs in a reader's
thread.
"""

import os
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

STRIDE = 64
PIECE_BYTES = 4 << 20
LINE_CHARACTERS = 2000
GONE = (-1, -1)
Level = Literal["all", "warning", "error"]
LEVELS: tuple[Level, ...] = ("all", "warning", "error")
ERROR = re.compile(rb'\b(error|failed|fatal|critical|traceback|exception)\b|"kind": ?"failed"', re.IGNORECASE)
WARNING = re.compile(rb"\bwarn(ing)?\b", re.IGNORECASE)


def level_of(line: bytes) -> Level:
    """The level that a line's words speak of; `all` when of none."""
    if ERROR.search(line):
        return "error"
    return "warning" if WARNING.search(line) else "all"


@dataclass(frozen=True)
class Filter:
    """Which lines are shown: those that hold `text` (case does not count) and are of `level` or worse."""

    text: str = ""
    level: Level = "all"

    def wants(self, line: bytes) -> bool:
        """Whether a line is shown."""
        if self.text and self.text.lower().encode() not in line.lower():
            return False
        return self.level == "all" or level_of(line) in LEVELS[LEVELS.index(self.level) :]


class LogFile:
    """One log and, when it is filtered, the numbers of the lines that are wanted.

    Attributes:
        lines: Lines found so far.
        scanned: Bytes looked at so far.
        size: Bytes of the file.
        problem: What is wrong with the file, in words.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problem = ""
        self.filter = Filter()
        self._identity: tuple[int, int] | None = None
        self._begin()

    def _begin(self) -> None:
        self.lines = self.scanned = self.size = 0
        self._places = array("Q", [0])
        self._wanted = array("Q")
        self._filtered_to = 0

    @property
    def is_filtered(self) -> bool:
        """Whether lines are left out."""
        return self.filter != Filter()

    @property
    def shown(self) -> int:
        """How many lines there are to show."""
        return len(self._wanted) if self.is_filtered else self.lines

    @property
    def is_complete(self) -> bool:
        """Whether all of the file has been looked at."""
        return self.scanned >= self.size and (not self.is_filtered or self._filtered_to >= self.lines)

    def set_filter(self, wanted: Filter) -> None:
        """Show other lines; they are looked for from the start."""
        if wanted != self.filter:
            self.filter = wanted
            self._wanted, self._filtered_to = array("Q"), 0

    def grow(self, limit_bytes: int = 8 * PIECE_BYTES) -> None:
        """Look at what has been added, at most `limit_bytes` of it, and filter as much again."""
        try:
            with self.path.open("rb") as file:
                self._check(os.fstat(file.fileno()))
                self._index(file.fileno(), limit_bytes)
            self._apply_filter(limit_bytes)
        except FileNotFoundError:
            self.problem = "it has been deleted" if self._identity else "it is not there yet"
            self._identity = self._identity and GONE  # a new file may get the old one's number
        except OSError as error:
            self.problem = f"it cannot be read: {error.strerror}"

    def _check(self, stat: os.stat_result) -> None:
        identity = (stat.st_dev, stat.st_ino)
        if self._identity is not None and (identity != self._identity or stat.st_size < self.scanned):
            self._begin()
        self._identity, self.size, self.problem = identity, stat.st_size, ""

    def _index(self, handle: int, limit_bytes: int) -> None:
        import numpy as np

        end = min(self.size, self.scanned + limit_bytes)
        while self.scanned < end:
            piece = os.pread(handle, min(PIECE_BYTES, end - self.scanned), self.scanned)
            if not piece:
                return
            ends = np.flatnonzero(np.frombuffer(piece, dtype=np.uint8) == 10)
            first = (STRIDE - 1 - self.lines) % STRIDE  # of these ends, the one before a kept line
            kept = ends[first::STRIDE].astype(np.uint64) + np.uint64(self.scanned + 1)
            self._places.frombytes(kept.tobytes())
            self.lines += len(ends)
            self.scanned += len(piece)

    def _apply_filter(self, limit_bytes: int) -> None:
        if not self.is_filtered:
            return
        seen = 0
        while self._filtered_to < self.lines and seen < limit_bytes:
            block = self._block(self._filtered_to // STRIDE)
            start = self._filtered_to // STRIDE * STRIDE
            for number, line in enumerate(block, start):
                seen += len(line) + 1
                if number >= self._filtered_to and self.filter.wants(line):
                    self._wanted.append(number)
            self._filtered_to = min(start + STRIDE, self.lines)
            if not block:
                return

    def window(self, first: int, count: int) -> list[tuple[int, bytes]]:
        """Shown lines `first` to `first + count`, with their numbers in the file, counted from 0."""
        last = min(self.shown, first + count)
        numbers = self._wanted[first:last] if self.is_filtered else range(max(0, first), last)
        blocks: dict[int, list[bytes]] = {}
        found = []
        for number in numbers:
            block = blocks.setdefault(number // STRIDE, [])
            if not block:
                block += self._block(number // STRIDE) or [b""] * STRIDE
            place = number % STRIDE
            found.append((number, block[place] if place < len(block) else b""))
        return found

    def find(self, text: str, start: int, step: int) -> int | None:
        """The next shown line that holds `text`, from `start` on in direction `step`, once around.

        Returns:
            Its place among the shown lines, or None.
        """
        wanted = text.lower().encode()
        for chunk in self._chunks(start, step):
            for place, line in chunk:
                if wanted in line.lower():
                    return place
        return None

    def _chunks(self, start: int, step: int) -> Iterator[list[tuple[int, bytes]]]:
        total, size = self.shown, 64 * STRIDE
        if not total:
            return
        done = 0
        place = start % total
        while done < total:
            if step > 0:
                lines = self.window(place, min(size, total - done))
                chunk = [(place + offset, line) for offset, (_, line) in enumerate(lines)]
                place = (place + len(lines)) % total
            else:
                first = max(0, place - size + 1)
                lines = self.window(first, place - first + 1)
                chunk = [(first + offset, line) for offset, (_, line) in enumerate(lines)][::-1]
                place = (first - 1) % total
            if not chunk:
                return
            done += len(chunk)
            yield chunk

    def _block(self, block: int) -> list[bytes]:
        """The lines of one stride; long ones are cut."""
        if block >= len(self._places):
            return []
        start = self._places[block]
        end = self._places[block + 1] if block + 1 < len(self._places) else self.scanned
        try:
            with self.path.open("rb") as file:
                data = os.pread(file.fileno(), min(end - start, PIECE_BYTES), start)
        except OSError:
            return []
        return [line[:LINE_CHARACTERS] for line in data.split(b"\n")][:STRIDE]


def list_logs(outputs: Path) -> list[Path]:
    """Logs of an outputs folder that belong to no job: of the pipeline, the server, the runs."""
    try:
        entries = sorted(outputs.iterdir(), key=lambda entry: entry.name, reverse=True)
    except OSError:
        return []
    found = [entry for entry in entries if entry.suffix in (".log", ".jsonl") and entry.is_file()]
    for folder in entries:
        if "_lora_" in folder.name:
            found += [folder / name for name in ("train.log", "events.jsonl") if (folder / name).is_file()]
    return sorted(found, key=_changed, reverse=True)


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
