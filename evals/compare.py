"""Two evaluations side by side, case by case: base and tuned, f16 and Q4_K_M, new and production.

A pair is comparable when both were asked the same prompt under the same id and both answers could be scored.
What is not comparable is counted and named, never dropped in silence.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

from evals.scores import exact_score
from evals.statistics import mcnemar
from web4mlx.errors import UsageError
from web4mlx.reports import CaseReport, HarnessReport, Measure, Record, Subject, Verdict

SIGNIFICANT = 0.05
Change = Literal["worse", "better", "no difference shown"]


class CaseChange(Record):
    """A case that one of the two passed; the reasons are those of the one that did not."""

    harness: str
    id: str
    category: str
    prompt: str
    before: Verdict
    after: Verdict
    reasons: tuple[str, ...]


class PairedCounts(Record):
    """The comparable pairs of a harness or of all; `p_value` is McNemar's, mid-p, two-sided."""

    pairs: int
    both_passed: int
    regressed: int
    fixed: int
    neither_passed: int
    p_value: float
    change: Change


class HarnessComparison(Record):
    """One harness; the scores are its measure over the comparable pairs alone."""

    test_name: str
    title: str
    measure: Measure
    score_a: float
    score_b: float
    counts: PairedCounts
    not_comparable: dict[str, int]


class Comparison(Record):
    """What changed from `a` to `b`; regressions stand before what was fixed."""

    a: Subject
    b: Subject
    overall: PairedCounts
    harnesses: tuple[HarnessComparison, ...]
    only_in_a: tuple[str, ...]
    only_in_b: tuple[str, ...]
    regressions: tuple[CaseChange, ...]
    fixed: tuple[CaseChange, ...]


Pair = tuple[CaseReport, CaseReport]


def compare_reports(a: Sequence[HarnessReport], b: Sequence[HarnessReport]) -> Comparison:
    """Compare two evaluations on the cases that both have.

    Raises:
        UsageError: One is empty, they were scored by different versions of the suite, or share no harness.
    """
    require_same_suite(a, b)
    of_b = {report.test_name: report for report in b}
    shared = [(report, of_b[report.test_name]) for report in a if report.test_name in of_b]
    if not shared:
        raise UsageError("the two evaluations have no harness in common")
    pairs = {first.test_name: comparable_pairs(first, second) for first, second in shared}
    changes = [change for name, some in pairs.items() for change in _changes(name, some)]
    return Comparison(
        a=a[0].subject,
        b=b[0].subject,
        overall=count_pairs(pair for some in pairs.values() for pair in some),
        harnesses=tuple(_compare(first, second, pairs[first.test_name]) for first, second in shared),
        only_in_a=tuple(report.test_name for report in a if report.test_name not in of_b),
        only_in_b=tuple(name for name in of_b if name not in pairs),
        regressions=tuple(change for change in changes if change.before == "passed"),
        fixed=tuple(change for change in changes if change.after == "passed"),
    )


def require_same_suite(a: Sequence[HarnessReport], b: Sequence[HarnessReport]) -> None:
    """Refuse what different checkers have judged.

    Raises:
        UsageError: One evaluation is empty, or the versions of the suite differ.
    """
    if not a or not b:
        raise UsageError("an evaluation without a report cannot be compared")
    versions = {report.subject.suite_version for report in (*a, *b)}
    if len(versions) > 1:
        raise UsageError(
            f"scored by different versions of the suite: {', '.join(sorted(versions))}",
            "Score both again with this one: `evals score RUN`; it takes seconds and no model.",
        )


def comparable_pairs(a: HarnessReport, b: HarnessReport) -> list[Pair]:
    """The cases that both were asked alike and that could be scored in both, in the order of `a`."""
    of_b = {case.id: case for case in b.cases}
    common = [(case, of_b[case.id]) for case in a.cases if case.id in of_b]
    return [pair for pair in common if pair[0].prompt == pair[1].prompt and "errored" not in _verdicts(pair)]


def _verdicts(pair: Pair) -> tuple[Verdict, Verdict]:
    return pair[0].verdict, pair[1].verdict


def _left_out(a: HarnessReport, b: HarnessReport) -> dict[str, int]:
    of_a, of_b = ({case.id: case for case in report.cases} for report in (a, b))
    common = [(of_a[id], of_b[id]) for id in of_a.keys() & of_b.keys()]
    reasons = {
        "only in a": len(of_a.keys() - of_b.keys()),
        "only in b": len(of_b.keys() - of_a.keys()),
        "another prompt": sum(x.prompt != y.prompt for x, y in common),
        "errored": sum(x.prompt == y.prompt and "errored" in _verdicts((x, y)) for x, y in common),
    }
    return {reason: number for reason, number in reasons.items() if number}


def count_pairs(pairs: Iterable[Pair]) -> PairedCounts:
    """Count pairs by who passed, and judge whether the difference can be chance."""
    passed = [(first.verdict == "passed", second.verdict == "passed") for first, second in pairs]
    regressed, fixed = passed.count((True, False)), passed.count((False, True))
    p_value = mcnemar(regressed, fixed)
    change: Change = "no difference shown"
    if p_value < SIGNIFICANT:
        change = "worse" if regressed > fixed else "better"
    return PairedCounts(
        pairs=len(passed),
        both_passed=passed.count((True, True)),
        regressed=regressed,
        fixed=fixed,
        neither_passed=passed.count((False, False)),
        p_value=p_value,
        change=change,
    )


def _compare(a: HarnessReport, b: HarnessReport, pairs: Sequence[Pair]) -> HarnessComparison:
    return HarnessComparison(
        test_name=a.test_name,
        title=a.title,
        measure=a.measure,
        score_a=float(exact_score(a.measure, [first for first, _ in pairs])),
        score_b=float(exact_score(a.measure, [second for _, second in pairs])),
        counts=count_pairs(pairs),
        not_comparable=_left_out(a, b),
    )


def _changes(harness: str, pairs: Sequence[Pair]) -> list[CaseChange]:
    return [
        CaseChange(
            harness=harness,
            id=first.id,
            category=first.category,
            prompt=first.prompt,
            before=first.verdict,
            after=second.verdict,
            reasons=(second if first.verdict == "passed" else first).reasons,
        )
        for first, second in pairs
        if (first.verdict == "passed") != (second.verdict == "passed")
    ]
