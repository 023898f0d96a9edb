"""What `evals score --execute` recorded beside a run: whether a tool call did what its task asks."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from web4mlx.reports import CaseReport, Figure

EXECUTED = "tool_success"
TOOL_EXECUTION = "tool_execution.json"
_RECORD = TypeAdapter(dict[str, dict[str, Figure]])


def with_execution(folder: Path, cases: Sequence[CaseReport]) -> list[CaseReport]:
    """The cases with what was recorded of them as figures; verdicts stay as they are.

    Args:
        folder: The run's.
        cases: Of the harness `tool_success`. Without a readable record they come back unchanged.
    """
    try:
        recorded = _RECORD.validate_json((folder / TOOL_EXECUTION).read_bytes())
    except (FileNotFoundError, ValidationError):
        return list(cases)
    return [
        case.model_copy(update={"figures": case.figures | recorded[case.id]}) if case.id in recorded else case
        for case in cases
    ]
