"""Which samples make which step: each exactly once per epoch, in an order fixed by the seed."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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
