"""After the asking: score a run, write what belongs where, and say what follows from it.

Every run keeps its reports in its own folder. Only a complete run of the file that may be shipped, asked as
it will be served, writes the reports of the outputs folder, which the import reads; only such a run leaves an
incident when it is blocked.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from evals.baseline import baseline_metrics
from evals.executed import EXECUTED, TOOL_EXECUTION
from evals.harnesses import load_harness
from evals.run_file import RunFile
from evals.scoring import Scored, find_baseline, is_complete, score_run, write_reports
from web4mlx.artifacts import atomic_write, read_manifest
from web4mlx.errors import CheckFailed, MissingPrerequisite, StageCrashed
from web4mlx.reports import BASELINE, Figure, FinalReport, HarnessReport

HTML_REPORT = "eval_report.html"


@dataclass(frozen=True)
class Result:
    """A scored run. `incident` is the PDCA that a blocked complete run left, `html` the page for people."""

    run: RunFile
    reports: Mapping[str, HarnessReport]
    final: FinalReport
    html: Path | None = None
    incident: Path | None = None

    def show(self) -> None:
        """Print the table and the decision on stdout, where things are on stderr."""
        from evals.console import render_final
        from web4mlx.cli.output import note, stdout

        stdout().print(render_final(self.final))
        for title, path in (("report", self.html), ("incident", self.incident)):
            if path is not None:
                note(f"{title}: {path}")


def score_only(run: RunFile, outputs: Path) -> Result:
    """Score a run and write nothing."""
    scored = score_run(run, find_baseline(outputs))
    return Result(run, scored.harnesses, scored.final)


def finish_run(run: RunFile, outputs: Path) -> Result:
    """Score a run and write its reports.

    Args:
        run: The run, complete or not.
        outputs: The folder whose reports a complete run of the exported GGUF replaces.

    Raises:
        StageCrashed: A case of the base model could not be asked or scored; nothing is recorded.
    """
    scored = score_run(run, find_baseline(outputs))
    folders = [run.folder, outputs] if is_candidate(run, outputs) else [run.folder]
    html = publish(scored, *folders)
    incident = None
    if run.header.is_baseline:
        require_answers(Result(run, scored.harnesses, scored.final, html))
        record_baseline(scored, outputs)
    elif is_candidate(run, outputs):
        incident = None if scored.final.cleared else report_incident(scored, outputs)
    return Result(run, scored.harnesses, scored.final, html, incident)


def is_candidate(run: RunFile, outputs: Path) -> bool:
    """Whether a run is of what the import would ship: complete, as configured, and of an exported GGUF.

    Without an exported GGUF in the outputs folder there is nothing to mistake another file for.
    """
    from web4mlx.engines.open import newest_gguf

    subject, model = run.header.subject, Path(run.header.subject.model)
    if subject.engine.get("engine") != "llama.cpp" or not (is_complete(run) and run.header.is_configured):
        return False
    manifest = read_manifest(model)
    if manifest and manifest.stage == "export" and model.resolve().parent == outputs.resolve():
        return subject.model_sha256 in manifest.outputs.values()
    try:
        newest_gguf(outputs)
    except MissingPrerequisite:
        return True
    return False


def execute_tools(run: RunFile) -> dict[str, dict[str, Figure]]:
    """Execute the right tool calls of a run in the sandbox and record what they did; the gate ignores it.

    Returns:
        By case: whether the call had its effect, and what became of it.

    Raises:
        MissingPrerequisite: This machine cannot lock a call in; nothing was executed.
    """
    from evals.sandbox import require_isolation
    from evals.tool_execution import execute_case

    require_isolation()
    answers = run.answers()
    done = {
        case.id: execute_case(case, answers[f"{EXECUTED}/{case.id}"].text)
        for case in load_harness(EXECUTED).cases()
        if f"{EXECUTED}/{case.id}" in answers
    }
    atomic_write(run.folder / TOOL_EXECUTION, json.dumps(done, indent=2) + "\n")
    return done


def publish(scored: Scored, *folders: Path) -> Path:
    """Write all reports of a run to each folder; returns the page in the last one."""
    from evals.html import render_html

    html = render_html(scored.final, list(scored.harnesses.values()))
    for folder in folders:
        atomic_write(folder / HTML_REPORT, html)
        write_reports(scored, folder)
    return folders[-1] / HTML_REPORT


def record_baseline(scored: Scored, outputs: Path) -> None:
    """Keep the scores as those of the base model."""
    metrics = baseline_metrics(list(scored.harnesses.values()))
    atomic_write(outputs / BASELINE, metrics.model_dump_json(indent=2) + "\n")


def report_incident(scored: Scored, outputs: Path) -> Path:
    """Write the incident of a blocked run."""
    from evals.incident import write_incident

    return write_incident(scored.final, list(scored.harnesses.values()), outputs)


def require_answers(result: Result) -> None:
    """Raise when something could not be asked or scored: the model is not to blame for that.

    Raises:
        StageCrashed: Names the harnesses and the first reason.
    """
    errored = {name: report for name, report in result.reports.items() if report.errored}
    if not errored:
        return
    first = next(case for report in errored.values() for case in report.cases if case.verdict == "errored")
    counts = ", ".join(f"{report.errored} of {name}" for name, report in errored.items())
    raise StageCrashed(
        f"cases that could not be asked or scored: {counts}; the first: {first.reasons[0]}",
        "`evals run --resume` asks them again.",
    )


def require_cleared(result: Result) -> None:
    """Raise unless the model may be shipped. A recorded baseline only has to be complete.

    Raises:
        StageCrashed: Something could not be asked or scored.
        CheckFailed: Deployment is blocked.
    """
    require_answers(result)
    if not result.final.cleared and not result.run.header.is_baseline:
        raise CheckFailed(result.final.decision, f"The failing cases: {result.html}" if result.html else "")


def require_passed(result: Result, harness: str) -> None:
    """Raise unless one harness passed.

    Raises:
        StageCrashed: Something could not be asked or scored.
        CheckFailed: Its gate did not pass.
    """
    require_answers(result)
    report = result.reports[harness]
    if report.gate != "passed":
        reasons = "; ".join(report.gate_reasons)
        raise CheckFailed(f"{report.title}: {report.passed} of {report.total} passed: {reasons}")
