"""Harness 1: generated PDCAs have all five headings and both links."""

from evals.checkers.pdca import check_schema
from evals.harnesses.base import Harness
from evals.harnesses.documents import document_figures

HARNESS = Harness(
    name="pdca_schema",
    title="PDCA schema",
    gate_type="ship",
    threshold=0.95,
    planned=100,
    check=check_schema,
    figures=document_figures,
)
