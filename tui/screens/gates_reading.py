"""What the gates screen wants to be read, and what was read."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui.feed.evaluation import EvaluationReadings
    from tui.feed.evaluations import Published, RunEntry
    from tui.feed.job_result import JobResult
    from tui.widgets.case_browser import Beside


@dataclass(frozen=True)
class Wanted:
    """A command whose result the screen waits for: its kind and arguments, and when it was asked for."""

    kind: str
    arguments: tuple[str, ...]
    since: float


@dataclass
class GatesWish:
    """What is to be read; None as `chosen` is the newest run."""

    chosen: Path | None = None
    compared: Path | None = None
    wanted: Wanted | None = None
    incident: Path | None = None


@dataclass(frozen=True)
class GatesReadings:
    """All of the screen. `is_starting`: an evaluation is a job and has no run folder yet."""

    runs: "tuple[RunEntry, ...]" = ()
    run: "EvaluationReadings | None" = None
    beside: "Beside | None" = None
    published: "Published | None" = None
    incidents: tuple[Path, ...] = ()
    incident: tuple[Path, str] | None = None
    result: "JobResult | None" = None
    is_starting: bool = False
    has_gguf: bool = False
    problems: tuple[str, ...] = ()
