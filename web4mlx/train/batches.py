"""Which samples make which step, and how a step's samples are laid out in micro-batches.

A step is `samples_per_step` samples. Its gradient is that of all its supervised tokens together, so the
layout in micro-batches changes memory and speed, never the result.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from web4mlx.data.rows import RowSet

LENGTH_MULTIPLE = 8
CALL_OVERHEAD_TOKENS = 48


@dataclass(frozen=True)
class StepPlan:
    """One optimizer step: its number from 1, the epoch it belongs to (from 0) and its samples."""

    step: int
    epoch: int
    samples: NDArray[np.int64]


class Sampler:
    """The order of samples: each exactly once per epoch, fixed by the seed.

    An epoch has `rows // samples_per_step` steps (at least one); the remainder is spread over them, so that
    a few steps have one sample more.

    Args:
        rows: Number of samples.
        samples_per_step: Samples of a step.
        epochs: Epochs, may be fractional; the last one is cut.
        seed: Decides the order.
    """

    def __init__(self, rows: int, samples_per_step: int, epochs: float, seed: int) -> None:
        self.rows = rows
        self.seed = seed
        self.steps_per_epoch = max(1, rows // samples_per_step)
        self.total_steps = max(1, int(epochs * self.steps_per_epoch + 1e-9))

    def steps(self, start: int = 0) -> Iterator[StepPlan]:
        """The steps after step number `start`, in order."""
        parts: list[NDArray[np.int64]] = []
        for step in range(start + 1, self.total_steps + 1):
            epoch, index = divmod(step - 1, self.steps_per_epoch)
            if index == 0 or not parts:
                parts = self._epoch(epoch)
            yield StepPlan(step, epoch, parts[index])

    def _epoch(self, epoch: int) -> list[NDArray[np.int64]]:
        order = np.random.default_rng([self.seed, epoch]).permutation(self.rows)
        return np.array_split(order, self.steps_per_epoch)


@dataclass(frozen=True)
class MicroBatch:
    """Rows padded on the right to one length.

    Attributes:
        inputs: Token ids, shape (rows, length), int32.
        positions: Flat positions (row * length + column) whose next token is supervised, int32.
        targets: The supervised next tokens, same shape as `positions`, int32.
        tokens: Real tokens, without padding.
    """

    inputs: NDArray[np.int32]
    positions: NDArray[np.int32]
    targets: NDArray[np.int32]
    tokens: int


def lay_out(rows: RowSet, samples: Sequence[int], budget_tokens: int) -> list[MicroBatch]:
    """Lay the samples of a step out in micro-batches by length, longest first.

    Args:
        rows: All rows.
        samples: Indices of the step's samples.
        budget_tokens: Most padded tokens of a micro-batch; a longer single row stands alone.
    """
    lengths = rows.lengths
    order = sorted(samples, key=lambda index: (-int(lengths[index]), int(index)))
    padded = [_pad_length(int(lengths[index])) for index in order]
    return [make_batch(rows, order[start:end]) for start, end in _partition(padded, budget_tokens)]


def lay_out_padded(rows: RowSet, samples: Sequence[int], length: int, batch_size: int) -> list[MicroBatch]:
    """Lay out with every row padded to `length`, `batch_size` rows at a time (`batching = max_length`)."""
    chunks = [list(samples[start : start + batch_size]) for start in range(0, len(samples), batch_size)]
    return [make_batch(rows, chunk, length) for chunk in chunks]


def _pad_length(length: int) -> int:
    """Length of the padded input row: the last token is only a target."""
    return -(-(length - 1) // LENGTH_MULTIPLE) * LENGTH_MULTIPLE


def _partition(padded: Sequence[int], budget: int) -> list[tuple[int, int]]:
    """Cut rows sorted by falling length into groups of least padded work plus overhead per group."""
    count = len(padded)
    best = [0.0] + [float("inf")] * count
    previous = [0] * (count + 1)
    for end in range(1, count + 1):
        for start in range(end):
            width = padded[start] * (end - start)
            if width > budget and end - start > 1:
                continue
            cost = best[start] + width + CALL_OVERHEAD_TOKENS
            if cost < best[end]:
                best[end], previous[end] = cost, start
    groups: list[tuple[int, int]] = []
    end = count
    while end > 0:
        groups.append((previous[end], end))
        end = previous[end]
    return groups[::-1]


def make_batch(rows: RowSet, samples: Sequence[int], length: int | None = None) -> MicroBatch:
    """Pad some rows into one micro-batch of `length` input tokens (default: the longest, rounded up)."""
    spans = [(int(rows.offsets[index]), int(rows.offsets[index + 1])) for index in samples]
    width = length or max(_pad_length(end - start) for start, end in spans)
    inputs = np.zeros((len(spans), width), np.int32)
    positions: list[NDArray[np.int64]] = []
    targets: list[NDArray[np.int32]] = []
    for line, (start, end) in enumerate(spans):
        inputs[line, : end - start - 1] = rows.tokens[start : end - 1]
        columns = np.flatnonzero(rows.mask[start + 1 : end])
        positions.append(line * width + columns)
        targets.append(rows.tokens[start + 1 : end][columns])
    return MicroBatch(
        inputs,
        np.concatenate(positions).astype(np.int32),
        np.concatenate(targets).astype(np.int32),
        sum(end - start for start, end in spans),
    )
