"""How a step's samples are laid out in micro-batches.

The gradient of a step is that of all its supervised tokens together, so the layout changes memory and speed,
never the result.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from web4mlx.data.rows import RowSet

LENGTH_MULTIPLE = 8
CALL_OVERHEAD_TOKENS = 48
Segment = tuple[int, int]
Batching = Literal["packed", "bucketed", "max_length"]


@dataclass(frozen=True)
class MicroBatch:
    """Samples that go through the model together: one packed row, or rows padded on the right to one length.

    Attributes:
        inputs: Token ids, shape (rows, length), int32.
        segments: Flat ranges of the samples' own tokens, in order.
        prefix: Tokens at the head of a packed row that stand before every segment.
        positions: Flat positions (row * length + column) whose next token is supervised, int32; with a prefix
            one may occur more than once.
        targets: The supervised next tokens, same shape as `positions`, int32.
        tokens: Real tokens of the samples, as a user counts them: no padding, shared ones for each sample.
    """

    inputs: NDArray[np.int32]
    segments: tuple[Segment, ...]
    prefix: int
    positions: NDArray[np.int32]
    targets: NDArray[np.int32]
    tokens: int

    @property
    def token_positions(self) -> NDArray[np.int64]:
        """Position of each flat token in its own sample."""
        positions = np.zeros(self.inputs.size, np.int64)
        positions[: self.prefix] = np.arange(self.prefix)
        for start, end in self.segments:
            positions[start:end] = np.arange(self.prefix, self.prefix + end - start)
        return positions


@dataclass(frozen=True)
class Layout:
    """A way to lay out steps.

    Attributes:
        batching: `packed`, `bucketed` by length, or everything padded to `max_length`.
        row_tokens: Most tokens of a micro-batch; a longer single sample stands alone.
        max_length: Longest sample, the width of `max_length` rows.
        batch_size: Rows of a `max_length` micro-batch.
    """

    batching: Batching
    row_tokens: int
    max_length: int
    batch_size: int = 1

    def __call__(self, rows: RowSet, samples: Sequence[int]) -> list[MicroBatch]:
        """Lay out samples, the largest micro-batches first."""
        from web4mlx.train.packing import pack

        if self.batching == "packed":
            return pack(rows, samples, self.row_tokens)
        if self.batching == "bucketed":
            return lay_out_bucketed(rows, samples, self.row_tokens)
        return lay_out_padded(rows, samples, self.max_length, self.batch_size)


def lay_out_bucketed(rows: RowSet, samples: Sequence[int], row_tokens: int) -> list[MicroBatch]:
    """Lay samples out in padded micro-batches of similar lengths, longest first."""
    lengths = rows.lengths
    order = sorted(samples, key=lambda index: (-int(lengths[index]), int(index)))
    padded = [_pad_length(int(lengths[index])) for index in order]
    return [make_batch(rows, order[start:end]) for start, end in _partition(padded, row_tokens)]


def lay_out_padded(rows: RowSet, samples: Sequence[int], length: int, batch_size: int) -> list[MicroBatch]:
    """Lay samples out with every row padded to `length`, `batch_size` rows at a time."""
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
        tuple((line * width, (line + 1) * width) for line in range(len(spans))),
        0,
        np.concatenate(positions).astype(np.int32),
        np.concatenate(targets).astype(np.int32),
        sum(end - start for start, end in spans),
    )
