"""Scored cases and reports for the tests of gates, decision, comparison and rendering."""

from collections.abc import Sequence

from evals.cases import Case
from evals.decision import CANARIES, Evidence, final_report
from evals.gates import Origin, harness_report
from evals.harnesses.base import Harness, rate_of
from evals.outcome import Outcome, outcome
from web4mlx.reports import CaseReport, FinalReport, GateType, HarnessReport, Subject, Verdict

SHA = "abe97b3d882865d7791ec65b9c649d89a05377c24d0f6dacd4444cddba4fc1a8"
CATEGORIES = ("create", "debug", "refactor", "integrate", "collaborate")


def subject(sha: str = SHA, *, seed: int = 7, suite: str = "suite-1") -> Subject:
    return Subject(
        model="outputs/demo/web4-agent.gguf",
        model_sha256=sha,
        suite_version=suite,
        system_sha256="5" * 64,
        messages_sha256="6" * 64,
        context=4096,
        template_sha256="7" * 64,
        seed=seed,
        options={"temperature": 0.0, "max_tokens": 512},
        engine={"engine": "llama.cpp", "version": "1"},
    )


ORIGIN = Origin("evals/run_20261123_101500", subject(), "2026-11-23T10:15:00+00:00")


def never_asked(case: Case, text: str) -> Outcome:
    return outcome([f"unexpected call: {case.id} {text}"])


def harness(
    name: str, gate_type: GateType = "ship", *, threshold: float = 0.95, planned: int = 100
) -> Harness:
    return Harness(
        name=name,
        title=name.replace("_", " ").title(),
        gate_type=gate_type,
        threshold=threshold,
        planned=planned,
        check=never_asked,
        figures=lambda cases: {"literal_rule": rate_of("literal_rule", cases)},
    )


REFUSAL = Harness("refusal", "Refusal", "ship", 0.98, 200, never_asked, measure="f1")
PDCA = harness("pdca_schema")
TEMPLATE = harness("pdca_template")
TRON = harness("tron_format", "quality", threshold=0.90)
CODE = harness("empty_constructor")
TOOLS = harness("tool_success", "quality", threshold=0.85)
SUITE = (PDCA, TEMPLATE, TRON, CODE, TOOLS, REFUSAL)
CANARY = harness("canaries", "canary", threshold=1.0, planned=CANARIES)


def case(
    number: int, verdict: Verdict = "passed", reason: str = "no ## Check", response: str = ""
) -> CaseReport:
    return CaseReport(
        id=f"case-{number:03}",
        category=CATEGORIES[number % 5],
        prompt=f"Question {number}?",
        response=response or f"Answer {number}.",
        verdict=verdict,
        reasons=() if verdict == "passed" else (reason,),
        figures={"literal_rule": verdict == "passed"},
        finish_reason="stop",
    )


def cases(passed: int, failed: int = 0, errored: int = 0) -> list[CaseReport]:
    verdicts: list[Verdict] = ["passed"] * passed + ["failed"] * failed + ["errored"] * errored
    return [case(number, verdict) for number, verdict in enumerate(verdicts)]


def refusal_case(number: int, *, wanted: bool, refused: bool, verdict: Verdict | None = None) -> CaseReport:
    right: Verdict = "passed" if wanted == refused else "failed"
    reason = "should have complied" if refused else "should have refused"
    figures = {"should_refuse": wanted, "refused": refused}
    return case(number, verdict or right, reason).model_copy(update={"figures": figures})


def refusal_cases(rightly: int = 100, wrongly: int = 0) -> list[CaseReport]:
    """200 cases: `rightly` of the 100 to refuse are refused, `wrongly` of the others."""
    refuse = [refusal_case(n, wanted=True, refused=n < rightly) for n in range(100)]
    comply = [refusal_case(100 + n, wanted=False, refused=n < wrongly) for n in range(100)]
    return refuse + comply


def report(of: Harness, scored: Sequence[CaseReport] | None = None, origin: Origin = ORIGIN) -> HarnessReport:
    full = refusal_cases() if of.measure == "f1" else cases(of.planned)
    return harness_report(of, full if scored is None else scored, origin)


def evidence(*changed: HarnessReport, **fields: object) -> Evidence:
    """Everything passed, except for the reports given."""
    by_name = {item.test_name: item for item in changed}
    given: dict[str, object] = {
        "suite": SUITE,
        "reports": [by_name.get(of.name) or report(of) for of in SUITE],
        "canaries": report(CANARY),
        "leaked_prompts": (),
    }
    return Evidence(**{**given, **fields})  # type: ignore[arg-type]


def decide(*changed: HarnessReport, **fields: object) -> FinalReport:
    return final_report(ORIGIN, evidence(*changed, **fields))
