"""Peak memory of a training step, predicted from shapes: what each part holds when it holds most.

Sizes follow the code of `web4mlx.train`: what a layer keeps for the backward pass in each way of recomputing,
and the largest temporaries beside it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from web4mlx.plan.shape import ModelShape
from web4mlx.plan.work import RowWork
from web4mlx.train.attention import BLOCK_QUERIES
from web4mlx.train.loss import chunk_shape
from web4mlx.train.recompute import Recompute

MASTER_BYTES = 4
"""Bytes of a master weight, a gradient, an optimizer moment, an attention score."""
LIVE_SCORES = 5
"""Arrays of a block's scores that exist at a time."""
LIVE_LOGITS = 20
"""Arrays of a piece of the logits that exist at a time, measured."""


@dataclass(frozen=True)
class Settings:
    """What memory depends on besides shape and row.

    Attributes:
        value_bytes: Bytes of an activation.
        weight_bytes: Bytes of the base's weights in all.
        dropout: Whether adapters have dropout.
        on_gpu: Decides the chunks of the head.
    """

    value_bytes: int
    weight_bytes: int
    dropout: bool
    on_gpu: bool


@dataclass(frozen=True)
class Memory:
    """Bytes of each part; their sum is the predicted peak.

    `loss` is what the head hands back; its temporaries come before those of the layers' backward pass, so
    `transient` is the larger of the two.
    """

    weights: int
    adapters: int
    optimizer: int
    activations: int
    loss: int
    transient: int

    @property
    def peak(self) -> int:
        """The sum."""
        return sum(asdict(self).values())


def predict_memory(
    shape: ModelShape, row: RowWork, recompute: Sequence[Recompute], settings: Settings
) -> Memory:
    """Predict the peak of a step whose largest micro-batch is `row`.

    Args:
        shape: Model and adapter.
        row: The largest micro-batch.
        recompute: What each layer recomputes.
        settings: Precision and the like.
    """
    size = settings.value_bytes
    kept = sum(kept_values(shape, row, way, settings) for way in recompute)
    inner = kept_values(shape, row, "none", settings) if "full" in recompute else 0
    masters = shape.adapter * MASTER_BYTES
    cast_early = 1 - list(recompute).count("full") / len(recompute)
    backward = inner * size + _backward_bytes(shape, row, settings)
    return Memory(
        weights=settings.weight_bytes,
        adapters=int(3 * masters + cast_early * shape.adapter * size),
        optimizer=2 * masters,
        activations=int(kept * size),
        loss=int(row.supervised * shape.hidden * (2 * size + 2 * MASTER_BYTES)),
        transient=int(max(backward, _logit_bytes(shape, row, settings))),
    )


def kept_values(shape: ModelShape, row: RowWork, way: Recompute, settings: Settings) -> float:
    """Values that one layer keeps for its backward pass; scores count in values of `value_bytes`."""
    tokens, rank = row.computed, shape.rank
    hidden, wide, heads = shape.hidden, shape.wide, shape.queries + 2 * shape.keys
    if way == "full":
        return tokens * hidden
    widened = MASTER_BYTES / settings.value_bytes
    output_side = shape.queries + rank + (2 * shape.queries if settings.dropout else 0)
    if way == "selective":
        normalizers = shape.heads * widened
        return tokens * (2 * hidden + heads + output_side + 2 * wide + normalizers)
    # Without dropout adapters read what norms and SwiGLU give; with it, masked copies, and masks are kept.
    inputs = (2 if settings.dropout else 1) * (2 * hidden + wide)
    per_token = 2 * hidden + heads + output_side + 3 * wide + 6 * rank + inputs
    return tokens * per_token + row.scores * shape.heads * widened


def _backward_bytes(shape: ModelShape, row: RowWork, settings: Settings) -> float:
    """Temporaries of one layer's SwiGLU block or of one block of attention, whichever are larger.

    Dropout makes masks and their random words again; the counts of arrays are measured.
    """
    arrays = 15 if settings.dropout else 6
    longest = min(row.scores / max(row.computed, 1) * 2, row.computed)
    block = BLOCK_QUERIES * longest * shape.heads * MASTER_BYTES * LIVE_SCORES
    values = row.computed * (arrays * shape.wide + 2 * shape.hidden)
    return max(values * settings.value_bytes, block)


def _logit_bytes(shape: ModelShape, row: RowWork, settings: Settings) -> int:
    """One piece of the logits with its temporaries, and the pieces of its rows' gradient."""
    rows, columns = chunk_shape(shape.vocabulary, settings.on_gpu)
    rows = min(rows, int(row.supervised))
    pieces = -(-shape.vocabulary // columns)
    return rows * (columns * LIVE_LOGITS + pieces * shape.hidden) * MASTER_BYTES
