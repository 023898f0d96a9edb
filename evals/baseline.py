"""The base model's scores: on which cases they are taken, and the record of them.

A base model rambles up to the token cap, so it is asked a fixed subset of each harness; every report that
shows a base score states on how many cases it rests.
"""

from collections.abc import Callable, Hashable, Sequence

from evals.cases import Case
from evals.scores import scored_cases
from web4mlx.artifacts import sha256_bytes
from web4mlx.errors import UsageError
from web4mlx.reports import BaselineMetrics, HarnessReport

LEAST = 25
CLASS = "should_refuse"


def stratified_subset(cases: Sequence[Case], n: int = LEAST) -> tuple[Case, ...]:
    """A fixed subset, proportional over the categories, in the order of the data file.

    Which cases of a category are taken depends on their ids alone, so the subset does not change with the
    order of the file. Where cases expect a class (`should_refuse`), both classes get the same share.

    Args:
        cases: All cases of one harness.
        n: How many to take; all when there are no more.

    Raises:
        UsageError: `n` is below 1.
    """
    if n < 1:
        raise UsageError(f"{n} cases a harness: expected at least 1")
    chosen: set[str] = set()
    by_class = _grouped(cases, lambda case: repr(case.expect.get(CLASS)))
    for members, wanted in zip(by_class, _even(n, [len(group) for group in by_class]), strict=True):
        by_category = _grouped(members, lambda case: case.category)
        sizes = _proportional(wanted, [len(group) for group in by_category])
        for group, size in zip(by_category, sizes, strict=True):
            drawn = sorted(group, key=lambda case: sha256_bytes(case.id.encode()))
            chosen.update(case.id for case in drawn[:size])
    return tuple(case for case in cases if case.id in chosen)


def _grouped(cases: Sequence[Case], key: Callable[[Case], Hashable]) -> list[list[Case]]:
    groups: dict[Hashable, list[Case]] = {}
    for case in sorted(cases, key=lambda case: (str(key(case)), case.id)):
        groups.setdefault(key(case), []).append(case)
    return list(groups.values())


def _even(n: int, available: Sequence[int]) -> list[int]:
    """Share `n` out evenly; what a small group cannot give, the others do."""
    sizes = [0] * len(available)
    while sum(sizes) < min(n, sum(available)):
        open_groups = [i for i, size in enumerate(sizes) if size < available[i]]
        sizes[min(open_groups, key=lambda i: sizes[i])] += 1
    return sizes


def _proportional(n: int, available: Sequence[int]) -> list[int]:
    """Share `n` out in proportion (largest remainder)."""
    total = sum(available)
    if n >= total:
        return list(available)
    sizes = [n * size // total for size in available]
    by_remainder = sorted(range(len(available)), key=lambda i: (-(n * available[i] % total), i))
    for i in by_remainder[: n - sum(sizes)]:
        sizes[i] += 1
    return sizes


def baseline_metrics(reports: Sequence[HarnessReport]) -> BaselineMetrics:
    """Record the scores of the base model.

    Raises:
        UsageError: There is no report, or not all are of one model and suite; a harness has too few scored
            cases.
    """
    if not reports:
        raise UsageError("no report of the base model", "Evaluate the base model first.")
    first = reports[0]
    for report in reports:
        if report.subject != first.subject:
            raise UsageError(f"{report.test_name} is of another model or suite than {first.test_name}")
        if len(scored_cases(report.cases)) < min(LEAST, report.planned):
            raise UsageError(
                f"{report.test_name}: {len(scored_cases(report.cases))} cases of the base model were scored,"
                f" expected at least {LEAST}",
                "Resume the run: errored cases are asked again.",
            )
    return BaselineMetrics(
        timestamp=first.timestamp,
        subject=first.subject,
        scores={report.test_name: report.score for report in reports},
        cases={report.test_name: len(scored_cases(report.cases)) for report in reports},
        verdicts={
            f"{report.test_name}/{case.id}": case.verdict for report in reports for case in report.cases
        },
    )
