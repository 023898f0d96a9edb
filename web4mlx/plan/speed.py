"""The operations of a training step, counted, and what they would take at a few measured speeds.

`web4mlx.plan.calibrate` corrects the result by what one layer really takes. Large products run at the
machine's product speed, rank-r products far slower, everything else is counted in passes over arrays. The
counts follow the code of `web4mlx.train`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from web4mlx.plan.shape import ModelShape
from web4mlx.plan.work import RowWork
from web4mlx.train.recompute import Recompute

EXP_PASSES = 18
"""Passes over an array that `elementwise.exp2` makes on a CPU."""
ROUNDS = 5


@dataclass(frozen=True)
class MachineSpeed:
    """Measured speeds.

    Attributes:
        product: Operations a second of products with the base's matrices.
        thin: Operations a second of products with rank-r matrices.
        scores: Operations a second of attention's batched products.
        pass_s: Seconds a value of one element-wise pass, temporaries included.
        reduce_s: Seconds a value of a reduction.
    """

    product: float
    thin: float
    scores: float
    pass_s: float
    reduce_s: float


def measure_speed(shape: ModelShape, value_type: str) -> MachineSpeed:
    """Measure this machine for a second or two, on matrices of this model's sizes.

    Args:
        shape: The model.
        value_type: Name of the precision, e.g. `float32`.
    """
    import mlx.core as mx

    dtype = getattr(mx, value_type)
    tokens = 512

    def normal(*sizes: int) -> mx.array:
        return mx.random.normal(sizes, key=mx.random.key(1)).astype(dtype)

    x, wide = normal(tokens, shape.hidden), normal(tokens, shape.wide)
    matrix, low = normal(shape.wide, shape.hidden), normal(shape.hidden, shape.rank)
    query, key = normal(shape.heads, 128, shape.head_size), normal(shape.heads, 128, shape.head_size)
    mx.eval(x, wide, matrix, low, query, key)
    size = wide.size

    def chain() -> mx.array:
        y = wide
        for _ in range(4):
            y = (y * 0.5 + wide) - 0.25
        return y

    product_s = _fastest(lambda: mx.eval(x @ matrix.T, wide @ matrix))
    thin_s = _fastest(lambda: mx.eval(x @ low, x.T @ (x @ low)))
    scores_s = _fastest(lambda: mx.eval(query @ key.swapaxes(-1, -2)))
    return MachineSpeed(
        product=4 * tokens * shape.hidden * shape.wide / product_s,
        thin=6 * tokens * shape.hidden * shape.rank / thin_s,
        scores=2 * shape.heads * 128 * 128 * shape.head_size / scores_s,
        pass_s=_fastest(lambda: mx.eval(chain())) / (12 * size),
        reduce_s=_fastest(lambda: mx.eval(mx.max(wide, axis=-1), wide.sum(axis=-1))) / (2 * size),
    )


def product_speed(shape: ModelShape, value_type: str) -> float:
    """Operations a second of one product with the base's largest matrix in a precision."""
    import mlx.core as mx

    dtype = getattr(mx, value_type)
    rows = 64
    x = mx.random.normal((rows, shape.hidden)).astype(dtype)
    matrix = mx.random.normal((shape.wide, shape.hidden)).astype(dtype)
    mx.eval(x, matrix)
    return 2 * rows * shape.hidden * shape.wide / _fastest(lambda: mx.eval(x @ matrix.T))


def _fastest(run: Callable[[], None]) -> float:
    """Seconds of the fastest of some calls, which other programs have disturbed least."""
    run()
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return min(times)


def layer_seconds(
    shape: ModelShape, work: RowWork, way: Recompute, speed: MachineSpeed, dropout: bool
) -> float:
    """Forward and backward of one layer."""
    tokens, scores = work.computed, work.scores * shape.heads
    again = way != "none"
    base = tokens * shape.projections * 4.0
    if way == "full":
        base += 2.0 * tokens * (shape.projections - shape.down)
    inputs = 2 * shape.hidden + shape.queries + shape.wide
    outputs = shape.queries + 2 * shape.keys + 2 * shape.wide + 2 * shape.hidden
    adapted = shape.adapter / max(shape.layers, 1)
    thin = tokens * adapted * (6 + 2 * again)
    products = scores * shape.head_size * (12 + 2 * again)
    forward = scores * (EXP_PASSES + 5) + tokens * (
        shape.wide * (EXP_PASSES + 5) + outputs + 12 * shape.hidden + 8 * (shape.queries + shape.keys)
    )
    if dropout:
        forward += tokens * inputs * 12
    backward = scores * 5 + tokens * (
        8 * shape.wide + outputs + 24 * shape.hidden + 8 * (shape.queries + shape.keys)
    )
    if way == "selective":
        backward += scores * (EXP_PASSES + 2) + tokens * (shape.wide * EXP_PASSES + 8 * shape.hidden)
    elif way == "full":
        backward += forward
    passes = (forward + backward) * speed.pass_s + 2 * scores * speed.reduce_s
    return base / speed.product + thin / speed.thin + products / speed.scores + passes


def head_seconds(shape: ModelShape, work: RowWork, speed: MachineSpeed) -> float:
    """The head and the cross-entropy, forward and gradient in one pass."""
    logits = work.supervised * shape.vocabulary
    passes = logits * ((EXP_PASSES + 1) * speed.pass_s + 2 * speed.reduce_s)
    return 4.0 * logits * shape.hidden / speed.product + passes
