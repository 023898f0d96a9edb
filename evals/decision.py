"""The decision about one model: cleared for deployment, or blocked and why.

Cleared = all ship gates passed, overall at least 90 %, 20 of 20 canaries, no prompt in the training data,
and all of that complete and of one model. A quality gate may fail, but not go unanswered.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from evals.gates import Origin, harness_report
from evals.harnesses.base import Harness
from evals.scores import count, exact, exact_score, percent, summarise
from web4mlx.reports import BaselineMetrics, FinalReport, HarnessReport, HarnessSummary

TARGET = 0.90
CANARIES = 20
CLEARED = "CLEARED FOR DEPLOYMENT"
BLOCKED = "DEPLOYMENT BLOCKED"
NO_LEAK_CHECK = "the leak check did not run"
SHOWN_REASONS = 4


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a decision rests on.

    Args:
        suite: All harnesses; one without a report blocks.
        reports: Of the harnesses that ran.
        canaries: None when they were not asked, which blocks.
        leaked_prompts: Prompts that stand in a training file; None when nobody looked, which blocks.
        baseline: The base model's scores, shown beside; they decide nothing.
    """

    suite: Sequence[Harness]
    reports: Sequence[HarnessReport]
    canaries: HarnessReport | None
    leaked_prompts: Sequence[str] | None
    baseline: BaselineMetrics | None = None


def final_report(origin: Origin, evidence: Evidence, target: float = TARGET) -> FinalReport:
    """Decide about the model of a run."""
    overall = overall_score(evidence.reports)
    canaries = evidence.canaries
    reasons = blocking_reasons(origin, evidence, overall, target)
    return FinalReport(
        timestamp=origin.timestamp,
        run=origin.run,
        subject=origin.subject,
        harnesses=tuple(summary_of(report, evidence.baseline) for report in evidence.reports),
        overall_score=float(overall),
        target=target,
        ship_gates_passed=not _ship_reasons(evidence),
        canaries_passed=canaries.passed if canaries else 0,
        canaries_total=canaries.total if canaries else 0,
        leaked_prompts=tuple(evidence.leaked_prompts or ()),
        cleared=not reasons,
        decision=f"{BLOCKED}: {first_of(reasons)}" if reasons else CLEARED,
        reasons=tuple(reasons),
    )


def overall_score(reports: Sequence[HarnessReport]) -> Fraction:
    """Mean of the harnesses' scores, counted again from their cases; 0 without any."""
    scores = [exact_score(report.measure, report.cases) for report in reports]
    return sum(scores, Fraction(0)) / len(scores) if scores else Fraction(0)


def blocking_reasons(origin: Origin, evidence: Evidence, overall: Fraction, target: float) -> list[str]:
    """All that stands against shipping, the gravest first; empty when the model is cleared."""
    reasons = _ship_reasons(evidence) + _suite_reasons(evidence)
    if overall < exact(target):
        reasons.append(f"overall {percent(overall)} is below {percent(target)}")
    reasons += _canary_reasons(evidence.canaries)
    if evidence.leaked_prompts is None:
        reasons.append(NO_LEAK_CHECK)
    elif leaked := len(evidence.leaked_prompts):
        reasons.append(f"{count(leaked, 'prompt')} found in the training data")
    return reasons + _contradictions(origin, evidence)


def _ship_reasons(evidence: Evidence) -> list[str]:
    names = [harness.name for harness in evidence.suite if harness.gate_type == "ship"]
    ship = [report for report in evidence.reports if report.test_name in names]
    ran = {report.test_name for report in ship}
    reasons = [f"{name} was not run" for name in names if name not in ran]
    reasons += [gate_line(report) for report in ship if report.gate != "passed"]
    return reasons if names else ["the suite has no ship gate"]


def gate_line(report: HarnessReport | HarnessSummary) -> str:
    """`pdca_schema failed: 90 % is below 95 %`."""
    return f"{report.test_name} {report.gate}: {'; '.join(report.gate_reasons) or 'no reason given'}"


def _suite_reasons(evidence: Evidence) -> list[str]:
    counts = Counter(report.test_name for report in evidence.reports)
    others = [harness.name for harness in evidence.suite if harness.gate_type != "ship"]
    reasons = [f"{name} was not run" for name in others if not counts[name]]
    reasons += [f"{name} was counted {number} times" for name, number in counts.items() if number > 1]
    return reasons + [
        gate_line(report)
        for report in evidence.reports
        if report.gate_type != "ship" and report.gate not in ("passed", "failed")
    ]


def _canary_reasons(canaries: HarnessReport | None) -> list[str]:
    if canaries is None:
        return ["the canaries were not asked"]
    passed = len({case.id for case in canaries.cases if case.verdict == "passed"})
    if passed == len(canaries.cases) == CANARIES and canaries.gate == "passed":
        return []
    if canaries.gate in ("errored", "inconclusive"):
        return [gate_line(canaries)]
    return [f"{passed} of {CANARIES} canaries passed"]


def _contradictions(origin: Origin, evidence: Evidence) -> list[str]:
    """Reports of something else than this run, and reports that do not follow from their own cases."""
    suite = {harness.name: harness for harness in evidence.suite}
    reasons = [] if origin.subject.model_sha256 else ["the engine cannot say which bytes it serves"]
    for report in [*evidence.reports, *([evidence.canaries] if evidence.canaries else [])]:
        harness = suite.get(report.test_name)
        if report.subject != origin.subject or report.run != origin.run:
            reasons.append(f"{report.test_name} is of another model, suite or run")
        elif harness is None and report.gate_type != "canary":
            reasons.append(f"{report.test_name} is no harness of this suite")
        elif harness and report != harness_report(harness, report.cases, _origin_of(report)):
            reasons.append(f"{report.test_name} does not follow from its cases")
    return reasons


def _origin_of(report: HarnessReport) -> Origin:
    return Origin(report.run, report.subject, report.timestamp)


def summary_of(report: HarnessReport, baseline: BaselineMetrics | None) -> HarnessSummary:
    """One line of the final report; the base model's score stands in it when the suite was the same."""
    shared = HarnessSummary.model_fields.keys() & HarnessReport.model_fields.keys()
    base = baseline if baseline and is_same_suite(report, baseline) else None
    return HarnessSummary(
        **{name: getattr(report, name) for name in shared},
        base_score=base.scores.get(report.test_name) if base else None,
        base_cases=base.cases.get(report.test_name, 0) if base else 0,
        failures=summarise(report.cases),
    )


def is_same_suite(report: HarnessReport, baseline: BaselineMetrics) -> bool:
    """Whether the base model was asked the questions of this suite version."""
    return report.subject.suite_version == baseline.subject.suite_version


@dataclass(frozen=True, slots=True)
class Condition:
    """What a decision rests on beside the gates, for display."""

    is_met: bool
    text: str


def conditions(report: FinalReport) -> tuple[Condition, ...]:
    """Overall score, canaries and leak check of a decision."""
    is_overall = report.overall_score >= report.target
    all_canaries = report.canaries_passed == report.canaries_total == CANARIES
    leaks = count(len(report.leaked_prompts), "prompt") + " found in the training data"
    checked = NO_LEAK_CHECK not in report.reasons
    return (
        Condition(
            is_overall, f"overall {percent(report.overall_score)} of at least {percent(report.target)}"
        ),
        Condition(all_canaries, f"{report.canaries_passed} of {CANARIES} canaries passed"),
        Condition(checked and not report.leaked_prompts, leaks if checked else NO_LEAK_CHECK),
    )


def first_of(reasons: Sequence[str], shown: int = SHOWN_REASONS) -> str:
    """The first reasons in one line, and how many more there are."""
    rest = len(reasons) - shown
    return "; ".join(reasons[:shown]) + (f"; and {rest} more" if rest > 0 else "")
