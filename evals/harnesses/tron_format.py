"""Harness 3: decisions stand in the Plan as Trigger, Response, Outcome and Next."""

from collections.abc import Sequence

from evals.checkers.tron import check_tron
from evals.harnesses.base import Harness, rate_of
from web4mlx.reports import CaseReport


def _figures(cases: Sequence[CaseReport]) -> dict[str, float]:
    return {"literal_rule": rate_of("literal_rule", cases)}


HARNESS = Harness(
    name="tron_format",
    title="TRON format",
    gate_type="quality",
    threshold=0.90,
    planned=100,
    check=check_tron,
    figures=_figures,
)
