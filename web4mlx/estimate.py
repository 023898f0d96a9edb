"""How long the stages of a pipeline will take here, before they have run.

Training is what `web4mlx plan` predicts; the others are estimated from the size of the base. These are
forecasts for a first orientation: once training reports, its own measured ETA counts.
"""

from pathlib import Path

from web4mlx.config.schema import RunConfig

BYTES_PER_SECOND = {"fuse": 60e6, "export": 12e6, "download": 30e6, "baseline": 3e6, "evaluate": 1.5e6}
FIXED_S = {
    "download": 5.0, "data": 10.0, "baseline": 90.0, "verify": 15.0, "fuse": 10.0, "export": 40.0,
    "ask": 60.0, "evaluate": 420.0, "import": 10.0,
}  # fmt: skip
STORE_S = {"rag build": 90.0, "rag check": 45.0, "smoke": 60.0, "mark": 10.0}
WHOLE_BUILD_S = 1200.0  # a team's repository or the full sample, embedded for the first time on two cores
ORDER = (
    "download", "data", "baseline", "train", "verify", "fuse", "export", "ask", "evaluate", "import",
    "rag build", "rag check", "smoke", "mark",
)  # fmt: skip


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
            seconds += self.fixed_seconds(name) + size / BYTES_PER_SECOND.get(name, 1e15)
            if name == "train":
                train_s = self._train_seconds()
                if train_s is None:
                    return None
                seconds += train_s
        return seconds

    def fixed_seconds(self, stage: str) -> float:
        """The part of a stage's time that the size of the base does not change; no store costs none."""
        if stage in STORE_S and self.config.rag.source is None:
            return 0.0
        if stage == "rag build" and self.config.rag.sample_scale != "demo":
            return WHOLE_BUILD_S
        return FIXED_S.get(stage, 0.0) + STORE_S.get(stage, 0.0)

    def _train_seconds(self) -> float | None:
        """What `web4mlx plan` predicts; None while samples are missing or nothing fits the memory."""
        data = self.config.data
        files = [*data.train, data.eval, *([data.selection] if data.selection else [])]
        if not all(file.is_file() for file in files):
            return None
        if self._train_s is None:
            from web4mlx.machine.blas import preload_blas

            preload_blas()
            from web4mlx.plan.report import Plan

            self._train_s = Plan(self.config).report().total_s
        return self._train_s
