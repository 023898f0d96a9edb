"""Harness 5: does the model call the right tool, well formed, for an IDE task?"""

from collections.abc import Sequence

from evals.checkers.tool_task import check_tool_task
from evals.harnesses.base import Harness, rate_of
from web4mlx.reports import CaseReport


def rates(cases: Sequence[CaseReport]) -> dict[str, float]:
    """The plan's literal rule, the right choice of a tool, and, where calls were executed, their success."""
    names = ["literal_rule", "right_tool"]
    if any("executed" in case.figures for case in cases):
        names.append("executed")
    return {name: rate_of(name, cases) for name in names}


HARNESS = Harness(
    name="tool_success",
    title="Tool calls",
    gate_type="quality",
    threshold=0.85,
    planned=100,
    check=check_tool_task,
    figures=rates,
)
