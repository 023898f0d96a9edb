"""One evaluation as it stands: how far each harness is, what it scores, and what was decided.

A report is believed when it is of the answers that are there now. Without one, answers are scored here as
they arrive, by the suite's own checkers, so that a look at a running evaluation shows more than a bar.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from evals.harnesses import CANARY, NAMES
from evals.run_file import HEADER, RunFile, RunHeader
from evals.version import suite_version
from tui.feed.answers import AnswerFeed
from tui.feed.cached import CachedFile
from tui.feed.gate_rows import GateRow, RowState, live_row, reported_row
from tui.feed.tail import EventTail
from web4mlx import events
from web4mlx.errors import Web4Error
from web4mlx.reports import (
    CANARY_REPORT,
    FINAL_REPORT,
    BaselineMetrics,
    FinalReport,
    HarnessReport,
    read_report,
)

EVENTS = "events.jsonl"
QUIET_S = 180.0
MINUTES = re.compile(r", (\d+) min\)")
UNDECIDED = ("running", "waiting", "answered", "unfinished", "unasked")
Kind = Literal["complete", "partial", "baseline"]
State = Literal["running", "finished", "unscored", "interrupted", "gone", "damaged"]


@dataclass(frozen=True)
class EvaluationReadings:
    """All that is known of a run, for one repaint.

    `final` is its decision when that is of these answers. `responses` maps `harness/case` to the whole text
    of the answer. `asked_suite` is the version that asked, `is_current` says whether the suite is still that.
    Times are seconds since the epoch.
    """

    folder: Path
    state: State
    header: RunHeader | None = None
    kind: Kind = "partial"
    rows: tuple[GateRow, ...] = ()
    final: FinalReport | None = None
    done: int = 0
    total: int = 0
    eta_s: float | None = None
    last_event: float = 0.0
    started: float = 0.0
    is_current: bool = True
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The run's name."""
        return self.folder.name

    def row(self, name: str | None) -> GateRow | None:
        """The row of a harness."""
        return next((row for row in self.rows if row.name == name), None)


def kind_of(run: RunFile) -> Kind:
    """Whether a run asks everything, a part, or is one of the base model."""
    if run.header.is_baseline:
        return "baseline"
    sizes = {name: len(cases) for name, cases in run.header.cases.items()}
    return "complete" if sizes == run.header.planned else "partial"


def report_file(harness: str) -> str:
    """The name of a harness's report."""
    return CANARY_REPORT if harness == CANARY else f"eval_{harness}.json"


class EvaluationFeed:
    """Follows a run's folder.

    Args:
        folder: The run's folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._header = CachedFile(folder / HEADER, lambda path: RunFile.open(path.parent).header)
        self._final = CachedFile(folder / FINAL_REPORT, lambda path: read_report(path, FinalReport))
        self._reports = {
            name: CachedFile(folder / report_file(name), lambda path: read_report(path, HarnessReport))
            for name in NAMES
        }
        self.answers = AnswerFeed(folder)
        self._events = EventTail(folder / EVENTS)
        self._progress: dict[str, events.Progress] = {}
        self._last = EvaluationReadings(folder, "gone")
        self._started = self._finished = self._last_event = 0.0
        self._newest: events.Progress | None = None

    def read(
        self, baseline: BaselineMetrics | None, job_started: float | None, now: float
    ) -> EvaluationReadings:
        """Take in what is new.

        Args:
            baseline: The base model's scores.
            job_started: When the evaluation that runs as a job was started; None when none runs.
            now: Seconds since the epoch.
        """
        self._take_events()
        try:
            header = self._header.read()
        except Web4Error as error:
            return EvaluationReadings(self.folder, "damaged", notes=(self._short(error),))
        if header is None:
            return replace(self._last, state="gone")
        self.answers.read(header)
        is_live = self._is_live(job_started, now)
        notes: list[str] = []
        rows = tuple(
            self._row(name, header, baseline, is_live, notes) for name in NAMES if name in header.cases
        )
        total = sum(map(len, header.cases.values()))
        done = sum(self.answers.done(name, ids) for name, ids in header.cases.items())
        final = self._believed_final(rows, notes)
        self._last = EvaluationReadings(
            folder=self.folder, header=header, kind=kind_of(RunFile(self.folder, header)), rows=rows,
            final=final, done=done, total=total, eta_s=self._eta_s() if is_live else None,
            state="running" if is_live else "finished" if final else
            "unscored" if done >= total else "interrupted",
            last_event=self._last_event, started=self._started,
            is_current=header.subject.suite_version == suite_version(),
            notes=(*notes, *self._file_notes()),
        )  # fmt: skip
        return self._last

    def _take_events(self) -> None:
        for event in self._events.read():
            self._last_event = event.ts
            match event:
                case events.Started():
                    self._started, self._progress, self._newest = event.ts, {}, None
                case events.Progress():
                    self._progress[event.message.partition(" ")[0]] = event
                    self._newest = event
                case events.Finished():
                    self._finished = event.ts

    def _is_live(self, job_started: float | None, now: float) -> bool:
        if self._finished >= self._started:
            return False
        if job_started is not None and self._started >= job_started - 2:
            return True
        return abs(now - self._last_event) < QUIET_S

    def _eta_s(self) -> float | None:
        told = MINUTES.search(self._newest.message) if self._newest else None
        return 60.0 * int(told[1]) if told else None

    def _row(
        self, name: str, header: RunHeader, baseline: BaselineMetrics | None, is_live: bool, notes: list[str]
    ) -> GateRow:
        ids = header.cases[name]
        shown = baseline if _same_suite(baseline, header) else None
        if not is_live:
            report = self._believed(name, ids, notes)
            if report is not None:
                return self._with_whole_texts(reported_row(report, shown))
        cases = self.answers.scored(name, ids)
        state: RowState = "unfinished" if cases else "unasked"
        if is_live:
            state = "running" if 0 < len(cases) < len(ids) else "answered" if cases else "waiting"
        progress = self._progress.get(name)
        return live_row(name, ids, cases, shown, state, progress.eta_s if progress and is_live else None)

    def _believed(self, name: str, ids: tuple[str, ...], notes: list[str]) -> HarnessReport | None:
        """The report of a harness, when it counts as many answers as there are."""
        try:
            report = self._reports[name].read()
        except Web4Error as error:
            notes.append(self._short(error))
            return None
        if report is None or report.total != len(ids):
            return None
        unanswered = sum(not case.finish_reason for case in report.cases)
        return report if unanswered == len(ids) - self.answers.done(name, ids) else None

    def _with_whole_texts(self, row: GateRow) -> GateRow:
        """The canaries' report abbreviates the answers; the run file has them whole."""
        if row.name != CANARY:
            return row
        answers = self.answers.answers
        cases = tuple(
            case.model_copy(update={"response": answers[key].text}) if key in answers else case
            for case in row.cases
            for key in [f"{row.name}/{case.id}"]
        )
        return replace(row, cases=cases)

    def _believed_final(self, rows: tuple[GateRow, ...], notes: list[str]) -> FinalReport | None:
        if any(row.state in UNDECIDED for row in rows):
            return None
        try:
            return self._final.read()
        except Web4Error as error:
            notes.append(self._short(error))
            return None

    def _short(self, error: Web4Error) -> str:
        """What is wrong, with files named as below this run's folder."""
        return error.message.replace(f"{self.folder}/", "")

    def _file_notes(self) -> list[str]:
        notes = []
        if self.answers.garbage:
            notes.append(f"{self.answers.garbage} lines of responses.jsonl are no answers of this run")
        if self._events.garbage:
            notes.append(f"{self._events.garbage} lines of the event log are no events")
        for name, problem in (("responses.jsonl", self.answers.problem), ("event log", self._events.problem)):
            if problem and problem != "it is not there yet":
                notes.append(f"{name}: {problem}")
        return notes


def _same_suite(baseline: BaselineMetrics | None, header: RunHeader) -> bool:
    return baseline is not None and baseline.subject.suite_version == header.subject.suite_version
