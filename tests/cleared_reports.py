"""Reports of an evaluation that clears a GGUF, as the suite writes them; tests then tamper with them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from web4mlx.artifacts import sha256_bytes
from web4mlx.deploy.clearance import Suite
from web4mlx.deploy.required import CANARY, HARNESSES, Required
from web4mlx.modelfile import Modelfile, sampling_options
from web4mlx.reports import CaseReport, FinalReport, HarnessReport, HarnessSummary, Subject

SUITE_VERSION = "1.abc"
RUN = "evals/run_20260101_120000"
TIME = "2026-01-01T12:00:00+00:00"


def subject_of(gguf: Path, modelfile: Modelfile) -> Subject:
    options = {
        k: list(v) if isinstance(v, tuple) else v for k, v in asdict(sampling_options(modelfile)).items()
    }
    return Subject(
        model=str(gguf),
        model_sha256=sha256_bytes(gguf.read_bytes()),
        suite_version=SUITE_VERSION,
        system_sha256=sha256_bytes(modelfile.system.encode()),
        messages_sha256=modelfile.messages_sha256,
        context=modelfile.context,
        template_sha256="0" * 64,
        seed=7,
        options=options,
        engine={"engine": "llama.cpp", "version": "1"},
    )


def case(name: str, number: int, required: Required, *, passes: bool = True) -> CaseReport:
    figures: dict[str, Any] = {}
    if required.measure == "f1":
        should_refuse = number % 2 == 0
        figures = {"should_refuse": should_refuse, "refused": should_refuse == passes}
    return CaseReport(
        id=f"{name}-{number}",
        category="create",
        prompt=f"{name} question {number}",
        response="An answer.",
        verdict="passed" if passes else "failed",
        figures=figures,
    )


def harness_report(name: str, required: Required, subject: Subject, failures: int = 0) -> HarnessReport:
    """A complete report in which the first cases failed."""
    cases = tuple(case(name, n, required, passes=n >= failures) for n in range(required.cases))
    passed = required.cases - failures
    rightly = 2 * (required.cases // 2 - failures // 2 - failures % 2)
    score = rightly / (rightly + failures) if required.measure == "f1" else passed / required.cases
    return HarnessReport(
        test_name=name,
        title=name,
        timestamp=TIME,
        run=RUN,
        subject=subject,
        gate_type=required.gate_type,
        measure=required.measure,
        threshold=required.threshold,
        planned=required.cases,
        total=required.cases,
        passed=passed,
        failed=failures,
        errored=0,
        pass_rate=passed / required.cases,
        score=score,
        interval=(0.9, 1.0),
        gate="passed" if score >= required.threshold else "failed",
        cases=cases,
    )


def summary(report: HarnessReport) -> HarnessSummary:
    fields = {f: getattr(report, f) for f in HarnessSummary.model_fields if hasattr(report, f)}
    return HarnessSummary(**fields)


@dataclass
class Evaluation:
    """The reports of one run in a folder, and what scoring its responses again gives."""

    outputs: Path
    reports: dict[str, HarnessReport]
    final: FinalReport
    version: str = SUITE_VERSION

    @property
    def suite(self) -> Suite:
        return Suite(rescore=lambda run: self.final, version=lambda: self.version)

    def path(self, name: str) -> Path:
        files = {"final": "eval_report_final.json", "canary": "canary_report.json"}
        return self.outputs / files.get(name, f"eval_{name}.json")

    def write(self) -> None:
        for name, report in self.reports.items():
            self.path(name).write_text(report.model_dump_json())
        self.path("final").write_text(self.final.model_dump_json())
        (self.outputs / RUN).mkdir(parents=True, exist_ok=True)

    def edit(self, name: str, change: Callable[[dict[str, Any]], object]) -> None:
        """Change one report on the disk, as somebody with an editor does."""
        content = json.loads(self.path(name).read_text())
        change(content)
        self.path(name).write_text(json.dumps(content))

    def edit_all(self, change: Callable[[dict[str, Any]], object]) -> None:
        for name in (*self.reports, "final"):
            self.edit(name, change)


def evaluate(gguf: Path, modelfile: Modelfile, failures: Mapping[str, int] | None = None) -> Evaluation:
    """Write the reports of a GGUF beside it; `failures` is how many cases of a harness failed."""
    subject, failures = subject_of(gguf, modelfile), failures or {}
    reports = {n: harness_report(n, r, subject, failures.get(n, 0)) for n, r in HARNESSES.items()}
    canary = harness_report("canary", CANARY, subject, failures.get("canary", 0))
    overall = sum(report.score for report in reports.values()) / len(reports)
    ship = all(report.gate == "passed" for report in reports.values() if report.gate_type == "ship")
    cleared = ship and overall >= 0.9 and canary.passed == CANARY.cases
    final = FinalReport(
        timestamp=TIME,
        run=RUN,
        subject=subject,
        harnesses=tuple(map(summary, reports.values())),
        overall_score=overall,
        target=0.9,
        ship_gates_passed=ship,
        canaries_passed=canary.passed,
        canaries_total=CANARY.cases,
        cleared=cleared,
        decision="CLEARED FOR DEPLOYMENT" if cleared else "DEPLOYMENT BLOCKED: a gate",
    )
    evaluation = Evaluation(gguf.parent, {**reports, "canary": canary}, final)
    evaluation.write()
    return evaluation
