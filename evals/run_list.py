"""The list of the runs of an outputs folder, for people and programs."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from evals.run_file import RunFile
from evals.runs import runs_of
from evals.scoring import is_complete
from evals.version import suite_version
from web4mlx.errors import CheckFailed, MissingPrerequisite
from web4mlx.reports import FINAL_REPORT, FinalReport, read_report

if TYPE_CHECKING:
    from rich.console import RenderableType


def describe_runs(outputs: Path) -> list[dict[str, Any]]:
    """The runs of an outputs folder, newest first: what, how far, decided how."""
    return [describe_run(run) for run in runs_of(outputs)]


def describe_run(run: RunFile) -> dict[str, Any]:
    """One line of the list; `decision` is the report's, unless the suite has changed since."""
    planned = sum(map(len, run.header.cases.values()))
    missing = sum(map(len, run.missing().values()))
    try:
        decision = read_report(run.folder / FINAL_REPORT, FinalReport).decision
    except (CheckFailed, MissingPrerequisite):
        decision = "not scored" if not missing else "not finished"
    if run.header.subject.suite_version != suite_version():
        decision = f"of suite {run.header.subject.suite_version}: {decision}"
    subject = run.header.subject
    return {
        "run": run.folder.name,
        "model": subject.model,
        "sha256": subject.model_sha256[:12],
        "kind": "baseline" if run.header.is_baseline else "complete" if is_complete(run) else "partial",
        "answered": f"{planned - missing}/{planned}",
        "seed": subject.seed,
        "decision": decision,
    }


def runs_table(runs: list[dict[str, Any]]) -> "RenderableType":
    """The list as a table."""
    from rich.table import Table

    table = Table(*(runs[0] if runs else ("no runs",)), box=None, pad_edge=False)
    for run in runs:
        table.add_row(*map(str, run.values()))
    return table
