"""The smoke report as it stands, and the times of its tests against their budgets."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from web4mlx.smoke.judging import CASES
from web4mlx.smoke.report import SMOKE_REPORT, SmokeCheck, SmokeReport

_MILLISECONDS = re.compile(r"(\d+) ms")


@dataclass(frozen=True)
class SmokeReadings:
    """The report and when it was written, or why there is none; all empty before the first run."""

    report: SmokeReport | None = None
    written: float = 0.0
    problem: str = ""


@dataclass(frozen=True)
class Timing:
    """A measured time and its budget, in milliseconds."""

    name: str
    measured_ms: float
    budget_ms: float


def read_smoke(outputs: Path) -> SmokeReadings:
    """Read the report."""
    path = outputs / SMOKE_REPORT
    try:
        raw, written = path.read_bytes(), path.stat().st_mtime
    except FileNotFoundError:
        return SmokeReadings()
    except OSError as error:
        return SmokeReadings(problem=f"{path.name}: {error.strerror}")
    try:
        return SmokeReadings(SmokeReport.model_validate_json(raw), written)
    except ValidationError as error:
        why = error.errors()[0]["msg"]
        return SmokeReadings(written=written, problem=f"{path.name} cannot be read: {why}")


def progress_of(lines: Iterable[str]) -> dict[str, str]:
    """The verdicts that running smoke tests have printed so far, by name; the next test is `running`."""
    names = [case.name for case in CASES]
    told: dict[str, str] = {}
    for words in (line.split() for line in lines):
        if len(words) > 1 and words[0] in ("passed", "failed", "errored") and words[1] in names:
            told[words[1]] = words[0]
    following = next((name for name in names if name not in told), "")
    return told | ({following: "running"} if following else {})


def timing_of(check: SmokeCheck) -> Timing | None:
    """The time that a check judges; None when it judges something else."""
    measured, budget = _MILLISECONDS.match(check.measured), _MILLISECONDS.search(check.expected)
    if measured is None or budget is None:
        return None
    return Timing(check.name, float(measured[1]), float(budget[1]))
