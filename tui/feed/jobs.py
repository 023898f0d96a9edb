"""The jobs as a whole: what runs, what waits, what has just ended. Moves the queue on."""

from dataclasses import dataclass
from pathlib import Path

from tui.jobs.record import ENDED, JOBS, Job, read_job
from tui.jobs.start import collect_ended, start_next, what_is_busy
from tui.widgets.problem import last_lines

SHOWN = 200


@dataclass(frozen=True)
class Ending:
    """A job that ended since the last reading, with the last lines of its log."""

    job: Job
    lines: tuple[str, ...]


@dataclass(frozen=True)
class JobsReadings:
    """`jobs` are the newest ones, newest first; `endings` happened since the last reading.

    `elsewhere` says what another terminal runs, while no job of these works; empty when nothing.
    """

    jobs: tuple[Job, ...]
    endings: tuple[Ending, ...]
    elsewhere: str = ""


class JobsFeed:
    """Follows the jobs of an outputs folder and starts the next of the queue.

    Args:
        outputs: The outputs folder.
        moves_queue: Whether to start what waits; a recording does not.
    """

    def __init__(self, outputs: Path, *, moves_queue: bool = True) -> None:
        self.outputs, self.moves_queue = outputs, moves_queue
        self._ended: dict[str, Job] = {}
        self._alive: set[str] = set()

    def read(self) -> JobsReadings:
        """Read all jobs; those that have ended are read once."""
        collect_ended()
        if self.moves_queue:
            start_next(self.outputs)
        jobs = []
        for name in self._names():
            job = self._ended.get(name) or read_job(self.outputs / JOBS / name)
            if job is None:
                continue
            jobs.append(job)
            if job.state in ENDED:
                self._ended[name] = job
        endings = tuple(
            Ending(job, last_lines(job.log) if job.state != "done" else ())
            for job in jobs
            if job.state in ENDED and job.order.id in self._alive
        )
        self._alive = {job.order.id for job in jobs if job.state not in ENDED}
        is_busy = not self.moves_queue or any(job.is_alive for job in jobs)
        return JobsReadings(tuple(jobs), endings, "" if is_busy else what_is_busy(self.outputs))

    def _names(self) -> list[str]:
        try:
            entries = [entry.name for entry in (self.outputs / JOBS).iterdir() if entry.name[0] != "."]
        except OSError:
            return []
        return sorted(entries, reverse=True)[:SHOWN]
