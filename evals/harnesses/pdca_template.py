"""Harness 2: generated PDCAs say something in each section, and their links are well formed."""

from collections.abc import Sequence

from evals.checkers.template import check_template
from evals.harnesses.base import Harness, rate_of
from web4mlx.reports import CaseReport


def _figures(cases: Sequence[CaseReport]) -> dict[str, float]:
    return {"literal_rule": rate_of("literal_rule", cases)}


HARNESS = Harness(
    name="pdca_template",
    title="PDCA template",
    gate_type="ship",
    threshold=0.95,
    planned=100,
    check=check_template,
    figures=_figures,
)
