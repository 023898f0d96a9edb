"""One optimizer step: gradients over micro-batches, scaling, clipping, the update, or a skip.

The step's gradient is that of the sum of its token losses over the number of its supervised tokens,
whatever the layout in micro-batches. Dropout draws from a seed made of run seed, step and micro-batch, so
there is no generator state to save and validation cannot disturb it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import mlx.core as mx
import mlx.optimizers as optim
import numpy as np

from web4mlx.config.schema import TrainingConfig
from web4mlx.train.batches import MicroBatch
from web4mlx.train.lora import Adapters
from web4mlx.train.loss import token_loss_sum
from web4mlx.train.network import Network

GROWTH_INTERVAL = 200
FIRST_SCALE = 2.0**12


@dataclass
class LossScale:
    """Dynamic loss scaling for float16; 1 and constant for other precisions."""

    value: float = 1.0
    good_steps: int = 0

    @classmethod
    def for_dtype(cls, dtype: mx.Dtype) -> "LossScale":
        """The first scale of a precision."""
        return cls(FIRST_SCALE if dtype == mx.float16 else 1.0)

    def update(self, finite: bool, dtype: mx.Dtype) -> None:
        """Halve after a non-finite gradient, double after a stretch of good ones."""
        if dtype != mx.float16:
            return
        self.good_steps = self.good_steps + 1 if finite else 0
        if not finite:
            self.value = max(1.0, self.value / 2)
        elif self.good_steps % GROWTH_INTERVAL == 0:
            self.value = min(2.0**16, self.value * 2)


def new_optimizer(training: TrainingConfig) -> optim.Optimizer:
    """AdamW with decoupled weight decay and bias correction; betas 0.9 and 0.999, epsilon 1e-8."""
    return optim.AdamW(
        learning_rate=training.learning_rate, weight_decay=training.weight_decay, bias_correction=True
    )


def step_gradients(
    network: Network,
    adapters: Adapters,
    batches: Sequence[MicroBatch],
    seed: int | None,
    scale: float,
) -> tuple[mx.array, Adapters]:
    """Mean token loss of a step and its gradient (not yet unscaled).

    Args:
        network: The model.
        adapters: Float32 master weights.
        batches: The step's micro-batches.
        seed: Decides dropout, micro-batch i uses `seed + i`; None: no dropout.
        scale: Loss scale.

    Returns:
        The loss (scalar, unscaled) and float32 gradients times `scale`.

    Raises:
        ValueError: There is no micro-batch.
    """
    if not batches:
        raise ValueError("a step needs at least one micro-batch")
    supervised = sum(len(batch.targets) for batch in batches)

    total: mx.array | None = None
    gradients: Adapters = {}
    for index, batch in enumerate(batches):
        value, parts = _loss_and_gradients(
            network, adapters, batch, None if seed is None else seed + index, scale / supervised
        )
        total = value if total is None else total + value
        gradients = {key: gradients[key] + part for key, part in parts.items()} if gradients else parts
        mx.eval(total, gradients)
    assert total is not None
    return total / scale, gradients


def _loss_and_gradients(
    network: Network, adapters: Adapters, batch: MicroBatch, seed: int | None, weight: float
) -> tuple[mx.array, Adapters]:
    """One micro-batch's weighted loss sum and its gradients, not evaluated yet."""
    run = mx.value_and_grad(lambda weights: token_loss_sum(network, weights, batch, seed) * weight)
    if network.compiled:
        run = mx.compile(run)
    result: tuple[mx.array, Adapters] = run(adapters)
    return result


def scalar(value: mx.array) -> float:
    """The number an array of one element holds."""
    return float(np.array(value.astype(mx.float32)).item())


def apply_gradients(
    adapters: Adapters, gradients: Adapters, optimizer: optim.Optimizer, max_norm: float, scale: float
) -> tuple[Adapters, float]:
    """Unscale, clip by global norm and update.

    Returns:
        The new adapters and the norm before clipping; the same adapters and a non-finite norm when the
        gradient is not finite, in which case the optimizer is untouched.
    """
    squares = [mx.square(gradients[key].astype(mx.float32)).sum() for key in sorted(gradients)]
    norm = mx.sqrt(mx.stack(squares).sum()) / scale
    norm_value = scalar(norm)
    if not norm_value < float("inf"):
        return adapters, norm_value
    factor = min(1.0, max_norm / (norm_value + 1e-6)) / scale
    updated = optimizer.apply_gradients({key: g * factor for key, g in gradients.items()}, adapters)
    mx.eval(updated, optimizer.state)
    return updated, norm_value
