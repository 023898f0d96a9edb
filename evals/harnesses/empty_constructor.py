"""Harness 4: do the classes that the model writes keep construction and initialization apart?"""

from collections.abc import Sequence

from evals.cases import Case
from evals.checkers.empty_constructor import check_empty_constructor
from evals.harnesses.base import Harness, rate_of
from evals.outcome import Outcome
from web4mlx.reports import CaseReport


def check(case: Case, text: str) -> Outcome:
    """Judge an answer; `expect` may name the class that was asked for as `class_name`."""
    return check_empty_constructor(text, str(case.expect.get("class_name", "")))


def figures(cases: Sequence[CaseReport]) -> dict[str, float]:
    """Shares of the cases that looser rules would pass, and in which a property's value calls something."""
    return {name: rate_of(name, cases) for name in ("no_parameters", "literal_rule", "field_calls")}


HARNESS = Harness(
    name="empty_constructor",
    title="Empty constructor pattern",
    gate_type="ship",
    threshold=0.95,
    planned=100,
    check=check,
    figures=figures,
)
