"""Packed rows as a layout: nothing lost, nothing twice, every context what it was in its own sample."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from web4mlx.data.chat import Row
from web4mlx.data.rows import RowSet
from web4mlx.train.batches import Batching, Layout, MicroBatch
from web4mlx.train.packing import make_row, pack, shared_prefix

Prediction = tuple[tuple[int, ...], int]


@st.composite
def samples(draw: st.DrawFn) -> list[Row]:
    """Samples over three tokens, so that they often begin alike; any mask, its first value aside."""
    prefix = draw(st.lists(st.integers(1, 3), max_size=12))
    rows = []
    for tail in draw(st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=20), min_size=1, max_size=8)):
        tokens = (*([] if len(prefix) + len(tail) > 1 else [1]), *prefix, *tail)
        mask = draw(st.lists(st.booleans(), min_size=len(tail), max_size=len(tail)))
        mask = [*[False] * (len(tokens) - len(tail)), *mask]
        mask[0], mask[-1] = False, True
        rows.append(Row(tokens, tuple(mask)))
    return rows + rows[: draw(st.integers(0, 2))]


def wanted(rows: list[Row]) -> Counter[Prediction]:
    """Each supervised token with all tokens before it."""
    return Counter(
        (row.tokens[:index], row.tokens[index])
        for row in rows
        for index in range(len(row))
        if row.mask[index]
    )


def predictions(batch: MicroBatch) -> Counter[Prediction]:
    """What a row trains: each target with all tokens that its position sees, in the order of positions."""
    flat, places = batch.inputs.reshape(-1), batch.token_positions
    found: Counter[Prediction] = Counter()
    for position, target in zip(batch.positions.tolist(), batch.targets.tolist(), strict=True):
        seen = list(range(min(position + 1, batch.prefix)))
        for start, end in batch.segments:
            if start <= position < end:
                seen += range(start, position + 1)
        assert places[seen].tolist() == list(range(len(seen)))
        found[tuple(flat[seen].tolist()), target] += 1
    return found


@settings(max_examples=150)
@given(rows=samples(), row_tokens=st.integers(1, 60))
def test_each_supervised_token_is_trained_once_behind_its_own_context(
    rows: list[Row], row_tokens: int
) -> None:
    batches = pack(RowSet(rows), range(len(rows)), row_tokens)
    assert sum((predictions(batch) for batch in batches), Counter()) == wanted(rows)
    assert sum(batch.tokens for batch in batches) == sum(len(row) for row in rows)


@settings(max_examples=150)
@given(rows=samples(), row_tokens=st.integers(1, 60))
def test_rows_are_full_of_segments_and_no_longer_than_allowed(rows: list[Row], row_tokens: int) -> None:
    longest = max(len(row) - 1 for row in rows)
    for batch in pack(RowSet(rows), range(len(rows)), row_tokens):
        ends = [batch.prefix, *(end for _, end in batch.segments)]
        assert [start for start, _ in batch.segments] == ends[:-1]
        assert batch.inputs.shape == (1, ends[-1])
        assert all(start < end for start, end in batch.segments)
        assert batch.inputs.size <= max(row_tokens, longest)


@settings(max_examples=50)
@given(rows=samples(), row_tokens=st.integers(1, 60))
def test_the_same_samples_are_packed_the_same_way(rows: list[Row], row_tokens: int) -> None:
    left, right = (pack(RowSet(rows), range(len(rows)), row_tokens) for _ in range(2))
    for one, two in zip(left, right, strict=True):
        assert (one.segments, one.prefix, one.tokens) == (two.segments, two.prefix, two.tokens)
        assert all(np.array_equal(getattr(one, name), getattr(two, name)) for name in ("inputs", "targets"))


@settings(max_examples=80)
@given(rows=samples())
def test_the_prefix_is_as_long_as_it_can_be(rows: list[Row]) -> None:
    """It ends before the first difference, the first supervised token or the last token of a sample."""
    prefix = shared_prefix(RowSet(rows), range(len(rows)))
    heads = {row.tokens[:prefix] for row in rows}
    assert len(heads) == 1
    assert not any(True in row.mask[:prefix] for row in rows)
    longer = {row.tokens[: prefix + 1] for row in rows}
    assert len(longer) > 1 or any(len(row) == prefix + 1 or row.mask[prefix] for row in rows)


def test_fewer_rows_are_taken_where_samples_fit_together() -> None:
    rows = RowSet([Row((1, *range(2, 2 + length)), (False,) * length + (True,)) for length in (9, 7, 3, 3)])
    assert [batch.inputs.size for batch in pack(rows, range(4), 200)] == [
        make_row(rows, range(4)).inputs.size
    ]
    assert len(pack(rows, range(4), 12)) == 2


def test_a_prefix_stands_once_and_predicts_for_every_sample() -> None:
    rows = RowSet([Row((7, 8, token), (False, False, True)) for token in (3, 4, 5)])
    (batch,) = pack(rows, range(3), 64)
    assert batch.inputs.tolist() == [[7, 8]]
    assert (batch.positions.tolist(), batch.targets.tolist()) == ([1, 1, 1], [3, 4, 5])


@pytest.mark.parametrize("batching", ["packed", "bucketed", "max_length"])
@settings(max_examples=60)
@given(rows=samples())
def test_every_layout_trains_the_same_tokens(batching: Batching, rows: list[Row]) -> None:
    batches = Layout(batching, 30, 40, 2)(RowSet(rows), range(len(rows)))
    assert Counter(target for batch in batches for target in batch.targets.tolist()) == Counter(
        target for _, target in wanted(rows).elements()
    )
    if batching != "packed":
        assert sum((predictions(batch) for batch in batches), Counter()) == wanted(rows)
