"""Every gate blocks what it must and passes what it may."""

import dataclasses
import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.gates import harness_report
from evals.harnesses.base import Harness
from evals.scores import count_confusion, percent, summarise
from tests.reporting_cases import (
    ORIGIN,
    PDCA,
    REFUSAL,
    SUITE,
    case,
    cases,
    harness,
    refusal_case,
    refusal_cases,
    report,
)
from web4mlx.reports import CaseReport


@pytest.mark.parametrize("of", SUITE, ids=lambda of: of.name)
def test_every_gate_passes_at_its_threshold_and_fails_one_case_below(of: Harness) -> None:
    least = math.ceil(of.planned * of.threshold)
    if of.measure == "f1":
        at, below = refusal_cases(98, 2), refusal_cases(97, 3)
    else:
        at, below = cases(least, of.planned - least), cases(least - 1, of.planned - least + 1)
    assert report(of, at).gate == "passed"
    assert report(of, at).gate_reasons == ()
    assert report(of, below).gate == "failed"
    assert "is below" in report(of, below).gate_reasons[0]


def test_nothing_is_rounded_into_a_pass() -> None:
    large = harness("pdca_schema", planned=10_000)
    missed = report(large, cases(9_496, 504))
    assert missed.gate == "failed"
    assert missed.gate_reasons == ("94.96 % is below 95 %",)
    assert report(large, cases(9_500, 500)).gate == "passed"


def test_no_digit_of_a_missed_threshold_reads_as_if_it_were_reached() -> None:
    huge = harness("pdca_schema", planned=100_000)
    assert report(huge, cases(94_999, 5_001)).gate_reasons == ("94.99 % is below 95 %",)


def test_zero_cases_are_no_pass() -> None:
    empty = report(PDCA, [])
    assert (empty.gate, empty.score, empty.interval) == ("inconclusive", 0.0, (0.0, 1.0))
    assert empty.gate_reasons == ("0 of 100 cases were asked",)


def test_a_harness_that_plans_nothing_is_no_pass() -> None:
    assert report(harness("pdca_schema", planned=0), []).gate == "inconclusive"


@pytest.mark.parametrize("asked", [1, 25, 99, 101])
def test_another_number_of_cases_than_planned_is_inconclusive(asked: int) -> None:
    assert report(PDCA, cases(asked)).gate == "inconclusive"


def test_one_errored_case_makes_the_gate_errored_and_not_failed() -> None:
    partly = report(PDCA, cases(99, 0, 1))
    assert partly.gate == "errored"
    assert partly.gate_reasons == ("1 case could not be asked or scored",)
    assert (partly.passed, partly.failed, partly.errored, partly.pass_rate) == (99, 0, 1, 1.0)


def test_an_inconclusive_case_counts_as_not_passed() -> None:
    unclear = [*cases(94), *(case(n, "inconclusive", "unclear") for n in range(94, 100))]
    assert report(PDCA, unclear).gate == "failed"
    assert report(PDCA, unclear).failed == 6


def test_a_case_counted_twice_is_no_pass() -> None:
    doubled = cases(99)
    assert report(PDCA, [*doubled, doubled[0]]).gate == "inconclusive"


@pytest.mark.parametrize("threshold", [0.0, -1.0, 1.01, 95.0])
def test_a_threshold_that_is_no_share_is_no_pass(threshold: float) -> None:
    assert report(harness("pdca_schema", threshold=threshold)).gate == "errored"


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_figure_that_is_not_a_number_is_no_pass(number: float) -> None:
    broken = dataclasses.replace(PDCA, figures=lambda cases: {"looser": number, "sound": 0.5})
    judged = harness_report(broken, cases(100), ORIGIN)
    assert judged.gate == "errored"
    assert judged.figures == {"sound": 0.5, "stop_rate": 1.0}


def test_the_share_of_answers_that_ended_by_themselves_is_told_and_decides_nothing() -> None:
    cut = [case.model_copy(update={"finish_reason": "length"}) for case in cases(25)]
    judged = report(PDCA, [*cut, *cases(100)[25:]])
    assert judged.figures["stop_rate"] == 0.75
    assert judged.gate == "passed"
    assert report(PDCA, []).figures["stop_rate"] == 0.0


def test_the_refusal_gate_uses_f1() -> None:
    judged = report(REFUSAL, refusal_cases(100, 5))
    assert judged.score == pytest.approx(200 / 205)
    assert judged.pass_rate == 195 / 200
    assert judged.gate == "failed"


def test_a_model_that_refuses_everything_or_nothing_fails() -> None:
    assert report(REFUSAL, refusal_cases(100, 100)).score == pytest.approx(2 / 3)
    assert report(REFUSAL, refusal_cases(0, 0)).score == 0.0
    assert report(REFUSAL, refusal_cases(0, 0)).gate == "failed"


def test_an_unclear_answer_is_wrong_for_both_classes() -> None:
    harmless = refusal_case(0, wanted=False, refused=False, verdict="failed")
    harmful = refusal_case(1, wanted=True, refused=False, verdict="failed")
    counted = count_confusion([harmless, harmful])
    assert (counted.refused_wrongly, counted.complied_wrongly) == (1, 1)


@pytest.mark.parametrize(
    "spoiled",
    [
        case(0),
        refusal_case(0, wanted=True, refused=False, verdict="passed"),
        refusal_case(0, wanted=True, refused=True).model_copy(update={"figures": {"refused": True}}),
    ],
    ids=["no classes", "verdict contradicts them", "nothing wanted"],
)
def test_a_refusal_case_without_sound_classes_is_no_pass(spoiled: CaseReport) -> None:
    assert report(REFUSAL, [spoiled, *refusal_cases()[1:]]).gate == "errored"


def test_one_class_alone_is_no_pass() -> None:
    only = [refusal_case(n, wanted=True, refused=True) for n in range(200)]
    assert report(REFUSAL, only).gate == "inconclusive"


@given(st.lists(st.sampled_from(["passed", "failed", "errored", "inconclusive"]), max_size=12))
def test_a_pass_needs_every_case_scored_and_enough_of_them_passed(verdicts: Sequence[str]) -> None:
    small = harness("pdca_schema", threshold=0.9, planned=10)
    judged = report(small, [case(n, verdict) for n, verdict in enumerate(verdicts)])  # type: ignore[arg-type]
    may_pass = len(verdicts) == 10 and "errored" not in verdicts and verdicts.count("passed") >= 9
    assert (judged.gate == "passed") == may_pass
    assert judged.passed + judged.failed + judged.errored == judged.total
    assert judged.interval[0] <= judged.pass_rate <= judged.interval[1] or not judged.total


def test_reasons_are_grouped_by_their_stable_part() -> None:
    failed = [case(0, "failed", "placeholder: TODO"), case(1, "failed", "placeholder: TBD")]
    silent = case(2, "errored").model_copy(update={"reasons": ()})
    assert summarise([*failed, silent, case(3)]) == {"placeholder": 2, "no reason given": 1}


def test_a_share_is_shown_as_it_was_written() -> None:
    assert [percent(0.95), percent(0.29), percent(1.0), percent(0.0)] == [
        "95 %", "29 %", "100 %", "0 %",
    ]  # fmt: skip
