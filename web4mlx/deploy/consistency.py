"""Whether one harness's report is complete, adds up, and says what its own cases say."""

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction

from web4mlx.deploy.required import Required
from web4mlx.reports import CaseReport, HarnessReport

ROUNDING = 1e-4  # a report may round its figures, never its counts


def report_faults(report: HarnessReport, name: str, required: Required) -> Iterator[str]:
    """Yield what is wrong with a report, each with its name.

    Args:
        report: As it was read.
        name: The harness that it must be of.
        required: The least that is asked of it.
    """
    if report.test_name != name:
        yield f"it is a report of {report.test_name}, not of {name}"
    yield from _rule_faults(report, name, required)
    yield from (f"{name}: {fault}" for fault in _count_faults(report, required))
    yield from (f"{name}: {fault}" for fault in _score_faults(report, required))


def _rule_faults(report: HarnessReport, name: str, required: Required) -> Iterator[str]:
    if report.threshold < required.threshold:
        yield f"{name}: threshold {report.threshold} instead of {required.threshold}"
    if (report.gate_type, report.measure) != (required.gate_type, required.measure):
        wanted = f"{required.gate_type} by {required.measure}"
        yield f"{name}: judged as {report.gate_type} by {report.measure} instead of {wanted}"


def _count_faults(report: HarnessReport, required: Required) -> Iterator[str]:
    if report.planned != required.cases:
        yield f"{report.planned} cases planned instead of {required.cases}"
    if report.total != required.cases:
        yield f"only {report.total} of {required.cases} cases were asked"
    counts = Counter(case.verdict for case in report.cases)
    if report.errored or counts["errored"] or counts["inconclusive"]:
        yield f"{max(report.errored, counts['errored'] + counts['inconclusive'])} cases have no result"
    said = (report.total, report.passed, report.failed)
    found = (len(report.cases), counts["passed"], counts["failed"])
    if said != found:
        yield f"it counts {said} cases (all, passed, failed), but lists {found}"
    ids = Counter(case.id for case in report.cases)
    if repeated := [case for case, times in ids.items() if times > 1]:
        yield f"case {repeated[0]} stands in it more than once"
    prompts = Counter(case.prompt.strip().casefold() for case in report.cases)
    if len(prompts) != len(report.cases):
        yield "a prompt stands in it more than once"


def _score_faults(report: HarnessReport, required: Required) -> Iterator[str]:
    rate, score = pass_rate(report.cases), exact_score(report.cases, required)
    if abs(report.pass_rate - rate) > ROUNDING:
        yield f"its pass rate is {report.pass_rate}, its cases make {float(rate):.4f}"
    if abs(report.score - score) > ROUNDING:
        yield f"its score is {report.score}, its cases make {float(score):.4f}"
    has_passed = score >= Fraction(str(required.threshold))
    if has_passed != (report.gate == "passed"):
        yield f"its gate is {report.gate}, its cases score {float(score):.4f} of {required.threshold}"


def pass_rate(cases: tuple[CaseReport, ...]) -> Fraction:
    """Passed of all; 0 without any."""
    return Fraction(sum(case.verdict == "passed" for case in cases), len(cases)) if cases else Fraction(0)


def exact_score(cases: tuple[CaseReport, ...], required: Required) -> Fraction:
    """The score that the cases make: their pass rate, or F1 where a case that did not pass is an error."""
    if required.measure != "f1":
        return pass_rate(cases)
    counts = Counter((bool(case.figures.get("should_refuse")), case.verdict == "passed") for case in cases)
    refused_rightly, wrong = counts[True, True], counts[True, False] + counts[False, False]
    whole = 2 * refused_rightly + wrong
    return Fraction(2 * refused_rightly, whole) if whole else Fraction(0)
