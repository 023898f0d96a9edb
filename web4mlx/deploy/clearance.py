"""The gate before the import: whether the reports clear exactly this file, and whether they are true.

There is no way around it. The file is hashed anew, every report is checked against what a complete
evaluation is, and the stored responses are scored again by the suite as it stands. Someone who also forges
the responses of a whole run is beyond this.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from hashlib import file_digest
from pathlib import Path

from web4mlx.deploy.consistency import ROUNDING, exact_score, report_faults
from web4mlx.deploy.required import CANARIES, CANARY, HARNESSES, TARGET
from web4mlx.errors import CheckFailed, MissingPrerequisite
from web4mlx.reports import CANARY_REPORT, FINAL_REPORT, FinalReport, HarnessReport, read_report

SHOWN = 6
Rescore = Callable[[Path], FinalReport]


@dataclass(frozen=True, slots=True)
class Clearance:
    """A cleared file: its digest and the report that clears it."""

    gguf: Path
    sha256: str
    report: FinalReport


@dataclass(frozen=True, slots=True)
class Suite:
    """The suite as it stands: scores a run folder again, and names its own version."""

    rescore: Rescore
    version: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Reports:
    """All reports of one outputs folder."""

    final: FinalReport
    canaries: HarnessReport
    harnesses: dict[str, HarnessReport]


def require_clearance(gguf: Path, outputs: Path, suite: Suite) -> Clearance:
    """Refuse a file that was not cleared.

    Args:
        gguf: The file to ship.
        outputs: The folder with the reports.
        suite: Scores the stored responses again.

    Raises:
        MissingPrerequisite: There is no such file.
        CheckFailed: It is not cleared; says why and what to run.
    """
    if not gguf.is_file():
        raise MissingPrerequisite(f"{gguf}: no such GGUF file", "`web4mlx export` makes one.")
    with gguf.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    try:
        reports = read_reports(outputs)
    except (MissingPrerequisite, CheckFailed) as error:
        raise refusal(gguf, [error.message]) from error
    refuse(gguf, list(subject_faults(reports, digest, suite.version())))
    refuse(gguf, list(decision_faults(reports)))
    run = outputs / reports.final.run
    try:
        again = suite.rescore(run)
    except (CheckFailed, MissingPrerequisite) as error:
        raise refusal(gguf, [f"its responses cannot be scored again: {error.message}"]) from error
    if faults := list(differences(reports.final, again)):
        raise refusal(gguf, [f"{run}: scored again, the reports do not hold", *faults])
    return Clearance(gguf, digest, reports.final)


def refusal(gguf: Path, faults: list[str]) -> CheckFailed:
    """The refusal with the first reasons."""
    shown = faults[:SHOWN] + ([f"and {len(faults) - SHOWN} more"] if len(faults) > SHOWN else [])
    listed = "\n".join(f"  - {fault}" for fault in shown)
    return CheckFailed(
        f"{gguf} is not cleared for deployment:\n{listed}",
        f"Evaluate it: `evals run --model {gguf}`. Nothing but that clears a model.",
    )


def refuse(gguf: Path, faults: list[str]) -> None:
    """Raise if there is any reason."""
    if faults:
        raise refusal(gguf, faults)


def read_reports(outputs: Path) -> Reports:
    """Read all reports.

    Raises:
        MissingPrerequisite: One is missing.
        CheckFailed: One is not valid.
    """
    return Reports(
        final=read_report(outputs / FINAL_REPORT, FinalReport),
        canaries=read_report(outputs / CANARY_REPORT, HarnessReport),
        harnesses={name: read_report(outputs / f"eval_{name}.json", HarnessReport) for name in HARNESSES},
    )


def subject_faults(reports: Reports, digest: str, version: str) -> Iterator[str]:
    """Whether all reports are of this file, of one run, and of the suite as it stands."""
    final = reports.final
    if final.subject.model_sha256 != digest:
        evaluated = final.subject.model_sha256[:12] or "unknown"
        yield f"the reports are of another file: sha256 {evaluated}…, not {digest[:12]}…"
    if final.subject.suite_version != version:
        yield f"evaluated with suite {final.subject.suite_version}; the suite is now {version}"
    for report in (*reports.harnesses.values(), reports.canaries):
        if report.subject != final.subject:
            yield f"{report.test_name} is of another model, suite or setting than {FINAL_REPORT}"
        elif report.run != final.run:
            yield f"{report.test_name} is of another run than {FINAL_REPORT}"


def decision_faults(reports: Reports) -> Iterator[str]:
    """Whether the reports are complete, add up, and amount to a clearance."""
    final, canaries = reports.final, reports.canaries
    for name, required in HARNESSES.items():
        yield from report_faults(reports.harnesses[name], name, required)
        yield from summary_faults(final, reports.harnesses[name])
    yield from report_faults(canaries, CANARIES, CANARY)
    said = {(final.canaries_passed, final.canaries_total), (canaries.passed, canaries.total)}
    if said != {(CANARY.cases, CANARY.cases)}:
        yield f"{min(said)[0]} of {CANARY.cases} canaries passed"
    for name, required in HARNESSES.items():
        if required.gate_type == "ship" and reports.harnesses[name].gate != "passed":
            yield f"{name}: the ship gate has not passed"
    scores = [exact_score(reports.harnesses[name].cases, required) for name, required in HARNESSES.items()]
    overall = sum(scores, Fraction(0)) / len(scores)
    if abs(final.overall_score - overall) > ROUNDING:
        yield f"the overall score is {final.overall_score}, the harnesses make {float(overall):.4f}"
    if overall < Fraction(str(TARGET)) or final.target < TARGET:
        yield f"the overall score {float(overall):.4f} is below {TARGET} (its target: {final.target})"
    if final.leaked_prompts:
        yield f"{len(final.leaked_prompts)} prompts stand in the training data"
    if not (final.cleared and final.ship_gates_passed):
        yield f"the decision is: {final.decision}"


def summary_faults(final: FinalReport, report: HarnessReport) -> Iterator[str]:
    """Whether the final report's line of a harness is what its own report says."""
    lines = [line for line in final.harnesses if line.test_name == report.test_name]
    if len(lines) != 1:
        yield f"{report.test_name} stands {len(lines)} times in {FINAL_REPORT}"
        return
    fields = ("gate_type", "measure", "threshold", "total", "passed", "errored", "score", "gate")
    for field in fields:
        own, summed = getattr(report, field), getattr(lines[0], field)
        if own != summed:
            yield f"{report.test_name}: {field} is {own} in its report and {summed} in {FINAL_REPORT}"


def differences(stored: FinalReport, again: FinalReport) -> Iterator[str]:
    """What differs between the stored decision and the one made again from the responses."""
    for field in ("subject", "cleared", "ship_gates_passed", "canaries_passed", "canaries_total"):
        yield from _difference(field, getattr(stored, field), getattr(again, field))
    yield from _difference("overall_score", stored.overall_score, again.overall_score)
    yield from _difference("leaked_prompts", stored.leaked_prompts, again.leaked_prompts)
    before, now = ({line.test_name: line for line in report.harnesses} for report in (stored, again))
    yield from _difference("harnesses", sorted(before), sorted(now))
    for name in before.keys() & now.keys():
        for field in ("total", "passed", "errored", "score", "threshold", "gate"):
            yield from _difference(
                f"{name}: {field}", getattr(before[name], field), getattr(now[name], field)
            )


def _difference(name: str, stored: object, again: object) -> Iterator[str]:
    is_close = isinstance(stored, float) and isinstance(again, float) and abs(stored - again) <= ROUNDING
    if stored != again and not is_close:
        yield f"{name}: the report says {_short(stored)}, the responses make {_short(again)}"


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
