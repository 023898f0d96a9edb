"""The canaries on the console: how many passed, what failed and why, what changed since the base model."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from evals.canaries import compare_canaries
from evals.console import MARKS
from web4mlx.reports import BaselineMetrics, HarnessReport

if TYPE_CHECKING:
    from rich.console import RenderableType


def render_canaries(report: HarnessReport, baseline: BaselineMetrics | None = None) -> "RenderableType":
    """Every canary that did not pass with its reasons, the change since the baseline, and the count.

    Args:
        report: Of the canaries alone.
        baseline: The base model's verdicts; None when they were not recorded.
    """
    from rich.console import Group
    from rich.text import Text

    lines = [
        f"{MARKS[case.verdict]} {case.category}/{case.id}: {'; '.join(case.reasons) or case.verdict}"
        for case in report.cases
        if case.verdict != "passed"
    ]
    lines += _changes(report, baseline)
    errored = f", {report.errored} could not be asked or scored" if report.errored else ""
    told = f"{report.passed} of {report.planned} canaries passed{errored}"
    style = "bold green" if report.gate == "passed" else "bold red"
    return Group(*map(Text, lines), Text(told, style=style))


def _changes(report: HarnessReport, baseline: BaselineMetrics | None) -> list[str]:
    if baseline is None:
        return ["since the base model: not known, no baseline of this suite is recorded"]
    changes = compare_canaries(report, baseline)
    return [
        f"since the base model: {_named('regressed', changes.regressions)}; {_named('fixed', changes.gains)}"
    ]


def _named(word: str, ids: Iterable[str]) -> str:
    names = list(ids)
    return f"{len(names)} {word}" + (f" ({', '.join(names)})" if names else "")
