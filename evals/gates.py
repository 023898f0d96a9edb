"""From scored cases to the verdict of one gate.

Everything fails closed: what was not asked, not scored or is not a number is never a pass. Nothing is read
or written here, and the same cases give the same report.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite

from evals.harnesses.base import Harness
from evals.scores import count, exact, exact_score, percent, scored_cases, share_of
from evals.statistics import wilson_interval
from web4mlx.reports import CaseReport, HarnessReport, Subject, Verdict


@dataclass(frozen=True, slots=True)
class Origin:
    """Where results come from: the run folder, what was evaluated, and when (UTC, ISO 8601)."""

    run: str
    subject: Subject
    timestamp: str


def harness_report(harness: Harness, cases: Sequence[CaseReport], origin: Origin) -> HarnessReport:
    """Sum up one harness and judge its gate.

    `pass_rate` and `score` are over the cases that could be scored; with an errored one the gate is
    `errored` whatever they are. The figure `stop_rate` decides nothing.
    """
    scored = scored_cases(cases)
    passed = sum(case.verdict == "passed" for case in scored)
    score = exact_score(harness.measure, cases)
    figures = harness.figures(cases) | {"stop_rate": stop_rate(scored)}
    gate, reasons = judge_gate(harness, cases, score, figures)
    return HarnessReport(
        test_name=harness.name,
        title=harness.title,
        timestamp=origin.timestamp,
        run=origin.run,
        subject=origin.subject,
        gate_type=harness.gate_type,
        measure=harness.measure,
        threshold=harness.threshold,
        planned=harness.planned,
        total=len(cases),
        passed=passed,
        failed=len(scored) - passed,
        errored=len(cases) - len(scored),
        pass_rate=float(share_of(passed, len(scored))),
        score=float(score),
        interval=wilson_interval(passed, len(scored)),
        gate=gate,
        gate_reasons=tuple(reasons),
        figures={name: value for name, value in figures.items() if isfinite(value)},
        cases=tuple(cases),
    )


def stop_rate(scored: Sequence[CaseReport]) -> float:
    """Share of the answers that ended by themselves and not at the token cap; 0 without any."""
    return float(share_of(sum(case.finish_reason == "stop" for case in scored), len(scored)))


def judge_gate(
    harness: Harness, cases: Sequence[CaseReport], score: Fraction, figures: Mapping[str, float]
) -> tuple[Verdict, list[str]]:
    """The verdict of a gate and, unless it passed, why not."""
    if errors := _errors(harness, cases, figures):
        return "errored", errors
    if gaps := _gaps(harness, cases):
        return "inconclusive", gaps
    if score >= exact(harness.threshold):
        return "passed", []
    return "failed", [f"{percent(score)} is below {percent(harness.threshold)}"]


def _errors(harness: Harness, cases: Sequence[CaseReport], figures: Mapping[str, float]) -> list[str]:
    errored = len(cases) - len(scored_cases(cases))
    reasons = [f"{count(errored, 'case')} could not be asked or scored"] if errored else []
    if not 0 < harness.threshold <= 1:
        reasons.append(f"the threshold {harness.threshold} is not above 0 and at most 1")
    reasons += [f"{name} is not a number" for name, value in figures.items() if not isfinite(value)]
    if harness.measure == "f1":
        unlabelled = sum(not is_labelled(case) for case in scored_cases(cases))
        reasons += [f"{count(unlabelled, 'case')} without a sound class"] if unlabelled else []
    return reasons


def is_labelled(case: CaseReport) -> bool:
    """Whether a case says what was wanted and done, and a pass agrees with both."""
    wanted, done = case.figures.get("should_refuse"), case.figures.get("refused")
    if not isinstance(wanted, bool) or not isinstance(done, bool):
        return False
    return case.verdict != "passed" or wanted == done


def _gaps(harness: Harness, cases: Sequence[CaseReport]) -> list[str]:
    reasons = []
    if not cases or len(cases) != harness.planned:
        reasons.append(f"{len(cases)} of {harness.planned} cases were asked")
    if repeated := len(cases) - len({case.id for case in cases}):
        reasons.append(f"{count(repeated, 'case')} counted more than once")
    if harness.measure == "f1" and len({case.figures.get("should_refuse") for case in cases}) < 2:
        reasons.append("only one of the two classes was asked")
    return reasons
