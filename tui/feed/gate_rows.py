"""One line of the gates screen: a harness of a run, as its report says or as far as its answers go."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from evals.harnesses import load_harness
from evals.harnesses.base import Harness
from evals.scores import exact, exact_score, scored_cases, summarise
from evals.statistics import wilson_interval
from web4mlx.reports import BaselineMetrics, CaseReport, GateType, HarnessReport, Measure

RowState = Literal[
    "passed", "failed", "errored", "inconclusive", "running", "waiting", "answered",
    "unfinished", "unasked",
]  # fmt: skip


@dataclass(frozen=True)
class GateRow:
    """One harness. `asked` is the number of cases of this run, `planned` that of the complete harness.

    Scores and thresholds are shares from 0 to 1. `score` is None before the first answer; `base_score` is
    the base model's on `base_cases` cases. `state` is the gate's verdict, or how far it is without one.
    `failures` counts cases by reason; `holds` says whether the answers so far reach the threshold.
    """

    name: str
    title: str
    gate_type: GateType
    measure: Measure
    threshold: float
    planned: int
    asked: int
    done: int
    state: RowState
    score: float | None = None
    interval: tuple[float, float] = (0.0, 1.0)
    passed: int = 0
    errored: int = 0
    base_score: float | None = None
    base_cases: int = 0
    reasons: tuple[str, ...] = ()
    failures: Mapping[str, int] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)
    cases: tuple[CaseReport, ...] = ()
    eta_s: float | None = None
    holds: bool = False

    @property
    def failed(self) -> int:
        """Cases that did not pass and were scored."""
        return len(scored_cases(self.cases)) - self.passed


def reported_row(report: HarnessReport, baseline: BaselineMetrics | None) -> GateRow:
    """The row of a written report."""
    base_score, base_cases = _base(report.test_name, baseline)
    return GateRow(
        name=report.test_name, title=report.title, gate_type=report.gate_type, measure=report.measure,
        threshold=report.threshold, planned=report.planned, asked=report.total,
        done=report.total - report.errored, state=report.gate, score=report.score, interval=report.interval,
        passed=report.passed, errored=report.errored, base_score=base_score, base_cases=base_cases,
        reasons=report.gate_reasons, failures=summarise(report.cases), figures=report.figures,
        cases=report.cases, holds=report.gate == "passed",
    )  # fmt: skip


def live_row(
    name: str,
    ids: tuple[str, ...],
    cases: Sequence[CaseReport],
    baseline: BaselineMetrics | None,
    state: RowState,
    eta_s: float | None = None,
) -> GateRow:
    """The row of a harness whose answers are still arriving, or never all did."""
    harness: Harness = load_harness(name)
    scored = scored_cases(cases)
    passed = sum(case.verdict == "passed" for case in scored)
    base_score, base_cases = _base(name, baseline)
    return GateRow(
        name=name, title=harness.title, gate_type=harness.gate_type, measure=harness.measure,
        threshold=harness.threshold, planned=harness.planned, asked=len(ids), done=len(cases), state=state,
        score=float(exact_score(harness.measure, cases)) if scored else None,
        interval=wilson_interval(passed, len(scored)), passed=passed, errored=len(cases) - len(scored),
        base_score=base_score, base_cases=base_cases, failures=summarise(cases), cases=tuple(cases),
        eta_s=eta_s, holds=exact_score(harness.measure, cases) >= exact(harness.threshold),
    )  # fmt: skip


def _base(name: str, baseline: BaselineMetrics | None) -> tuple[float | None, int]:
    if baseline is None:
        return None, 0
    return baseline.scores.get(name), baseline.cases.get(name, 0)
