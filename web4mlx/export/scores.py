"""Losses of supervised tokens, and what is computed from them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Scores:
    """A model on the held-out rows: loss (nats) and most probable token at each supervised position."""

    losses: npt.NDArray[np.float32]
    best: npt.NDArray[np.int32]

    @property
    def mean_loss(self) -> float:
        """Mean over supervised tokens, in nats."""
        return float(self.losses.mean(dtype=np.float64))


def score_logits(
    logits: npt.NDArray[np.float32], targets: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """Cross-entropy (nats) and argmax of logits of shape (positions, vocabulary)."""
    top = logits.max(-1)
    sums = np.exp(logits - top[:, None]).sum(-1, dtype=np.float64)
    chosen = logits[np.arange(len(targets)), targets]
    losses = np.log(sums) + top - chosen
    return losses.astype(np.float32), logits.argmax(-1).astype(np.int32)
