"""The work of training rows: what their layout costs, for one row and for a whole run."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from web4mlx.data.rows import RowSet
from web4mlx.train.attention import blocks_of
from web4mlx.train.batches import Layout, MicroBatch
from web4mlx.train.sampler import Sampler

SAMPLED_STEPS = 200


@dataclass(frozen=True)
class RowWork:
    """A micro-batch, or the sum of many.

    Attributes:
        computed: Tokens that go through the layers, padding included, shared ones once.
        supervised: Positions the head runs on.
        scores: Query-key pairs of one attention head.
        real: Tokens of all samples, as a user counts them.
        batches: Micro-batches.
    """

    computed: float
    supervised: float
    scores: float
    real: float
    batches: float = 1

    def scaled(self, factor: float) -> "RowWork":
        """This work `factor` times."""
        return RowWork(*(value * factor for value in self.__dict__.values()))


@dataclass(frozen=True)
class RunWork:
    """A run: its micro-batch that needs most memory, and all of it together."""

    largest: RowWork
    largest_samples: tuple[int, ...]
    total: RowWork
    steps: int


def work_of(batch: MicroBatch) -> RowWork:
    """The work of one micro-batch."""
    blocks = blocks_of(batch.segments, batch.prefix)
    scores = sum((block.end - block.start) * (block.prefix + block.end - block.segment) for block in blocks)
    return RowWork(batch.inputs.size, len(batch.targets), scores, batch.tokens)


def add_up(works: Iterable[RowWork]) -> RowWork:
    """The sum of some work."""
    columns = zip(*(work.__dict__.values() for work in works), strict=True)
    return RowWork(*(float(sum(column)) for column in columns))


def work_of_run(rows: RowSet, sampler: Sampler, layout: Layout) -> RunWork:
    """Lay out evenly spread steps (all of them in a short run), and the heaviest step of each epoch.

    Args:
        rows: Training rows.
        sampler: Their order.
        layout: How steps become micro-batches.
    """
    plans, lengths = list(sampler.steps()), rows.lengths
    chosen = plans[:: max(1, len(plans) // SAMPLED_STEPS)]
    weights = [int(lengths[plan.samples].sum()) for plan in plans]
    heaviest = plans[int(np.argmax(weights))]
    longest = plans[int(np.argmax([int(lengths[plan.samples].max()) for plan in plans]))]
    done = [work_of(batch) for plan in chosen for batch in layout(rows, plan.samples.tolist())]
    total = add_up(done).scaled(sum(weights) / sum(int(lengths[p.samples].sum()) for p in chosen))
    candidates = [
        (work_of(batch), plan)
        for plan in (heaviest, longest)
        for batch in layout(rows, plan.samples.tolist())
    ]
    largest, plan = max(candidates, key=lambda pair: pair[0].computed)
    return RunWork(largest, tuple(plan.samples.tolist()), total, len(plans))
