"""Speed and averages between two reports of the training loop."""

import time
from collections import deque
from typing import Any

from web4mlx.train.checkpoint import TrainState

PACE_REPORTS = 4


class Meter:
    """Collects losses and gradient norms, and knows elapsed time and ETA over resumes.

    The ETA follows the pace of the last reports.

    Args:
        total_steps: Steps of the whole run.
        state: Where the run stands; its `elapsed_s` is continued.
    """

    def __init__(self, total_steps: int, state: TrainState) -> None:
        self.total_steps = total_steps
        self._started = time.perf_counter() - state.elapsed_s
        self._pace: deque[tuple[int, float]] = deque(maxlen=PACE_REPORTS)
        self._last = (state.last_loss or 0.0, 0.0)
        self._losses: list[float] = []
        self._norms: list[float] = []
        self._mark(state)

    @property
    def elapsed_s(self) -> float:
        """Seconds of training, earlier parts of a resumed run included."""
        return time.perf_counter() - self._started

    def add(self, loss: float, norm: float) -> None:
        """Add one step."""
        self._last = (loss, norm)
        self._losses.append(loss)
        self._norms.append(norm)

    def exclude(self, seconds: float) -> None:
        """Leave time that was not training, such as a validation, out of speed and pace."""
        self._time += seconds

    def take(self, state: TrainState) -> dict[str, Any]:
        """Fields of a `Step` event about the steps since the last call; starts the next interval.

        When all of them were skipped, loss and gradient norm are those of the last step that was not.
        """
        now = time.perf_counter()
        losses, norms = self._losses or [self._last[0]], self._norms or [self._last[1]]
        seconds = max(now - self._time, 1e-9)
        self._pace.append((max(1, state.step - self._step), seconds))
        steps, paced_s = (sum(column) for column in zip(*self._pace, strict=True))
        fields = {
            "loss": sum(losses) / len(losses),
            "grad_norm": sum(norms) / len(norms),
            "tokens_per_second": (state.tokens_seen - self._tokens) / seconds,
            "supervised_tokens_per_second": (state.supervised_seen - self._supervised) / seconds,
            "samples_per_second": (state.samples_seen - self._samples) / seconds,
            "elapsed_s": self.elapsed_s,
            "eta_s": paced_s / steps * (self.total_steps - state.step),
        }
        self._losses.clear()
        self._norms.clear()
        self._mark(state)
        return fields

    def _mark(self, state: TrainState) -> None:
        self._time = time.perf_counter()
        self._step = state.step
        self._tokens = state.tokens_seen
        self._supervised = state.supervised_seen
        self._samples = state.samples_seen
