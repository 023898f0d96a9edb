"""The histogram holds every row once, and its picture is well-formed."""

from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data_files import make_text
from web4mlx.cli.data_view import draw_bars
from web4mlx.data.histogram import draw_histogram, make_histogram

SVG = "{http://www.w3.org/2000/svg}"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 100_000), min_size=1, max_size=60))
def test_every_length_is_in_exactly_one_bin(lengths: list[int]) -> None:
    bins = make_histogram(lengths)
    assert sum(item.rows for item in bins) == len(lengths)
    assert all(item.rows == sum(item.low <= length < item.high for length in lengths) for item in bins)
    assert all(left.high == right.low for left, right in zip(bins, bins[1:], strict=False))
    assert len(bins) <= 26


@pytest.mark.parametrize(("limit", "lines"), [(150, 1), (10_000, 0)])
def test_the_picture_has_a_bar_a_bin_and_the_limit_where_it_is_in_range(limit: int, lines: int) -> None:
    bins = make_histogram([100, 120, 120, 300])
    root = ElementTree.fromstring(draw_histogram(bins, limit))
    bars = [item for item in root.iter(f"{SVG}rect") if item.get("class") == "bar"]
    assert len(bars) == len(bins)
    assert len([item for item in root.iter(f"{SVG}line") if item.get("class") == "limit"]) == lines


def test_no_rows_make_an_empty_picture() -> None:
    assert make_histogram([]) == ()
    ElementTree.fromstring(draw_histogram((), 100))


def test_the_text_histogram_has_no_escape_codes() -> None:
    text = draw_bars(make_histogram([len(make_text(n)) for n in range(30)]))
    assert "█" in text
    assert "\x1b" not in text
