"""Training by several ranks, on one machine or on several: what they share out, sum and copy.

Each rank computes the gradient of its share of a step's samples; the sum is the step's gradient, and every
rank makes the same update. A process that trains alone never calls MLX's distributed part. Starting the
ranks is `mlx.launch`'s work; see docs/two-macs.md.
"""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from web4mlx.errors import StageCrashed
from web4mlx.train.launched import launched_place
from web4mlx.train.lora import Adapters

JOIN_WAIT_S, WAIT_S = 120.0, 900.0
AGAIN = (
    "Continue with `web4mlx train --resume auto`, alone or under `mlx.launch`: the last checkpoint is intact."
)


class RankLost(StageCrashed):
    """Another rank ended, or its machine is gone."""


class Ranks:
    """The processes that train together. All of them must call the same methods in the same order.

    Args:
        group: MLX's group; None for a process that trains alone.
    """

    def __init__(self, group: Any = None) -> None:
        self.group = group
        self.rank: int = group.rank() if group else 0
        self.size: int = group.size() if group else 1

    @property
    def is_writer(self) -> bool:
        """Whether this rank writes the run: checkpoints, TensorBoard, adapter, manifest."""
        return self.rank == 0

    def share(self, samples: Sequence[int], lengths: NDArray[np.int64]) -> list[int]:
        """The samples of a step that this rank computes: each rank gets about as many tokens, maybe none."""
        if self.size == 1:
            return list(samples)
        shares: list[list[int]] = [[] for _ in range(self.size)]
        loads = [0] * self.size
        for index in sorted(samples, key=lambda index: (-int(lengths[index]), index)):
            lightest = loads.index(min(loads))
            shares[lightest].append(index)
            loads[lightest] += int(lengths[index])
        return shares[self.rank]

    def sum_gradients(self, loss: mx.array, gradients: Adapters) -> tuple[mx.array, Adapters]:
        """The sums over the ranks of their parts of a step's loss and gradient, all float32."""
        if self.size == 1:
            return loss, gradients
        names = sorted(gradients)
        flat = mx.concatenate([loss.reshape(1), *(gradients[name].reshape(-1) for name in names)])
        mx.eval(flat)
        total = self._wait_for(mx.distributed.all_sum(flat, group=self.group))
        ends = np.cumsum([1, *(gradients[name].size for name in names)])
        parts = mx.split(total, ends[:-1].tolist())
        summed = {
            name: part.reshape(gradients[name].shape) for name, part in zip(names, parts[1:], strict=True)
        }
        return parts[0].reshape(()), summed

    def sum(self, *numbers: float) -> list[float]:
        """The sum over the ranks of each number, added in rank order and so the same everywhere."""
        if self.size == 1:
            return list(numbers)
        rows = self._gather(np.array(numbers, np.float64).view(np.uint8))
        return [float(total) for total in rows.view(np.float64).sum(axis=0)]

    def any(self, is_so: bool) -> bool:
        """Whether it is so on any rank."""
        return self.sum(is_so)[0] > 0

    def exchange(self, data: bytes) -> list[bytes]:
        """What each rank passes here, in rank order."""
        if self.size == 1:
            return [data]
        lengths = self._gather(np.array([len(data)], np.int64).view(np.uint8)).view(np.int64)[:, 0]
        rows = self._gather(np.frombuffer(data.ljust(max(1, lengths.max()), b"\0"), np.uint8))
        return [row[:length].tobytes() for row, length in zip(rows, lengths, strict=True)]

    def broadcast(self, data: bytes) -> bytes:
        """What rank 0 passes here."""
        if self.size == 1:
            return data
        length = int(self.sum(len(data) if self.is_writer else 0)[0])
        row = np.zeros(max(1, length), np.uint8)
        if self.is_writer:
            row[:length] = np.frombuffer(data, np.uint8)
        total = self._wait_for(mx.distributed.all_sum(mx.array(row), group=self.group))
        return np.array(total)[:length].tobytes()

    def _gather(self, row: NDArray[np.uint8]) -> NDArray[np.uint8]:
        gathered = mx.distributed.all_gather(mx.array(row)[None], group=self.group)
        return np.array(self._wait_for(gathered))

    def _wait_for(self, result: mx.array) -> mx.array:
        with killed_after(float(os.environ.get("WEB4MLX_RANK_WAIT_S", WAIT_S))):
            try:
                mx.eval(result)
            except RuntimeError as error:
                raise RankLost(
                    f"another rank was lost, its process ended or its machine is gone: {error}", AGAIN
                ) from error
        return result


def join_ranks() -> Ranks:
    """Find the other ranks that `mlx.launch` started; none where it did not start this process.

    Raises:
        StageCrashed: They did not find each other.
    """
    place = launched_place()
    if place.size == 1:
        return Ranks()
    with killed_after(JOIN_WAIT_S):
        try:
            group = mx.distributed.init(strict=True, backend=place.backend)
        except RuntimeError as error:
            raise StageCrashed(
                f"rank {place.rank} of {place.size} cannot reach the others: {error}",
                "Do all machines run this command? Are the hostfile's addresses and ports reachable?",
            ) from error
    if (group.rank(), group.size()) != (place.rank, place.size):
        raise StageCrashed(f"MLX made rank {group.rank()} of {group.size()} of what should be {place}")
    return Ranks(group)


@contextmanager
def killed_after(seconds: float) -> Iterator[None]:
    """Let SIGALRM end this process when the block takes longer.

    A peer that vanishes without closing its connections would be waited for without end, inside MLX and with
    the interpreter locked, so that no Python code could end it.
    """
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
