"""Stored answers under the suite as it stands now, also those that an older version of it has asked.

Made for the day after a checker changed: how would the runs of before fare? Such a result is a measurement;
it never clears a model and is never published.
"""

from pathlib import Path

from evals.decision import BLOCKED
from evals.finish import Result, score_only
from evals.harnesses import NAMES, load_harness
from evals.run_file import RunFile
from evals.scoring import find_baseline, score_answers
from evals.version import suite_version
from web4mlx.cli.output import note
from web4mlx.reports import FinalReport


def score_stored(run: RunFile, outputs: Path) -> Result:
    """Score a run and write nothing; one of another suite version where its prompts are unchanged.

    Raises:
        CheckFailed: The answers are damaged.
    """
    asked_with, now = run.header.subject.suite_version, suite_version()
    if asked_with == now:
        return score_only(run, outputs)
    answers = run.answers()
    kept = unchanged_cases(run)
    left_out = sum(map(len, run.header.cases.values())) - sum(map(len, kept.values()))
    told = f"asked with suite {asked_with}, scored with suite {now}"
    note(f"{told}; cases left out because their prompts changed: {left_out}")
    subject = run.header.subject.model_copy(update={"suite_version": now})
    as_now = RunFile(run.folder, run.header.model_copy(update={"subject": subject, "cases": kept}))
    scored = score_answers(as_now, answers, find_baseline(outputs))
    return Result(run, scored.harnesses, never_cleared(scored.final, told))


def unchanged_cases(run: RunFile) -> dict[str, tuple[str, ...]]:
    """The cases of a run whose prompts the suite still asks as they were asked, or that have no answer."""
    answers = run.answers()
    kept: dict[str, tuple[str, ...]] = {}
    for name in NAMES:
        prompts = {case.id: case.prompt for case in load_harness(name).cases()}
        ids = [id for id in run.header.cases.get(name, ()) if id in prompts]
        asked = {id: answers.get(f"{name}/{id}") for id in ids}
        same = tuple(id for id, given in asked.items() if given is None or given.prompt == prompts[id])
        if same:
            kept[name] = same
    return kept


def never_cleared(final: FinalReport, reason: str) -> FinalReport:
    """The same report, blocked for one more reason."""
    said = f"{reason}: only a new run clears"
    return final.model_copy(
        update={"cleared": False, "decision": f"{BLOCKED}: {said}", "reasons": (said, *final.reasons)}
    )
