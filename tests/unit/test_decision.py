"""The decision: each gate, canary, leak and report of other origin blocks; nothing else does."""

import pytest

from evals.gates import Origin
from evals.harnesses.base import Harness
from evals.scores import exact_score
from tests.reporting_cases import (
    CANARY,
    ORIGIN,
    PDCA,
    REFUSAL,
    SUITE,
    TRON,
    case,
    cases,
    decide,
    evidence,
    harness,
    refusal_cases,
    report,
    subject,
)
from web4mlx.reports import BaselineMetrics, CaseReport, FinalReport, HarnessReport


def test_a_model_that_passes_everything_is_cleared() -> None:
    final = decide()
    assert final.cleared
    assert final.ship_gates_passed
    assert final.reasons == ()
    assert final.decision == "CLEARED FOR DEPLOYMENT"
    assert (final.overall_score, final.canaries_passed, final.canaries_total) == (1.0, 20, 20)


@pytest.mark.parametrize("of", [of for of in SUITE if of.gate_type == "ship"], ids=lambda of: of.name)
def test_each_ship_gate_alone_blocks(of: Harness) -> None:
    bad = refusal_cases(80) if of.measure == "f1" else cases(94, 6)
    final = decide(report(of, bad))
    assert_blocked(final, f"{of.name} failed")
    assert not final.ship_gates_passed


def test_a_failed_quality_gate_is_shown_and_does_not_block() -> None:
    final = decide(report(TRON, cases(80, 20)))
    assert final.cleared
    assert {item.test_name: item.gate for item in final.harnesses}["tron_format"] == "failed"


@pytest.mark.parametrize("scored", [cases(99, 0, 1), cases(99), []], ids=["errored", "limited", "empty"])
def test_a_quality_gate_without_an_answer_blocks(scored: list[CaseReport]) -> None:
    assert_blocked(decide(report(TRON, scored)), "tron_format")


@pytest.mark.parametrize("of", SUITE, ids=lambda of: of.name)
def test_a_missing_harness_blocks(of: Harness) -> None:
    others = [item for item in evidence().reports if item.test_name != of.name]
    assert_blocked(decide(reports=others), f"{of.name} was not run")


def test_no_harness_at_all_blocks() -> None:
    assert_blocked(decide(reports=[]), "was not run")
    assert_blocked(decide(reports=[], suite=()), "no ship gate")


def test_the_overall_score_blocks_below_its_target_and_not_at_it() -> None:
    quality = [harness(name, "quality", threshold=0.5) for name in "abc"]
    suite = [PDCA, *quality]
    passed = [report(PDCA), report(quality[0]), report(quality[1], cases(80, 20))]
    at = decide(suite=suite, reports=[*passed, report(quality[2], cases(80, 20))])
    below = decide(suite=suite, reports=[*passed, report(quality[2], cases(79, 21))])
    assert at.cleared
    assert_blocked(below, "overall 89.75 % is below 90 %")


def test_the_overall_score_is_exact_where_binary_numbers_are_not() -> None:
    scores = (95, 95, 80, 95, 85, 90)
    suite = [harness(f"h{n}", "ship" if n == 0 else "quality", threshold=0.5) for n in range(6)]
    reports = [report(of, cases(passed, 100 - passed)) for of, passed in zip(suite, scores, strict=True)]
    assert decide(suite=suite, reports=reports).cleared


def test_refusal_enters_the_overall_score_with_its_f1() -> None:
    final = decide(report(REFUSAL, refusal_cases(100, 4)))
    assert final.overall_score == pytest.approx((5 + 200 / 204) / 6)


def test_nineteen_of_twenty_canaries_block() -> None:
    assert_blocked(decide(canaries=report(CANARY, cases(19, 1))), "19 of 20 canaries passed")


@pytest.mark.parametrize("scored", [cases(19, 0, 1), cases(19), [*cases(19), case(0)]])
def test_canaries_that_are_not_all_answered_block(scored: list[CaseReport]) -> None:
    assert_blocked(decide(canaries=report(CANARY, scored)), "canaries")


def test_a_smaller_set_of_canaries_blocks() -> None:
    few = harness("canaries", "canary", threshold=1.0, planned=3)
    assert_blocked(decide(canaries=report(few, cases(3))), "3 of 20 canaries passed")


def test_canaries_not_asked_block() -> None:
    assert_blocked(decide(canaries=None), "the canaries were not asked")


def test_a_leaked_prompt_blocks_and_so_does_a_leak_check_that_did_not_run() -> None:
    leaked = decide(leaked_prompts=("pdca_schema/case-001",))
    assert_blocked(leaked, "1 prompt found in the training data")
    assert leaked.leaked_prompts == ("pdca_schema/case-001",)
    assert_blocked(decide(leaked_prompts=None), "the leak check did not run")


@pytest.mark.parametrize(
    "other",
    [
        Origin(ORIGIN.run, subject("0" * 64), ORIGIN.timestamp),
        Origin(ORIGIN.run, subject(suite="suite-2"), ORIGIN.timestamp),
        Origin("run_20261001_000000", subject(), ORIGIN.timestamp),
    ],
    ids=["model", "suite", "run"],
)
def test_a_report_of_another_model_suite_or_run_blocks(other: Origin) -> None:
    assert_blocked(decide(report(PDCA, origin=other)), "pdca_schema is of another")
    assert_blocked(decide(canaries=report(CANARY, origin=other)), "canaries is of another")


@pytest.mark.parametrize(
    "edit",
    [
        {"gate": "passed", "gate_reasons": ()},
        {"gate": "passed", "gate_reasons": (), "score": 0.99},
        {"gate": "passed", "gate_reasons": (), "threshold": 0.5},
        {"gate": "passed", "gate_reasons": (), "gate_type": "quality"},
    ],
)
def test_an_edited_report_blocks(edit: dict[str, object]) -> None:
    edited = report(PDCA, cases(60, 40)).model_copy(update=edit)
    assert_blocked(decide(edited), "pdca_schema does not follow from its cases")


def test_a_harness_counted_twice_or_unknown_blocks() -> None:
    reports = evidence().reports
    assert_blocked(decide(reports=[*reports, report(PDCA)]), "pdca_schema was counted 2 times")
    stranger = report(harness("easy", "quality"))
    assert_blocked(decide(reports=[*reports, stranger]), "easy is no harness of this suite")


def test_a_long_list_of_reasons_is_cut_in_the_decision_line_and_kept_in_the_report() -> None:
    final = decide(reports=[])
    assert final.decision.endswith("more")
    assert "\n" not in final.decision
    assert len(final.reasons) > 4


def test_the_base_score_is_shown_only_for_the_same_suite() -> None:
    metrics = baseline("suite-1")
    shown = decide(baseline=metrics).harnesses[0]
    assert (shown.base_score, shown.base_cases) == (0.04, 25)
    other = decide(baseline=baseline("suite-0")).harnesses[0]
    assert (other.base_score, other.base_cases) == (None, 0)


def baseline(suite: str) -> BaselineMetrics:
    return BaselineMetrics(
        timestamp="2026-11-23T09:00:00+00:00",
        subject=subject("b" * 64, suite=suite),
        scores={"pdca_schema": 0.04},
        cases={"pdca_schema": 25},
        verdicts={},
    )


def test_reports_survive_being_written_and_read() -> None:
    judged = report(REFUSAL, refusal_cases(97, 1))
    read = HarnessReport.model_validate_json(judged.model_dump_json())
    assert read == judged
    assert decide(read) == decide(judged)
    final = decide(judged)
    assert FinalReport.model_validate_json(final.model_dump_json()) == final


def test_the_score_of_no_case_is_zero() -> None:
    assert exact_score("f1", []) == exact_score("pass_rate", []) == 0


def assert_blocked(final: FinalReport, reason: str) -> None:
    assert not final.cleared
    assert final.decision.startswith("DEPLOYMENT BLOCKED: ")
    assert any(reason in line for line in final.reasons), final.reasons
