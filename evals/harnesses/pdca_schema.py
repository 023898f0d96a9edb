"""Harness 1: generated PDCAs have all five headings and both links."""

from collections.abc import Sequence

from evals.checkers.pdca import check_schema
from evals.harnesses.base import Harness, rate_of
from web4mlx.reports import CaseReport


def _figures(cases: Sequence[CaseReport]) -> dict[str, float]:
    return {"literal_rule": rate_of("literal_rule", cases)}


HARNESS = Harness(
    name="pdca_schema",
    title="PDCA schema",
    gate_type="ship",
    threshold=0.95,
    planned=100,
    check=check_schema,
    figures=_figures,
)
