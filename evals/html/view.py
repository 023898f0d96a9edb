"""What the page shows, worked out from the reports: no markup here, no arithmetic in the template."""

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from evals.console import span, uplift
from evals.decision import Condition, conditions, summary_of
from evals.scores import count, failure_reasons, percent, summarise
from web4mlx.reports import CaseReport, FinalReport, HarnessReport, HarnessSummary, Verdict

SHOWN_CHARACTERS = 12_000
# not the emoji of the console: a page cannot bring a font, and these stand in every one
MARKS: dict[Verdict, str] = {"passed": "✓", "failed": "✗", "errored": "!", "inconclusive": "?"}
OUTCOMES = ("refused", "complied", "unclear")


@dataclass(frozen=True, slots=True)
class Bar:
    """A score between 0 and 100 with its interval, threshold and the base model's score, in percent."""

    score: float
    low: float
    high: float
    threshold: float
    base: float | None


@dataclass(frozen=True, slots=True)
class GateRow:
    """One line of the overview."""

    name: str
    title: str
    gate_type: str
    measure: str
    verdict: Verdict
    mark: str
    score: str
    threshold: str
    interval: str
    base: str
    uplift: str
    bar: Bar
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FailedCase:
    """One case that did not pass."""

    case: CaseReport
    response: str
    effort: str


@dataclass(frozen=True, slots=True)
class ReasonGroup:
    """The cases that failed first of all for one reason; `total` counts all that have it."""

    reason: str
    total: int
    cases: tuple[FailedCase, ...]


@dataclass(frozen=True, slots=True)
class CategoryLine:
    """How many cases of a category passed."""

    name: str
    passed: int
    total: int


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """One class of a refusal harness: how many answers did what."""

    wanted: str
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class HarnessDetail:
    """All about one harness."""

    report: HarnessReport
    row: GateRow
    summary: str
    categories: tuple[CategoryLine, ...]
    figures: tuple[tuple[str, str], ...]
    matrix: tuple[MatrixRow, ...]
    groups: tuple[ReasonGroup, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """The whole page."""

    final: FinalReport
    model: str
    rows: tuple[GateRow, ...]
    conditions: tuple[Condition, ...]
    details: tuple[HarnessDetail, ...]
    options: tuple[tuple[str, str], ...]
    engine: tuple[tuple[str, str], ...]
    commands: tuple[str, ...]


def build_page(final: FinalReport, reports: Sequence[HarnessReport]) -> Page:
    """Work out the page: the decision, a row for each gate, details for each report (canaries as well)."""
    rows = {summary.test_name: gate_row(summary) for summary in final.harnesses}
    others = {report.test_name: gate_row(summary_of(report, None)) for report in reports}
    return Page(
        final=final,
        model=PurePath(final.subject.model).name,
        rows=tuple(rows.values()),
        conditions=conditions(final),
        details=tuple(_detail(report, (others | rows)[report.test_name]) for report in reports),
        options=_plain(final.subject.options),
        engine=_plain(final.subject.engine),
        commands=_commands(final),
    )


def gate_row(summary: HarnessSummary) -> GateRow:
    """One line of the overview."""
    base = summary.base_score
    low, high = summary.interval
    return GateRow(
        name=summary.test_name,
        title=summary.title,
        gate_type=summary.gate_type,
        measure="F1" if summary.measure == "f1" else "pass rate",
        verdict=summary.gate,
        mark=MARKS[summary.gate],
        score=percent(summary.score),
        threshold=percent(summary.threshold),
        interval=f"{span(summary.interval)} %",
        base="–" if base is None else f"{percent(base)} of {count(summary.base_cases, 'case')}",
        uplift=uplift(summary),
        bar=Bar(
            100 * summary.score,
            100 * low,
            100 * high,
            100 * summary.threshold,
            None if base is None else 100 * base,
        ),
        reasons=summary.gate_reasons,
    )


def _detail(report: HarnessReport, row: GateRow) -> HarnessDetail:
    tokens = sum(case.completion_tokens for case in report.cases)
    seconds = sum(case.total_s for case in report.cases)
    counts = f"{report.passed} passed, {report.failed} failed, {report.errored} errored"
    return HarnessDetail(
        report=report,
        row=row,
        summary=f"{counts} of {report.planned} planned; {tokens:,} tokens in {seconds:,.0f} s of answering",
        categories=_categories(report.cases),
        figures=tuple((name.replace("_", " "), _number(value)) for name, value in report.figures.items()),
        matrix=refusal_matrix(report.cases) if report.measure == "f1" else (),
        groups=_groups(report.cases),
    )


def _number(value: float) -> str:
    return f"{value:.0f}" if value == int(value) and value > 1 else f"{value:.3f}"


def _categories(cases: Sequence[CaseReport]) -> tuple[CategoryLine, ...]:
    totals = Counter(case.category for case in cases)
    passed = Counter(case.category for case in cases if case.verdict == "passed")
    return tuple(CategoryLine(name, passed[name], total) for name, total in totals.items())


def refusal_matrix(cases: Sequence[CaseReport]) -> tuple[MatrixRow, ...]:
    """What was wanted against what was done, without the errored cases."""
    counts = Counter(
        (bool(case.figures.get("should_refuse")), _done(case)) for case in cases if case.verdict != "errored"
    )
    return tuple(
        MatrixRow(wanted, tuple(counts[is_refusal, done] for done in OUTCOMES))
        for wanted, is_refusal in (("should refuse", True), ("should comply", False))
    )


def _done(case: CaseReport) -> str:
    if case.figures.get("unclear") or case.verdict == "inconclusive":
        return "unclear"
    return "refused" if case.figures.get("refused") else "complied"


def _groups(cases: Sequence[CaseReport]) -> tuple[ReasonGroup, ...]:
    """Cases that did not pass, each once, under the most frequent of its reasons."""
    totals = summarise(cases)
    by_reason: dict[str, list[FailedCase]] = {reason: [] for reason in totals}
    for case in cases:
        if reasons := failure_reasons(case):
            by_reason[max(reasons, key=lambda reason: totals[reason])].append(_failed(case))
    return tuple(
        ReasonGroup(reason, totals[reason], tuple(some)) for reason, some in by_reason.items() if some
    )


def _failed(case: CaseReport) -> FailedCase:
    rest = len(case.response) - SHOWN_CHARACTERS
    cut = f"\n\n(cut: {count(rest, 'more character')})" if rest > 0 else ""
    ended = f", ended by {case.finish_reason}" if case.finish_reason else ""
    effort = f"{count(case.completion_tokens, 'token')} in {case.total_s:.1f} s{ended}"
    return FailedCase(case, case.response[:SHOWN_CHARACTERS] + cut, effort)


def _plain(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(value)) for name, value in values.items() if value not in (None, "", [], {}))


def _commands(final: FinalReport) -> tuple[str, ...]:
    """What makes this report again: from the stored answers, and from the model."""
    return (
        f"evals score OUTPUTS/{shlex.quote(final.run)}",
        f"evals run --model {shlex.quote(final.subject.model)} --seed {final.subject.seed}",
    )
