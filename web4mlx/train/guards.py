"""What watches a training run: numbers outside the plan's windows become warnings with advice.

Each warning is given once until its condition has cleared, so that a log is not flooded. Conditions under
which going on is pointless raise.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

from web4mlx.config.schema import RunConfig
from web4mlx.errors import StageCrashed
from web4mlx.events import Step

HIGH_GRAD_NORM = 5.0
SWAP_GROWTH_BYTES = 4 * 10**9
FATAL_SWAP_GROWTH_BYTES = 12 * 10**9
SPARE_CHECKPOINTS = 3
Warn = Callable[[str, str, str], None]


class Guards:
    """Watches one run.

    Args:
        config: The effective configuration.
        run: The run folder, whose disk is watched.
        warn: Takes code, message and advice.
    """

    def __init__(self, config: RunConfig, run: Path, warn: Warn) -> None:
        self.config = config
        self.run = run
        self.warn = warn
        self._active: set[str] = set()
        self._first_swap_bytes: int | None = None

    def check_report(self, report: Step) -> None:
        """Look at one report of the loop.

        Raises:
            StageCrashed: The machine swaps so much that going on would take days or freeze it.
        """
        training, limit = self.config.training, self.config.hardware.memory_limit_gb * 1e9
        self._set(
            "grad-norm", report.grad_norm > HIGH_GRAD_NORM,
            f"gradient norm {report.grad_norm:.1f} is above {HIGH_GRAD_NORM:g}",
            "It is clipped; if it stays high, lower training.learning_rate.",
        )  # fmt: skip
        self._set(
            "loss-high", report.epoch >= 1 and report.loss > training.loss_high,
            f"loss {report.loss:.2f} is above {training.loss_high:g} after the first epoch",
            "Look at `web4mlx data check`; try a longer warm-up or another learning rate.",
        )  # fmt: skip
        self._set(
            "loss-low", report.loss < training.loss_low,
            f"loss {report.loss:.2f} is below {training.loss_low:g}: the samples may be learned by heart",
            "Compare with the validation loss; fewer epochs or more dropout.",
        )  # fmt: skip
        used = max(report.peak_memory_bytes, report.process_memory_bytes)
        self._set(
            "memory", used > limit,
            f"memory {used / 1e9:.1f} GB is above the limit of {limit / 1e9:.1f} GB",
            "Lower data.max_seq_length or training.batch_size; close other programs.",
        )  # fmt: skip
        if self._first_swap_bytes is None:
            self._first_swap_bytes = report.swap_used_bytes
        grown = report.swap_used_bytes - self._first_swap_bytes
        self._set(
            "swap", grown > SWAP_GROWTH_BYTES,
            f"swap has grown by {grown / 1e9:.1f} GB since the start",
            "Stop (Ctrl-C keeps a checkpoint), close other programs and resume.",
        )  # fmt: skip
        if grown > FATAL_SWAP_GROWTH_BYTES:
            raise StageCrashed(
                f"swap has grown by {grown / 1e9:.1f} GB; training stopped before the machine freezes",
                f"Close other programs, then `web4mlx train --resume {self.run}`.",
            )

    def check_skips(self, skipped_in_a_row: int, grad_norm: float) -> None:
        """Look at a step whose gradient was not finite.

        Raises:
            StageCrashed: Too many such steps in a row.
        """
        self.warn(
            "non-finite", f"gradient norm is {grad_norm}; the step was skipped",
            "One now and then is harmless; many mean a learning rate that is too high.",
        )  # fmt: skip
        if skipped_in_a_row >= self.config.training.max_skipped_in_a_row:
            raise StageCrashed(
                f"{skipped_in_a_row} steps in a row had no finite gradient; training stopped",
                f"The last good checkpoint is intact in {self.run / 'checkpoints'}. "
                "Lower training.learning_rate, or check the samples, and start again.",
            )

    def check_disk(self, checkpoint_bytes: int) -> None:
        """Make sure that the next checkpoints fit.

        Raises:
            StageCrashed: Not even one more checkpoint fits.
        """
        free = shutil.disk_usage(self.run).free
        self._set(
            "disk", free < SPARE_CHECKPOINTS * checkpoint_bytes,
            f"{free / 1e6:.0f} MB of disk are left, a checkpoint takes {checkpoint_bytes / 1e6:.0f} MB",
            "Free some space; training stops when a checkpoint no longer fits.",
        )  # fmt: skip
        if free < checkpoint_bytes * 1.1:
            raise StageCrashed(
                f"{self.run}: the disk is full; the next checkpoint would not fit",
                f"Free some space and continue with `web4mlx train --resume {self.run}`.",
            )

    def _set(self, code: str, is_bad: bool, message: str, advice: str) -> None:
        if is_bad and code not in self._active:
            self._active.add(code)
            self.warn(code, message, advice)
        elif not is_bad:
            self._active.discard(code)
