"""What a job printed: the JSON of `--json`, the error and hint at its end, its newest lines.

A job's output and errors go into one file, unbuffered, so a JSON result stands there in one piece.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tui.jobs.record import Job

TAIL_BYTES = 1 << 20
ERROR, HINT = "error: ", "hint: "


@dataclass(frozen=True)
class Output:
    """The end of a job's output: `lines` without empty ones, newest last; `problem` why there is none."""

    text: str = ""
    problem: str = ""

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines that say something; of one that redrew itself, the last state."""
        found = (line.rpartition("\r")[2].replace("\x1b[K", "").rstrip() for line in self.text.split("\n"))
        return tuple(line for line in found if line)

    def result(self) -> Any:
        """The last JSON object or list that was printed; None when there is none that is whole."""
        lines = self.text.split("\n")
        for opening, closing in (("{", "}"), ("[", "]")):
            for first in (number for number in reversed(range(len(lines))) if lines[number] == opening):
                last = next((n for n in range(first + 1, len(lines)) if lines[n] == closing), None)
                if last is None:
                    continue
                try:
                    return json.loads("\n".join(lines[first : last + 1]))
                except ValueError:
                    continue
        return None

    def error(self) -> tuple[str, str]:
        """The error and the hint that the command ended with; empty texts without one."""
        _, found, rest = ("\n" + self.text).rpartition("\n" + ERROR)
        if not found:
            return "", ""
        message, _, hint = rest.partition("\n" + HINT)
        return message.strip(), hint.partition("\n")[0].strip()


def read_output(log: Path, limit: int = TAIL_BYTES) -> Output:
    """The end of a job's log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - limit))
            return Output(file.read(limit).decode("utf-8", "replace"))
    except OSError as error:
        return Output(problem=f"{log.name}: {error.strerror}")


def newest(jobs: Iterable[Job], kind: str, fits: Callable[[Job], bool] = lambda job: True) -> Job | None:
    """The newest job of a kind that has begun; jobs are given newest first."""
    begun = (job for job in jobs if job.state not in ("queued", "held"))
    return next((job for job in begun if job.order.kind == kind and fits(job)), None)


def alive(jobs: Iterable[Job], kind: str, fits: Callable[[Job], bool] = lambda job: True) -> Job | None:
    """A job of a kind that runs now."""
    return next((job for job in jobs if job.is_alive and job.order.kind == kind and fits(job)), None)
