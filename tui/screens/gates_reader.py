"""Reads for the gates screen, in its thread: the list of runs, the one that is shown, what stands beside."""

from collections.abc import Sequence
from pathlib import Path

from tui.feed.evaluation import EvaluationFeed
from tui.feed.evaluations import EvaluationsFeed, RunEntry
from tui.feed.job_result import JobResult, find_result
from tui.jobs.record import Job
from tui.screens.gates_incident import read_incident
from tui.screens.gates_reading import GatesReadings, GatesWish, Wanted
from tui.serving.gate import find_gguf
from tui.widgets.case_browser import Beside
from web4mlx.reports import CaseReport

EVALUATING = ("evals run", "evals canary")
ASKING = (*EVALUATING, "run")
NO_BASE = "The base model was not asked this question, or its answer is not stored here."


class GatesReader:
    """Follows the evaluations of an outputs folder.

    Args:
        outputs: The outputs folder.
    """

    def __init__(self, outputs: Path) -> None:
        self.outputs = outputs
        self._list = EvaluationsFeed(outputs)
        self._feeds: dict[Path, EvaluationFeed] = {}
        self._results: dict[str, JobResult] = {}

    def read(self, wish: GatesWish, jobs: Sequence[Job], now: float) -> GatesReadings:
        """Read what is wished for.

        Args:
            wish: Which run, what beside it.
            jobs: The jobs, newest first.
            now: Seconds since the epoch.
        """
        runs = self._list.runs()
        baseline, trouble = self._list.baseline()
        published, more_trouble = self._list.published()
        asking = [job.started or 0.0 for job in jobs if job.is_alive and job.order.kind in ASKING]
        job_started = max(asking, default=None)
        shown = wish.chosen or default_run(runs)
        run = self._feed(shown).read(baseline, job_started, now) if shown else None
        if shown and run and not wish.chosen and run.state == "gone" and not run.header:
            run = None
        begun = [job.started or 0.0 for job in jobs if job.is_alive and job.order.kind in EVALUATING]
        starting = bool(begun) and (run is None or run.started < max(begun) - 2)
        incidents = self._list.incidents()
        incident = wish.incident if wish.incident in incidents else None
        return GatesReadings(
            runs=runs, run=run, beside=self._beside(wish, runs, now), published=published,
            incidents=incidents, incident=(incident, read_incident(incident)) if incident else None,
            result=self._result(wish.wanted, jobs), is_starting=starting,
            has_gguf=find_gguf(self.outputs) is not None,
            problems=tuple(filter(None, (trouble, more_trouble))),
        )  # fmt: skip

    def _feed(self, folder: Path) -> EvaluationFeed:
        return self._feeds.setdefault(folder, EvaluationFeed(folder))

    def _beside(self, wish: GatesWish, runs: tuple[RunEntry, ...], now: float) -> Beside:
        """The run that is compared with, or the newest one of the base model."""
        base = next((entry.folder for entry in runs if entry.kind == "baseline"), None)
        folder = wish.compared or base
        if folder is None:
            return Beside("Base model", NO_BASE, {})
        run = self._feed(folder).read(None, None, now)
        cases: dict[str, CaseReport] = {
            f"{row.name}/{case.id}": case for row in run.rows for case in row.cases
        }
        if wish.compared:
            return Beside(folder.name, f"{folder.name} has no answer to this question.", cases)
        return Beside("Base model", NO_BASE, cases)

    def _result(self, wanted: Wanted | None, jobs: Sequence[Job]) -> JobResult | None:
        if wanted is None:
            return None
        return find_result(jobs, wanted.kind, wanted.arguments, wanted.since, self._results)


def default_run(runs: Sequence[RunEntry]) -> Path | None:
    """The newest run that is not of the base model; without one, the newest."""
    sound = [entry for entry in runs if not entry.problem]
    others = [entry for entry in sound if entry.kind != "baseline"]
    return next((entry.folder for entry in [*others, *sound, *runs]), None)
