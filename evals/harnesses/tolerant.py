"""What happens when the data file or the figures of a harness break: it is errored, the others go on."""

from collections.abc import Sequence
from dataclasses import replace

from evals.cases import Case
from evals.harnesses.base import Harness
from web4mlx.errors import Web4Error
from web4mlx.reports import CaseReport


def cases_of(harness: Harness) -> tuple[Case, ...]:
    """The cases of a harness; none when its data file is broken, which `file_fault` tells."""
    return () if file_fault(harness) else harness.cases()


def file_fault(harness: Harness) -> str:
    """Why the cases of a harness cannot be read, in one line; empty when they can."""
    try:
        harness.cases()
    except Web4Error as error:
        return " ".join(error.message.split())
    return ""


def unread(fault: str) -> CaseReport:
    """What stands for the cases of a harness whose data file is broken."""
    return CaseReport(
        id="data-file", category="data file", prompt="", response="", verdict="errored", reasons=(fault,)
    )


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
