"""How long the stages of a pipeline will take here, before they have run.

Training is estimated from the rows, the size of the base and the measured speed of matrix products; the
others from the size of the base. These are forecasts for a first orientation: once training reports, its own
measured ETA counts.
"""

import json
from pathlib import Path

from web4mlx.config.schema import RunConfig

FLOP_PER_TOKEN_AND_PARAMETER = 4.0
TRAINING_EFFICIENCY = {"cpu": 0.2, "gpu": 0.6}
BYTES_PER_SECOND = {"fuse": 60e6, "export": 12e6, "download": 30e6}
FIXED_S = {"download": 5.0, "data": 10.0, "verify": 15.0, "fuse": 10.0, "export": 40.0, "ask": 60.0}
ORDER = ("download", "data", "train", "verify", "fuse", "export", "ask")


class StageTimes:
    """Forecasts for one configuration.

    Args:
        config: The run.
    """

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self._train_s: float | None = None

    def before(self, stage: str, base: Path) -> float | None:
        """Seconds from the start of `stage` to the end of the line; None while the base is not known.

        Args:
            stage: The stage that starts now.
            base: The base's folder, once there is one.
        """
        if not (base / "config.json").is_file():
            return None
        size = sum(file.stat().st_size for file in base.glob("*.safetensors"))
        seconds = 0.0
        for name in ORDER[ORDER.index(stage) :]:
            seconds += FIXED_S.get(name, 0.0) + size / BYTES_PER_SECOND.get(name, 1e15)
            if name == "train":
                train_s = self._train_seconds(base)
                if train_s is None:
                    return None
                seconds += train_s
        return seconds

    def _train_seconds(self, base: Path) -> float | None:
        """Forward and backward without weight gradients: four operations a parameter and token."""
        data = self.config.data
        if not all(file.is_file() for file in data.train):
            return None
        if self._train_s is None:
            from web4mlx.data.selection import load_training_rows
            from web4mlx.machine.blas import measure_gflops
            from web4mlx.machine.mlx_runtime import gpu_kind
            from web4mlx.modelfile import read_modelfile
            from web4mlx.models.tokenizer import ChatTokenizer

            tokenizer, system = ChatTokenizer(base), read_modelfile(self.config.modelfile).system
            tokens = len(load_training_rows(data, tokenizer, system).tokens) * self.config.training.epochs
            parameters = count_parameters(base)
            kind = "gpu" if gpu_kind() else "cpu"
            speed = measure_gflops() * 1e9 * TRAINING_EFFICIENCY[kind]
            self._train_s = tokens * parameters * FLOP_PER_TOKEN_AND_PARAMETER / speed
        return self._train_s


def count_parameters(base: Path) -> int:
    """Parameters that config.json promises."""
    from math import prod

    from web4mlx.models.weights import expected_shapes

    shapes = expected_shapes(json.loads((base / "config.json").read_text("utf-8")))
    return sum(prod(shape) for shape in shapes.values())
