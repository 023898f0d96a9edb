"""The evaluations of an outputs folder: which there are, which one the import reads, the incidents."""

from dataclasses import dataclass
from pathlib import Path

from evals.incident import INCIDENTS, SUFFIX
from evals.run_file import HEADER, RESPONSES, RunFile
from tui.feed.cached import CachedFile
from tui.feed.evaluation import Kind, kind_of
from tui.words import near_paths
from web4mlx.errors import Web4Error
from web4mlx.reports import BASELINE, FINAL_REPORT, BaselineMetrics, FinalReport, read_report


@dataclass(frozen=True)
class RunEntry:
    """One run of the list. `answered` counts lines; `decision` is its report's, empty without one."""

    folder: Path
    kind: Kind = "partial"
    model: str = ""
    model_sha256: str = ""
    created: str = ""
    suite: str = ""
    answered: int = 0
    asked: int = 0
    decision: str = ""
    cleared: bool = False
    problem: str = ""


class _Run:
    """The files of one entry, read when they change."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.header = CachedFile(folder / HEADER, lambda path: RunFile.open(path.parent))
        self.final = CachedFile(folder / FINAL_REPORT, lambda path: read_report(path, FinalReport))
        self.lines = CachedFile(folder / RESPONSES, lambda path: path.read_bytes().count(b"\n"))

    def entry(self) -> RunEntry:
        try:
            run = self.header.read()
        except Web4Error as error:
            return RunEntry(self.folder, problem=error.message)
        if run is None:
            return RunEntry(self.folder, problem="it is gone")
        try:
            final = self.final.read()
        except Web4Error:
            final = None
        subject = run.header.subject
        return RunEntry(
            folder=self.folder, kind=kind_of(run), model=subject.model, model_sha256=subject.model_sha256,
            created=run.header.created, suite=subject.suite_version, answered=self.lines.read() or 0,
            asked=sum(map(len, run.header.cases.values())), decision=final.decision if final else "",
            cleared=bool(final and final.cleared),
        )  # fmt: skip


@dataclass(frozen=True)
class Published:
    """The decision that the import reads: of which run, and what it is."""

    run: str
    cleared: bool
    decision: str


class EvaluationsFeed:
    """Looks over the evaluations of an outputs folder.

    Args:
        outputs: The outputs folder.
    """

    def __init__(self, outputs: Path) -> None:
        self.outputs = outputs
        self._runs: dict[Path, _Run] = {}
        self._final = CachedFile(outputs / FINAL_REPORT, lambda path: read_report(path, FinalReport))
        self._baseline = CachedFile(outputs / BASELINE, lambda path: read_report(path, BaselineMetrics))

    def runs(self) -> tuple[RunEntry, ...]:
        """All runs, newest first."""
        folders = sorted(
            (path.parent for path in (self.outputs / "evals").glob(f"run_*/{HEADER}")), reverse=True
        )
        return tuple(self._runs.setdefault(folder, _Run(folder)).entry() for folder in folders)

    def published(self) -> tuple[Published | None, str]:
        """The published decision, and what is wrong with its file."""
        try:
            final = self._final.read()
        except Web4Error as error:
            return None, near_paths(error.message)
        if final is None:
            return None, ""
        return Published(final.run.rpartition("/")[2], final.cleared, final.decision), ""

    def baseline(self) -> tuple[BaselineMetrics | None, str]:
        """The base model's scores, and what is wrong with their file."""
        try:
            return self._baseline.read(), ""
        except Web4Error as error:
            return None, near_paths(error.message)

    def incidents(self) -> tuple[Path, ...]:
        """The incidents, newest first."""
        return tuple(sorted((self.outputs / INCIDENTS).glob(f"*{SUFFIX}"), reverse=True))
