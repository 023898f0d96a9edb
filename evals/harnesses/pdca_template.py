"""Harness 2: generated PDCAs say something in each section, and their links are well formed."""

from evals.checkers.template import check_template
from evals.harnesses.base import Harness
from evals.harnesses.documents import document_figures

HARNESS = Harness(
    name="pdca_template",
    title="PDCA template",
    gate_type="ship",
    threshold=0.95,
    planned=100,
    check=check_template,
    figures=document_figures,
)
