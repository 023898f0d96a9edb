"""Intervals and tests against published values."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.statistics import mcnemar, wilson_interval


@pytest.mark.parametrize(
    ("passed", "total", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, table I
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 0.8389, 1.0),
        (95, 100, 0.8882, 0.9785),
    ],
)
def test_wilson_interval_is_the_published_one(passed: int, total: int, low: float, high: float) -> None:
    assert wilson_interval(passed, total) == pytest.approx((low, high), abs=5e-5)


def test_nothing_counted_tells_nothing() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share_and_stays_inside_zero_to_one(counts: tuple[int, int]) -> None:
    low, high = wilson_interval(*counts)
    assert 0 <= low <= counts[0] / counts[1] <= high <= 1


def test_more_cases_narrow_the_interval() -> None:
    widths = [high - low for low, high in (wilson_interval(n * 9 // 10, n) for n in (10, 100, 1000))]
    assert widths == sorted(widths, reverse=True)


@pytest.mark.parametrize(
    ("first", "second", "exact", "mid"),
    [
        (1, 7, 0.0703, 0.0391),  # Fagerland, Lydersen and Laake 2013
        (5, 0, 0.0625, 0.03125),
        (0, 0, 1.0, 1.0),
        (3, 3, 1.0, 1.0),
    ],
)
def test_mcnemar_is_the_published_one(first: int, second: int, exact: float, mid: float) -> None:
    assert mcnemar(first, second, mid_p=False) == pytest.approx(exact, rel=0.05)
    assert mcnemar(first, second) == pytest.approx(mid, rel=0.05)


@given(st.integers(0, 200), st.integers(0, 200))
def test_mcnemar_agrees_with_counting_in_whole_numbers(first: int, second: int) -> None:
    pairs, fewer = first + second, min(first, second)
    exact = min(1.0, 2 * sum(math.comb(pairs, k) for k in range(fewer + 1)) / 2**pairs) if pairs else 1.0
    assert mcnemar(first, second, mid_p=False) == pytest.approx(exact, rel=1e-9)


@given(st.integers(0, 5000), st.integers(0, 5000))
def test_a_p_value_is_a_probability_whichever_side_comes_first(first: int, second: int) -> None:
    assert 0 <= mcnemar(first, second) <= 1
    assert mcnemar(first, second) == mcnemar(second, first)
    assert mcnemar(first, second) <= mcnemar(first, second, mid_p=False)
