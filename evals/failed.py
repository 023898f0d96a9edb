"""Asking again only what did not pass in an earlier run: a look, which clears nothing.

A gate wants every case of its harness, so such a run is inconclusive by itself. Where nothing passed at all
the selection would be the whole suite; that is refused, so that no such run can ever be a complete one.
"""

from pathlib import Path

from evals.rescoring import score_stored
from evals.run_file import RunFile
from evals.suite import Selection
from web4mlx.errors import UsageError


def select_failed(typed: Selection, folder: Path) -> Selection:
    """Narrow a selection to the cases that a run has not passed, as the suite scores it now.

    Args:
        typed: Harnesses as typed; without a limit, and not of the base model.
        folder: The run's folder.

    Raises:
        UsageError: Together with --limit or --baseline; every case passed; no case passed.
        MissingPrerequisite: The folder holds no run.
    """
    if typed.limit is not None or typed.is_baseline:
        raise UsageError("--failed-in goes with neither --limit nor --baseline")
    reports = score_stored(RunFile.open(folder), folder.parent.parent).reports
    failed = {
        name: frozenset(case.id for case in report.cases if case.verdict != "passed")
        for name, report in reports.items()
    }
    selection = Selection(typed.harnesses, only=failed)
    chosen = selection.cases()
    if not chosen:
        raise UsageError(f"{folder}: every case of these harnesses passed", "There is nothing to ask again.")
    if chosen == Selection().cases():
        raise UsageError(f"{folder}: no case passed", "That is the whole suite: leave --failed-in away.")
    return selection
