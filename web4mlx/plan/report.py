"""The plan of a training run: memory, time and disk of every way to run it, and which one to take."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from web4mlx.config.schema import RunConfig
from web4mlx.plan.calibrate import Forecast, calibrate
from web4mlx.plan.strategy import Choice, Planner, describe_choice, memory_limit_bytes
from web4mlx.plan.work import RunWork, work_of_run
from web4mlx.train.batches import Layout
from web4mlx.train.recompute import recompute_plan
from web4mlx.train.sampler import Sampler

SMALLER_ROWS = (1024, 512)
FORWARD_SHARE = 0.35
"""Time of an evaluation beside that of a gradient on the same tokens."""


class Strategy(BaseModel):
    """One way to run: peak memory by part in bytes, time in seconds, real tokens a second."""

    model_config = ConfigDict(frozen=True)
    row_tokens: int
    recompute: Choice
    description: str
    memory: dict[str, int]
    peak_bytes: int
    fits: bool
    train_s: float
    tokens_per_second: float


class PlanReport(BaseModel):
    """What a configuration will need on this machine.

    `computed_share` is computed over real tokens: below 1 where prefixes are shared. `chosen` is None when
    nothing fits `limit_bytes`. `total_s` includes validations. `--measure` fills `measured` and `precisions`,
    the speed of large products in each precision in operations a second.
    """

    base: str
    dtype: str
    samples: int
    dropped: int
    tokens_per_epoch: int
    mean_tokens: float
    supervised_tokens_per_epoch: int
    steps: int
    samples_per_step: int
    trainable_parameters: int
    computed_share: float
    limit_bytes: int
    strategies: list[Strategy]
    chosen: Strategy | None
    total_s: float | None
    disk_bytes: dict[str, int]
    measured: dict[str, float] | None = None
    precisions: dict[str, float] | None = None


class Plan:
    """Builds the report; keeps what `--measure` and `--hours` need.

    Args:
        config: The configuration.
        memory_gb: Overrides the configured memory limit.
    """

    def __init__(self, config: RunConfig, memory_gb: float | None = None) -> None:
        from web4mlx.machine.describe import chip_name
        from web4mlx.machine.mlx_runtime import choose_dtype, gpu_kind, load_mlx
        from web4mlx.models.base import find_base
        from web4mlx.models.tokenizer import ChatTokenizer
        from web4mlx.train.prepare import load_training_data

        mx = load_mlx(config.hardware.device)
        if memory_gb is not None:
            hardware = config.hardware.model_copy(update={"memory_limit_gb": memory_gb})
            config = config.model_copy(update={"hardware": hardware})
        self.config, self.base = config, find_base(config.model)
        self.on_gpu = gpu_kind() is not None and mx.default_device() == mx.gpu
        self.data = load_training_data(config, ChatTokenizer(self.base))
        self.limit_bytes = memory_limit_bytes(config)
        self._works: dict[int, RunWork] = {}
        self.use_precision(choose_dtype(config.hardware.dtype, chip_name(), self.on_gpu))

    def use_precision(self, dtype: str) -> None:
        """Predict for activations and weights of this precision."""
        self.dtype = dtype
        self.planner = Planner.for_config(self.config, self.base, dtype, self.on_gpu)
        self.forecast: Forecast = calibrate(self.base, self.config.lora, dtype)

    def report(self) -> PlanReport:
        """Predict all strategies and choose."""
        rows, training = self.data.train, self.config.training
        works = {size: self.work(size) for size in self.row_sizes()}
        strategies = [s for size, work in works.items() for s in self.strategies(size, work)]
        fitting = [strategy for strategy in strategies if strategy.fits]
        chosen = min(fitting, key=lambda strategy: strategy.train_s) if fitting else None
        work = works[self.config.data.row_tokens]
        tokens = int(rows.offsets[-1])
        return PlanReport(
            base=str(self.base),
            dtype=self.dtype,
            samples=len(rows),
            dropped=len(self.data.lengths.dropped),
            tokens_per_epoch=tokens,
            mean_tokens=tokens / len(rows),
            supervised_tokens_per_epoch=int(rows.mask.sum()),
            steps=work.steps,
            samples_per_step=training.samples_per_step,
            trainable_parameters=self.planner.shape.adapter,
            computed_share=work.total.computed / work.total.real,
            limit_bytes=int(self.limit_bytes),
            strategies=strategies,
            chosen=chosen,
            total_s=chosen.train_s + self.validation_seconds(work) if chosen else None,
            disk_bytes=self.disk(),
        )

    def row_sizes(self) -> list[int]:
        """Row sizes worth a look: the configured one, and smaller ones that still hold the longest sample."""
        longest = int(self.data.train.lengths.max())
        configured = self.config.data.row_tokens
        if self.config.data.batching == "max_length":
            return [configured]
        return [configured, *(size for size in SMALLER_ROWS if longest <= size < configured)]

    def work(self, row_tokens: int) -> RunWork:
        """The work of the whole run with rows of this size, laid out once."""
        if row_tokens not in self._works:
            self._works[row_tokens] = work_of_run(self.data.train, self.sampler(), self.layout(row_tokens))
        return self._works[row_tokens]

    def sampler(self) -> Sampler:
        """The order of samples."""
        training = self.config.training
        return Sampler(len(self.data.train), training.samples_per_step, training.epochs, training.seed)

    def layout(self, row_tokens: int) -> Layout:
        """The configured layout with rows of this size."""
        data = self.config.data
        return Layout(data.batching, row_tokens, data.max_seq_length, self.config.training.batch_size)

    def strategies(self, row_tokens: int, work: RunWork) -> Iterator[Strategy]:
        """Predictions for rows of one size: the plain ways, and the fewest recomputed layers that fit."""
        best = self.planner.choose(work.largest, self.limit_bytes)
        recompute = self.config.training.recompute
        configured = recompute if recompute == "auto" else self.planner.one_of_choices(recompute)
        wanted: list[Choice] = ["none", "selective", "full"]
        wanted += [c for c in (best, configured) if isinstance(c, int) and c not in wanted]
        for choice in sorted(dict.fromkeys(wanted), key=self.planner.choices().index):
            memory = self.planner.memory(work.largest, choice)
            peak = self.planner.peak(work.largest, choice)
            ways = recompute_plan(choice, self.planner.shape.layers)
            seconds = self.forecast.seconds(work.total, ways)
            allowed = configured in ("auto", choice)
            yield Strategy(
                row_tokens=row_tokens,
                recompute=choice,
                description=describe_choice(choice),
                memory=memory.__dict__,
                peak_bytes=peak,
                fits=peak <= self.limit_bytes and allowed,
                train_s=seconds,
                tokens_per_second=work.total.real / seconds,
            )

    def validation_seconds(self, work: RunWork) -> float:
        """All validations together: the first one, those on the way and the last."""
        training = self.config.training
        count = 2 + work.steps // training.eval_steps
        share = int(self.data.validation.offsets[-1]) / work.total.real
        ways = recompute_plan("none", self.planner.shape.layers)
        return count * FORWARD_SHARE * self.forecast.seconds(work.total.scaled(share), ways)

    def disk(self) -> dict[str, int]:
        """Bytes that the whole line still writes."""
        from web4mlx.machine.doctor.project import disk_needs

        size = sum(file.stat().st_size for file in Path(self.base).glob("*.safetensors"))
        return disk_needs(self.config, size)

    def fitted(self, strategy: Strategy) -> RunConfig:
        """The configuration with a strategy's rows and precision.

        What is recomputed stays as configured: `auto` will choose by the memory of the day.
        """
        hardware = self.config.hardware.model_copy(update={"dtype": self.dtype})
        updates: dict[str, Any] = {
            "hardware": hardware,
            "data": self.config.data.model_copy(update={"row_tokens": strategy.row_tokens}),
        }
        return self.config.model_copy(update=updates)
