"""The runs of an outputs folder: all of them, the newest, and one that asks the same of the same model."""

from collections.abc import Iterator
from pathlib import Path

from evals.run_file import HEADER, RunFile, RunHeader
from web4mlx.artifacts import new_run_name
from web4mlx.errors import CheckFailed, MissingPrerequisite
from web4mlx.reports import Subject


def runs_of(outputs: Path) -> Iterator[RunFile]:
    """All readable runs below an outputs folder, newest first."""
    for header in sorted((outputs / "evals").glob(f"run_*/{HEADER}"), reverse=True):
        try:
            yield RunFile.open(header.parent)
        except CheckFailed:
            continue


def newest_run(outputs: Path) -> RunFile:
    """The newest run below an outputs folder.

    Raises:
        MissingPrerequisite: There is none.
    """
    for run in runs_of(outputs):
        return run
    raise MissingPrerequisite(f"{outputs / 'evals'}: no run of the suite", "`evals run` makes one.")


def find_same(outputs: Path, header: RunHeader) -> RunFile | None:
    """The newest run of the same work, finished or not."""
    return next((run for run in runs_of(outputs) if is_same_work(run.header, header)), None)


def is_same_work(one: RunHeader, other: RunHeader) -> bool:
    """Whether two runs ask the same of the same model; threads and slots may differ."""
    fields = ("cases", "planned", "leak_check", "is_baseline", "is_configured")
    same = all(getattr(one, name) == getattr(other, name) for name in fields)
    return same and comparable(one.subject) == comparable(other.subject)


def comparable(subject: Subject) -> dict[str, object]:
    """What decides an answer, as far as it can be known; a model is its bytes, or else its name."""
    fields = subject.model_dump(exclude={"engine"} | ({"model"} if subject.model_sha256 else set()))
    return fields | {"engine": subject.engine.get("engine"), "version": subject.engine.get("version")}


def new_folder(outputs: Path) -> Path:
    """A name for a new run that no run has."""
    name = outputs / "evals" / new_run_name("run")
    number = 2
    folder = name
    while folder.exists():
        folder = name.with_name(f"{name.name}_{number}")
        number += 1
    return folder
