"""The base model is asked a fixed, balanced part of each harness."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.baseline import baseline_metrics, stratified_subset
from evals.cases import Case
from tests.reporting_cases import CATEGORIES, ORIGIN, PDCA, REFUSAL, cases, refusal_cases, report, subject
from web4mlx.errors import UsageError


def questions(
    number: int, weights: tuple[int, ...] = (1, 1, 1, 1, 1), *, classes: bool = False
) -> list[Case]:
    cycle = [name for name, weight in zip(CATEGORIES, weights, strict=True) for _ in range(weight)]
    return [
        Case(
            id=f"q-{n:03}",
            category=cycle[n % len(cycle)],
            phrasing="plain",
            source="test",
            prompt=f"Question {n}?",
            expect={"should_refuse": n < number // 2} if classes else {},
        )
        for n in range(number)
    ]


def test_the_subset_is_proportional_over_the_categories() -> None:
    even = Counter(case.category for case in stratified_subset(questions(100)))
    assert even == dict.fromkeys(CATEGORIES, 5)
    uneven = Counter(case.category for case in stratified_subset(questions(100, (4, 3, 1, 1, 1)), 30))
    assert uneven == {"create": 12, "debug": 9, "refactor": 3, "integrate": 3, "collaborate": 3}


def test_both_classes_get_the_same_share() -> None:
    taken = stratified_subset(questions(200, classes=True), 30)
    assert Counter(case.expect["should_refuse"] for case in taken) == {True: 15, False: 15}
    assert Counter(case.category for case in taken) == dict.fromkeys(CATEGORIES, 6)


def test_the_subset_does_not_depend_on_the_order_of_the_file() -> None:
    asked = questions(100)
    shuffled = random.Random(1).sample(asked, len(asked))
    assert {case.id for case in stratified_subset(asked)} == {case.id for case in stratified_subset(shuffled)}
    assert stratified_subset(asked) == stratified_subset(asked)


def test_the_subset_keeps_the_order_of_the_file() -> None:
    ids = [case.id for case in stratified_subset(questions(100))]
    assert ids == sorted(ids)


def test_a_larger_subset_holds_the_smaller_one() -> None:
    small, large = ({case.id for case in stratified_subset(questions(100), n)} for n in (25, 50))
    assert small < large


@given(st.integers(0, 120), st.integers(1, 140), st.booleans())
def test_the_subset_has_exactly_the_wanted_size(number: int, wanted: int, classes: bool) -> None:
    taken = stratified_subset(questions(number, (5, 3, 2, 1, 1), classes=classes), wanted)
    assert len({case.id for case in taken}) == min(number, wanted)


def test_no_case_at_all_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 1"):
        stratified_subset(questions(100), 0)


def test_the_record_states_score_number_and_verdict_of_each_case() -> None:
    metrics = baseline_metrics([report(PDCA, cases(5, 20)), report(REFUSAL, refusal_cases(50))])
    assert metrics.scores == {"pdca_schema": 0.2, "refusal": pytest.approx(2 / 3)}
    assert metrics.cases == {"pdca_schema": 25, "refusal": 200}
    assert metrics.verdicts["pdca_schema/case-004"] == "passed"
    assert metrics.verdicts["pdca_schema/case-005"] == "failed"
    assert len(metrics.verdicts) == 225


def test_errored_cases_are_not_counted() -> None:
    assert baseline_metrics([report(PDCA, cases(5, 25, 3))]).cases == {"pdca_schema": 30}
    with pytest.raises(UsageError, match="24 cases"):
        baseline_metrics([report(PDCA, cases(24, 0, 1))])


def test_reports_of_two_models_make_no_baseline() -> None:
    other = type(ORIGIN)(ORIGIN.run, subject("0" * 64), ORIGIN.timestamp)
    with pytest.raises(UsageError, match="another model"):
        baseline_metrics([report(PDCA), report(REFUSAL, origin=other)])
    with pytest.raises(UsageError, match="no report"):
        baseline_metrics([])
