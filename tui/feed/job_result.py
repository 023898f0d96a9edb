"""What a job printed as JSON: the newest job of a command, and its result."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tui.jobs.record import Job, State

MOST_BYTES = 32 << 20


@dataclass(frozen=True)
class JobResult:
    """The newest job of a command; `printed` is None until it has ended, or when it printed no JSON."""

    id: str
    state: State
    printed: dict[str, Any] | None = None
    error: str = ""


def find_result(
    jobs: Sequence[Job], kind: str, arguments: tuple[str, ...], since: float, known: dict[str, JobResult]
) -> JobResult | None:
    """The newest job of a kind with exactly these arguments.

    Args:
        jobs: Newest first.
        kind: The command's name.
        arguments: What follows its words.
        since: Jobs that were made before are passed over; seconds since the epoch.
        known: Results of ended jobs by id, so that a log is read once.
    """
    for job in jobs:
        if job.order.created < since:
            continue
        if job.order.kind == kind and job.order.command[-len(arguments) :] == arguments:
            if job.state in ("done", "refused"):
                if job.order.id not in known:
                    known[job.order.id] = JobResult(job.order.id, job.state, *_read_json(job))
                return known[job.order.id]
            return JobResult(job.order.id, job.state)
    return None


def _read_json(job: Job) -> tuple[dict[str, Any] | None, str]:
    """The object in a log that also holds notes: it begins with a line `{` and ends with a line `}`."""
    try:
        with job.log.open("rb") as file:
            lines = file.read(MOST_BYTES).decode("utf-8", "replace").split("\n")
        first, last = lines.index("{"), len(lines) - lines[::-1].index("}")
        return json.loads("\n".join(line for line in lines[first:last])), ""
    except (OSError, ValueError) as error:
        return None, f"its log holds no result: {error}"
