"""The learning rate of a step, a pure function of the step number."""

import math

from web4mlx.config.schema import TrainingConfig


def learning_rate(training: TrainingConfig, step: int, total_steps: int) -> float:
    """Linear warm-up to `learning_rate`, then cosine, linear or no decay to zero at the last step.

    A run shorter than ten times `warmup_steps` warms up over a tenth of its steps, so that a short run
    reaches its rate at all.

    Args:
        training: The training section.
        step: Step number from 1.
        total_steps: Steps of the whole run.
    """
    warmup = warmup_steps(training, total_steps)
    if step <= warmup:
        return training.learning_rate * step / warmup
    done = (step - warmup) / max(1, total_steps - warmup + 1)
    factors = {
        "cosine": 0.5 * (1 + math.cos(math.pi * done)),
        "linear": 1 - done,
        "constant": 1.0,
    }
    return training.learning_rate * factors[training.lr_scheduler]


def warmup_steps(training: TrainingConfig, total_steps: int) -> int:
    """Warm-up steps in effect."""
    return min(training.warmup_steps, max(1, total_steps // 10)) if training.warmup_steps else 0
