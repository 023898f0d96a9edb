"""Packing the samples of one optimizer step into rows, and sharing the tokens they all begin with.

The samples of a row stand one behind the other; the prefix that is common to all of them (the chat template's
head and the system prompt) stands once at the row's head. Every sample is as if it were alone: attention per
segment, positions counted from the prefix's end. The prefix ends before the first supervised token of any
sample, so that it has no target of its own; its last position may predict the first token of several samples.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from web4mlx.data.rows import RowSet
from web4mlx.train.batches import MicroBatch


def pack(rows: RowSet, samples: Sequence[int], row_tokens: int) -> list[MicroBatch]:
    """Pack samples into as few rows of at most `row_tokens` as fit.

    Args:
        rows: All samples.
        samples: Indices of the step's samples.
        row_tokens: Most tokens of a row; a longer single sample stands alone.

    Returns:
        Balanced rows, longest first.
    """
    prefix = shared_prefix(rows, samples)
    costs = {int(index): rows.length(index) - 1 - prefix for index in samples}
    capacity = max(row_tokens - prefix, 1)
    count = len(_first_fit(costs, capacity))
    return [make_row(rows, group) for group in _balance(costs, capacity, count)]


def shared_prefix(rows: RowSet, samples: Sequence[int]) -> int:
    """Leading input tokens that are the same in all samples and not supervised in any."""
    first = rows.offsets[samples[0]]
    limit = min(min(rows.length(i) - 1, _first_supervised(rows, i)) for i in samples)
    for index in samples[1:]:
        start = rows.offsets[index]
        differs = rows.tokens[first : first + limit] != rows.tokens[start : start + limit]
        if differs.any():
            limit = int(differs.argmax())
    return limit


def _first_supervised(rows: RowSet, index: int) -> int:
    return int(rows.mask[rows.offsets[index] : rows.offsets[index + 1]].argmax())


def _falling(costs: dict[int, int]) -> list[int]:
    return sorted(costs, key=lambda index: (-costs[index], index))


def _first_fit(costs: dict[int, int], capacity: int) -> list[int]:
    """Loads of the rows that first-fit decreasing needs."""
    loads: list[int] = []
    for index in _falling(costs):
        fitting = next((i for i, load in enumerate(loads) if load + costs[index] <= capacity), None)
        if fitting is None:
            loads.append(costs[index])
        else:
            loads[fitting] += costs[index]
    return loads


def _balance(costs: dict[int, int], capacity: int, count: int) -> list[list[int]]:
    """Spread samples over `count` rows of similar load; one more row where something does not fit."""
    groups: list[list[int]] = [[] for _ in range(count)]
    loads = [0] * count
    for index in _falling(costs):
        lightest = loads.index(min(loads))
        if groups[lightest] and loads[lightest] + costs[index] > capacity:
            groups.append([])
            loads.append(0)
            lightest = len(loads) - 1
        groups[lightest].append(index)
        loads[lightest] += costs[index]
    heaviest_first = sorted(range(len(groups)), key=lambda i: (-loads[i], i))
    return [groups[i] for i in heaviest_first if groups[i]]


def make_row(rows: RowSet, samples: Sequence[int]) -> MicroBatch:
    """One packed row."""
    prefix = shared_prefix(rows, samples) if len(samples) > 1 else 0
    pieces: list[NDArray[np.int32]] = []
    positions: list[NDArray[np.int64]] = []
    targets: list[NDArray[np.int32]] = []
    segments = []
    end = 0
    for number, index in enumerate(samples):
        start, stop = int(rows.offsets[index]), int(rows.offsets[index + 1])
        tokens = rows.tokens[start:stop]
        if number == 0:
            pieces.append(tokens[:prefix])
            end = prefix
        supervised = np.flatnonzero(rows.mask[start + 1 : stop])
        positions.append(np.where(supervised < prefix, supervised, supervised - prefix + end))
        targets.append(tokens[1:][supervised])
        own = tokens[prefix:-1]
        if len(own):
            pieces.append(own)
            segments.append((end, end + len(own)))
            end += len(own)
    return MicroBatch(
        np.concatenate(pieces).astype(np.int32)[None],
        tuple(segments),
        prefix,
        np.concatenate(positions).astype(np.int32),
        np.concatenate(targets).astype(np.int32),
        sum(rows.length(index) for index in samples),
    )
