"""A blocked deployment as an incident: a PDCA below `outputs/incidents/`, linked to those before and after.

This module owns the names and links; `incident_text` writes the document. In a chain, PRECEDES names the next
document and FOLLOWS the previous one. The newest incident names a follow-up that is still to be written; when
another incident comes first, its link is turned to that one.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from evals.findings import Finding, collect_findings
from evals.incident_text import Links, write_document
from web4mlx.artifacts import atomic_write
from web4mlx.errors import UsageError
from web4mlx.reports import FinalReport, HarnessReport

INCIDENTS = "incidents"
AUTHOR = "Web4mlx.Evaluator"
FOLLOW_UP = "Web4mlx.FollowUp"
EVALUATION = "Web4mlx.EvaluationRun"
SUFFIX = ".pdca.md"
STAMP = "%Y%m%d-%H%M%S"
STAMP_CHARACTERS = len("20260101-120000")


def write_incident(
    final: FinalReport,
    reports: Sequence[HarnessReport],
    outputs: Path,
    findings: Sequence[Finding] | None = None,
) -> Path:
    """Write the incident of a blocked run; the same run scored again replaces its own.

    Args:
        final: The decision.
        reports: Of all harnesses and the canaries: their failed cases are shown.
        outputs: The outputs folder; incidents stand in `incidents` below it.
        findings: Of the automatic checks; default: they are made now.

    Returns:
        The document.

    Raises:
        UsageError: The model is cleared.
    """
    if final.cleared:
        raise UsageError(f"{final.run}: the model is cleared, there is no incident")
    folder = outputs / INCIDENTS
    path = _free_name(folder, final)
    others = sorted(file.name for file in folder.glob(f"*-{AUTHOR}{SUFFIX}") if file != path)
    previous = max((name for name in others if name < path.name), default=None)
    following = min((name for name in others if name > path.name), default=None)
    found = collect_findings(final) if findings is None else findings
    links = Links(
        precedes=following or _name(path.name[:STAMP_CHARACTERS], FOLLOW_UP),
        follows=previous or _name(path.name[:STAMP_CHARACTERS], EVALUATION),
        is_first=previous is None,
        is_newest=following is None,
    )
    atomic_write(path, write_document(final, reports, found, links))
    if previous:
        _turn(folder / previous, "PRECEDES", _name(previous[:STAMP_CHARACTERS], FOLLOW_UP), path.name)
    if following:
        _turn(
            folder / following,
            "FOLLOWS",
            previous or _name(following[:STAMP_CHARACTERS], EVALUATION),
            path.name,
        )
    return path


def _free_name(folder: Path, final: FinalReport) -> Path:
    """The run's own name: its second, or the next one that no other run has taken."""
    moment = datetime.fromisoformat(final.timestamp)
    while True:
        path = folder / _name(moment.strftime(STAMP), AUTHOR)
        if not path.exists() or f"`{final.run}`" in path.read_text("utf-8"):
            return path
        moment += timedelta(seconds=1)


def _name(stamp: str, author: str) -> str:
    return f"{stamp}-{author}{SUFFIX}"


def _turn(path: Path, label: str, old: str, new: str) -> None:
    """Point a link of a neighbour to this document, unless somebody has set it to something else."""
    text = path.read_text("utf-8")
    turned = text.replace(f"\n{label}: [{old}]\n", f"\n{label}: [{new}]\n", 1)
    if turned != text:
        atomic_write(path, turned)
