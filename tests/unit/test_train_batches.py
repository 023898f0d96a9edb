"""The order and layout of samples: each once per epoch, results independent of the layout."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from web4mlx.data.chat import Row
from web4mlx.data.rows import RowSet
from web4mlx.train.batches import lay_out_bucketed, lay_out_padded
from web4mlx.train.sampler import Sampler


def random_rows(count: int, seed: int = 0) -> RowSet:
    generator = np.random.default_rng(seed)
    rows = []
    for length in generator.integers(4, 60, count):
        prompt = int(generator.integers(1, length - 1))
        tokens = tuple(generator.integers(3, 200, length).tolist())
        rows.append(Row(tokens, (False,) * prompt + (True,) * (int(length) - prompt)))
    return RowSet(rows)


@settings(max_examples=80, deadline=None)
@given(
    rows=st.integers(1, 400), per_step=st.integers(1, 40), epochs=st.integers(1, 3), seed=st.integers(0, 9)
)
def test_every_row_is_seen_exactly_once_per_epoch(rows: int, per_step: int, epochs: int, seed: int) -> None:
    sampler = Sampler(rows, per_step, epochs, seed)
    seen: dict[int, list[int]] = {epoch: [] for epoch in range(epochs)}
    for plan in sampler.steps():
        seen[plan.epoch].extend(plan.samples.tolist())
    assert all(sorted(order) == list(range(rows)) for order in seen.values())


def test_the_plan_of_37000_samples_stays_6166_steps() -> None:
    assert Sampler(37_000, 12, 2, 0).total_steps == 6166


def test_steps_after_a_resume_are_those_of_an_uninterrupted_run() -> None:
    whole = list(Sampler(50, 7, 3, 1).steps())
    later = list(Sampler(50, 7, 3, 1).steps(9))
    assert [p.step for p in later] == [p.step for p in whole[9:]]
    for left, right in zip(whole[9:], later, strict=True):
        assert np.array_equal(left.samples, right.samples)


def test_epochs_differ_in_order() -> None:
    steps = list(Sampler(24, 12, 2, 3).steps())
    assert not np.array_equal(steps[0].samples, steps[2].samples)


@pytest.mark.parametrize("budget", [1, 64, 128, 4096])
def test_layout_holds_each_supervised_token_once(budget: int) -> None:
    rows = random_rows(13)
    batches = lay_out_bucketed(rows, range(13), budget)
    assert sum(len(batch.targets) for batch in batches) == int(rows.supervised.sum())
    assert sum(batch.tokens for batch in batches) == int(rows.lengths.sum())
    for batch in batches:
        flat = batch.inputs.reshape(-1)
        assert batch.inputs.size <= budget or len(batch.inputs) == 1
        assert len(flat) > batch.positions.max()


def test_target_of_a_position_is_the_token_after_it() -> None:
    rows = RowSet([Row((10, 11, 12, 13), (False, False, True, True))])
    (batch,) = lay_out_bucketed(rows, [0], 100)
    assert batch.inputs[0, :3].tolist() == [10, 11, 12]
    assert batch.positions.tolist() == [1, 2]
    assert batch.targets.tolist() == [12, 13]


def test_max_length_layout_pads_every_row_to_the_limit() -> None:
    batches = lay_out_padded(random_rows(5), range(5), 64, 2)
    assert [batch.inputs.shape for batch in batches] == [(2, 64), (2, 64), (1, 64)]
