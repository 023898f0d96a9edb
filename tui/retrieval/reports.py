"""The newest check and build of a store: those of the pipeline, and those that were started here as jobs."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tui.feed.job_output import newest, read_output
from tui.jobs.record import Job
from web4mlx.rag.findings import CheckReport
from web4mlx.rag.settings import Expectation, RagSettings
from web4mlx.store_stages import CHECK

Parse = Callable[[Any], CheckReport]


@dataclass(frozen=True)
class Checked:
    """A check: its report, when it was written, and what is wrong with the file, if it cannot be read."""

    report: CheckReport | None = None
    when: float = 0.0
    problem: str = ""

    def is_of(self, generation: Path) -> bool:
        """Whether it is of this generation of the store; a later build or marking makes another one."""
        return self.report is not None and Path(self.report.store).name == generation.name


class CheckFeed:
    """Finds the newest check.

    Args:
        outputs: The outputs folder; the pipeline keeps its check there.
    """

    def __init__(self, outputs: Path) -> None:
        self.record = outputs / CHECK
        self._known: dict[tuple[Path, int, int], Checked] = {}

    def read(self, jobs: Iterable[Job]) -> Checked:
        """The newest check that has a report; an empty one without any."""
        found = [self._read(self.record, lambda path: CheckReport.model_validate_json(path.read_bytes()))]
        job = newest(jobs, "rag check", lambda job: not job.is_alive and job.code in (0, 1))
        if job is not None:
            found.append(self._read(job.log, of_job))
        return max(found, key=lambda one: one.when)

    def _read(self, path: Path, parse: Callable[[Path], CheckReport | None]) -> Checked:
        try:
            stat = path.stat()
        except OSError:
            return Checked()
        key = (path, stat.st_mtime_ns, stat.st_size)
        if key not in self._known:
            try:
                report = parse(path)
                known = Checked(report, stat.st_mtime if report else 0.0)
            except (OSError, ValidationError) as error:
                known = Checked(None, stat.st_mtime, f"{path.name} cannot be read: {first_line(error)}")
            self._known = {key: known} | {
                other: one for other, one in self._known.items() if other[0] != path
            }
        return self._known[key]


def of_job(log: Path) -> CheckReport | None:
    """The report that a job printed with `--json`; None when it printed none."""
    result = read_output(log).result()
    return CheckReport.model_validate(result) if isinstance(result, dict) else None


def first_line(error: Exception) -> str:
    """What an error says, in one line."""
    if isinstance(error, ValidationError):
        return f"{error.errors()[0]['msg']} ({error.error_count()} problems)"
    return str(error).partition("\n")[0]


def expectations(settings: RagSettings, scale: str, named: str = "") -> tuple[str, dict[str, Expectation]]:
    """The expectations for a store: by name, or of the sample it was made from, or of the team.

    Args:
        settings: The store's configuration.
        scale: The sample that the store was made from; empty for none.
        named: The name that a check used; `none` compares with nothing.
    """
    name = named or (scale if scale in settings.expect else "team")
    return (name, settings.expect[name]) if name in settings.expect else ("none", {})
