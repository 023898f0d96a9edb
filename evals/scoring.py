"""From stored answers to reports: no model is needed, and the same answers always give the same reports."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from evals.canaries import canary_report
from evals.cases import Case
from evals.decision import Evidence, final_report
from evals.executed import EXECUTED, with_execution
from evals.gates import Origin, harness_report
from evals.harnesses import CANARY, GATED, NAMES, load_harness
from evals.harnesses.base import Harness
from evals.harnesses.tolerant import cases_of, errored_without_figures, file_fault, tolerant, unread
from evals.outcome import Outcome
from evals.run_file import Answered, RunFile
from evals.version import suite_version
from web4mlx.artifacts import atomic_write
from web4mlx.errors import CheckFailed, Web4Error
from web4mlx.reports import (
    BASELINE,
    CANARY_REPORT,
    FINAL_REPORT,
    BaselineMetrics,
    CaseReport,
    Figure,
    FinalReport,
    HarnessReport,
    read_report,
)

CONTROL_TOKEN = re.compile(r"<\|[^\s|<>]+\|>")


@dataclass(frozen=True)
class Scored:
    """The reports of one run."""

    harnesses: Mapping[str, HarnessReport]
    final: FinalReport
    baseline: BaselineMetrics | None = None


def score_run(run: RunFile, baseline: BaselineMetrics | None) -> Scored:
    """Score every answer of a run.

    Args:
        run: The run file.
        baseline: The base model's scores, for comparison; None when there are none.

    Raises:
        CheckFailed: The run was made with another version of the suite, or a stored prompt is not the case's.
    """
    asked_with = run.header.subject.suite_version
    if asked_with != suite_version():
        raise CheckFailed(
            f"{run.folder}: made with suite {asked_with}, this is suite {suite_version()}",
            "Run `evals run` again: answers to unchanged prompts come from the cache.",
        )
    return score_answers(run, run.answers(), baseline)


def score_answers(run: RunFile, answers: Mapping[str, Answered], baseline: BaselineMetrics | None) -> Scored:
    """Score the answers to a run's cases, whichever suite asked; see `score_run`."""
    reports = {
        name: score_harness(load_harness(name), run, answers) for name in NAMES if name in run.header.cases
    }
    evidence = Evidence(
        suite=[tolerant(load_harness(name)) for name in GATED],
        reports=[report for name, report in reports.items() if name != CANARY],
        canaries=reports.get(CANARY),
        leaked_prompts=leaks_of(run),
        baseline=baseline,
    )
    return Scored(reports, final_report(origin_of(run), evidence), baseline)


def origin_of(run: RunFile) -> Origin:
    """Where the results of a run come from; the time is the run's, so that scoring again changes nothing."""
    return Origin(f"{run.folder.parent.name}/{run.folder.name}", run.header.subject, run.header.created)


def leaks_of(run: RunFile) -> tuple[str, ...] | None:
    """Prompts that stand in a training file; None when nobody could look."""
    check = run.header.leak_check
    return None if check.verdict == "errored" else check.leaks


def score_harness(harness: Harness, run: RunFile, answers: Mapping[str, Answered]) -> HarnessReport:
    """Score one harness; a case without an answer is errored, and so is a harness without its data file."""
    chosen = set(run.header.cases[harness.name])
    cases = [case for case in cases_of(harness) if case.id in chosen]
    scored = [score_case(harness, case, answers.get(f"{harness.name}/{case.id}")) for case in cases]
    if fault := file_fault(harness):
        scored = [unread(fault)]
    if harness.name == EXECUTED:
        scored = with_execution(run.folder, scored)
    return harness_report(tolerant(harness), errored_without_figures(harness, scored), origin_of(run))


def score_case(harness: Harness, case: Case, answer: Answered | None) -> CaseReport:
    """Score one answer.

    Raises:
        CheckFailed: The answer was given to another prompt than the case's.
    """
    if answer is None or answer.finish_reason == "error":
        reason = f"no answer: {answer.error}" if answer else "no answer"
        return CaseReport(
            id=case.id, category=case.category, prompt=case.prompt, response="", verdict="errored",
            reasons=(reason,),
        )  # fmt: skip
    if answer.prompt != case.prompt:
        message = f"{answer.key}: the stored answer belongs to another prompt"
        raise CheckFailed(message, "The run file was changed; run `evals run` again.")
    judged = judge(harness, case, answer.text)
    return CaseReport(
        id=case.id,
        category=case.category,
        prompt=case.prompt,
        response=answer.text,
        verdict=judged.verdict,
        reasons=judged.reasons,
        figures=judged.figures,
        finish_reason=answer.finish_reason,
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
        time_to_first_token_s=answer.time_to_first_token_s,
        total_s=answer.total_s,
    )


def judge(harness: Harness, case: Case, text: str) -> Outcome:
    """Ask the checker; a checker that breaks makes the case errored, and the suite goes on.

    A control token in the answer, such as `<|im_start|>`, fails it whatever the checker says: it is never
    meant for people, and a program that reads the answer stumbles over it.
    """
    try:
        judged = harness.check(case, text)
    except Web4Error:
        raise
    except Exception as error:  # a fault of ours must neither pass nor fail a model, nor stop the others
        return Outcome("errored", (f"checker broke: {type(error).__name__}: {error}",))
    leaked = CONTROL_TOKEN.search(text)
    if leaked is None or judged.verdict == "errored":
        return judged
    reasons = (f"control token in the answer: {leaked[0]}", *judged.reasons)
    readings: dict[str, Figure] = {"unclear": True} if "unclear" in judged.figures else {}
    return Outcome("failed", reasons, judged.figures | readings)


def write_reports(scored: Scored, folder: Path) -> None:
    """Write `eval_<harness>.json`, `canary_report.json` and `eval_report_final.json`, the last one last."""
    for name, report in scored.harnesses.items():
        is_canary = name == CANARY
        told = canary_report(report, scored.baseline) if is_canary else report
        file = CANARY_REPORT if is_canary else f"eval_{name}.json"
        atomic_write(folder / file, told.model_dump_json(indent=2) + "\n")
    atomic_write(folder / FINAL_REPORT, scored.final.model_dump_json(indent=2) + "\n")


def is_complete(run: RunFile) -> bool:
    """Whether a run asks every case of every harness, of a model that may be shipped."""
    sizes = {name: len(cases) for name, cases in run.header.cases.items()}
    return sizes == run.header.planned and not run.header.is_baseline


def find_baseline(outputs: Path) -> BaselineMetrics | None:
    """The recorded scores of the base model; None when there are none or they are of another suite.

    They decide nothing, so a damaged record is said and passed over.
    """
    path = outputs / BASELINE
    if not path.is_file():
        return None
    try:
        found = read_report(path, BaselineMetrics)
    except CheckFailed as error:
        from web4mlx.cli.output import note

        note(f"warning: {error.message}; no scores of the base model are shown")
        return None
    return found if found.subject.suite_version == suite_version() else None
