"""What happens when the figures of a harness break: its cases are errored, and the other harnesses go on."""

from collections.abc import Sequence
from dataclasses import replace

from evals.harnesses.base import Harness
from web4mlx.reports import CaseReport


def tolerant(harness: Harness) -> Harness:
    """The harness, whose figures are none if they break: the other harnesses go on."""

    def figures(cases: Sequence[CaseReport]) -> dict[str, float]:
        return {} if figures_fault(harness, cases) else harness.figures(cases)

    return replace(harness, figures=figures)


def errored_without_figures(harness: Harness, scored: list[CaseReport]) -> list[CaseReport]:
    """The cases, all errored if the figures over them break."""
    if fault := figures_fault(harness, scored):
        return [case.model_copy(update={"verdict": "errored", "reasons": (fault,)}) for case in scored]
    return scored


def figures_fault(harness: Harness, cases: Sequence[CaseReport]) -> str:
    """What breaks the figures of a harness; empty when they can be had."""
    try:
        harness.figures(cases)
    except Exception as error:  # a fault of ours must not stop the others
        return f"figures broke: {type(error).__name__}: {error}"
    return ""
