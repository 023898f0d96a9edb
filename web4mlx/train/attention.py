"""Causal attention within the segments of a row, and its gradient, without any mask over the whole row.

A row is a flat sequence of tokens: an optional prefix that all segments share, then the segments. Each
segment attends to the prefix and to itself. Queries are taken in blocks, so that about half of the causal
triangle is never computed and the largest temporary is one block's scores. The backward pass computes the
scores again from queries and keys, or takes the kept probabilities; gradients into the prefix add up over the
segments.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import mlx.core as mx
import numpy as np

from web4mlx.train.elementwise import LOG2_E, exp2

BLOCK_QUERIES = 128
MASKED = -1e30
KEPT_MASKS = 64
"""More than the blocks of most rows; of rows of 2048 tokens they are 67 MB at most."""


@dataclass(frozen=True)
class Heads:
    """Query heads, key/value heads, and values of a head."""

    queries: int
    keys: int
    size: int


@dataclass(frozen=True)
class Block:
    """Queries [start, end) of the segment that begins at `segment`, behind `prefix` shared tokens."""

    start: int
    end: int
    segment: int
    prefix: int


def blocks_of(segments: tuple[tuple[int, int], ...], prefix: int) -> list[Block]:
    """Cut a row's segments into blocks of queries, in flat order."""
    whole = [(0, prefix, 0)] if prefix else []
    whole += [(start, end, prefix) for start, end in segments]
    return [
        Block(first, min(first + BLOCK_QUERIES, end), start, shared)
        for start, end, shared in whole
        for first in range(start, end, BLOCK_QUERIES)
    ]


def attend(
    queries: mx.array, keys: mx.array, values: mx.array, blocks: list[Block], heads: Heads, keep: bool
) -> mx.array:
    """Attention of a row.

    Args:
        queries: Shape (tokens, heads.queries, heads.size), rotated.
        keys: Shape (tokens, heads.keys, heads.size), rotated.
        values: Like `keys`.
        blocks: From `blocks_of`; they cover all tokens in order.
        heads: Numbers of heads.
        keep: Whether probabilities are kept for the backward pass (faster) or computed again (leaner).

    Returns:
        Shape (tokens, heads.queries, heads.size).
    """

    @mx.custom_function
    def forward(queries: mx.array, keys: mx.array, values: mx.array) -> list[mx.array]:
        results, kept = [], []
        for block in blocks:
            query = _group(queries[block.start : block.end], heads)
            key, value = _visible(keys, block), _visible(values, block)
            scores = _scores(query, key, block, heads)
            top = mx.max(scores, axis=-1, keepdims=True)
            weights = exp2(scores - top)
            total = weights.sum(axis=-1, keepdims=True)
            result = (weights.astype(value.dtype) @ value).astype(total.dtype) / total
            results.append(_ungroup(result.astype(value.dtype), heads))
            kept += [weights, total] if keep else [top + mx.log(total) * LOG2_E]
        return [mx.concatenate(results), *kept]

    @forward.vjp
    def backward(primals: Any, cotangents: Any, outputs: Any) -> Any:
        queries, keys, values = primals
        query_gradients = []
        key_gradients, value_gradients = _SegmentSums(), _SegmentSums()
        kept = iter(outputs[1:])
        for block in blocks:
            query = _group(queries[block.start : block.end], heads)
            key, value = _visible(keys, block), _visible(values, block)
            result = _group(outputs[0][block.start : block.end], heads)
            cotangent = _group(cotangents[0][block.start : block.end], heads)
            if keep:
                weights, total = next(kept), next(kept)
                cotangent = (cotangent / total).astype(query.dtype)
            else:
                weights = exp2(_scores(query, key, block, heads) - next(kept))
            inner = (cotangent * result).sum(axis=-1, keepdims=True)
            slopes = weights.astype(query.dtype) * ((cotangent @ value.swapaxes(-1, -2)) - inner)
            scaled = query * heads.size**-0.5
            query_gradients.append(_ungroup(slopes @ (key * heads.size**-0.5), heads))
            key_gradients.add(block, slopes.swapaxes(-1, -2) @ scaled)
            value_gradients.add(block, weights.astype(query.dtype).swapaxes(-1, -2) @ cotangent)
        return mx.concatenate(query_gradients), key_gradients.rows(), value_gradients.rows()

    result: mx.array = forward(queries, keys, values)[0]  # type: ignore[index]  # typed as object
    return result


def _group(rows: mx.array, heads: Heads) -> mx.array:
    """(tokens, query heads, size) → (key heads, query heads per key head * tokens, size)."""
    per_key = heads.queries // heads.keys
    split = rows.reshape(rows.shape[0], heads.keys, per_key, heads.size)
    return split.transpose(1, 2, 0, 3).reshape(heads.keys, -1, heads.size)


def _ungroup(grouped: mx.array, heads: Heads) -> mx.array:
    """The reverse of `_group`."""
    per_key = heads.queries // heads.keys
    split = grouped.reshape(heads.keys, per_key, -1, heads.size)
    return split.transpose(2, 0, 1, 3).reshape(-1, heads.queries, heads.size)


def _visible(rows: mx.array, block: Block) -> mx.array:
    """Keys or values a block sees, (tokens, key heads, size) → (key heads, visible, size)."""
    own = rows[block.segment : block.end]
    seen = mx.concatenate([rows[: block.prefix], own]) if block.prefix else own
    return seen.transpose(1, 0, 2)


def _scores(query: mx.array, key: mx.array, block: Block, heads: Heads) -> mx.array:
    """Masked scores in units of log2, shape (key heads, grouped queries, visible).

    The product is taken in at least float32: Qwen2's key biases make scores of hundreds, where the steps of
    half precision are too large for a softmax.
    """
    wide = mx.float64 if query.dtype == mx.float64 else mx.float32
    scores = (query.astype(wide) * (heads.size**-0.5 * LOG2_E)) @ key.astype(wide).swapaxes(-1, -2)
    count, visible = block.end - block.start, key.shape[1]
    mask = _causal_mask(count, visible).astype(scores.dtype)
    masked: mx.array = scores.reshape(heads.keys, -1, count, visible) + mask
    return masked.reshape(scores.shape)


@lru_cache(maxsize=KEPT_MASKS)
def _causal_mask(count: int, visible: int) -> mx.array:
    """What is added to scores: the last `count` of the visible tokens are the queries themselves."""
    later = np.arange(visible) > np.arange(visible - count, visible)[:, None]
    return mx.array(np.where(later, np.float32(MASKED), np.float32(0)))


class _SegmentSums:
    """Adds up the gradients of keys or values that blocks of queries give."""

    def __init__(self) -> None:
        self._prefix: mx.array | None = None
        self._segments: list[mx.array] = []

    def add(self, block: Block, gradient: mx.array) -> None:
        """Add a block's gradient, shape (key heads, visible, size)."""
        if block.prefix:
            shared, gradient = gradient[:, : block.prefix], gradient[:, block.prefix :]
            self._prefix = shared if self._prefix is None else self._prefix + shared
        if block.start == block.segment:
            self._segments.append(gradient)
            return
        so_far = self._segments[-1]
        known = so_far.shape[1]
        self._segments[-1] = mx.concatenate([so_far + gradient[:, :known], gradient[:, known:]], axis=1)

    def rows(self) -> mx.array:
        """The gradient of all tokens in flat order, shape (tokens, key heads, size)."""
        first, *others = self._segments
        parts = [first if self._prefix is None else first + self._prefix, *others]
        return mx.concatenate(parts, axis=1).transpose(1, 0, 2)
