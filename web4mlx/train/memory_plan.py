"""Keeps a run within its memory.

Plans the recomputation, checks the plan on the largest micro-batch before the first step, and recomputes more
when the real peak goes over the limit. Of models that mlx-lm's layers run nothing is predicted. Metal is let
wire what the run needs and no more.
"""

import json
from pathlib import Path

import mlx.core as mx
import psutil

from web4mlx.artifacts import atomic_write
from web4mlx.config.schema import RunConfig
from web4mlx.events import EventLog, Metric
from web4mlx.machine.mlx_runtime import limit_memory
from web4mlx.models.base import find_base
from web4mlx.plan.strategy import Choice, Planner, describe_choice, memory_limit_bytes
from web4mlx.plan.work import RunWork, work_of, work_of_run
from web4mlx.train.batches import Layout, MicroBatch
from web4mlx.train.lora import Adapters
from web4mlx.train.network import Network, OwnLayers
from web4mlx.train.prepare import TrainingData, TrainingModel
from web4mlx.train.recompute import recompute_plan
from web4mlx.train.sampler import Sampler
from web4mlx.train.step import step_gradients

PLAN = "plan.json"


def plan_memory(
    config: RunConfig, loaded: TrainingModel, run: Path, log: EventLog
) -> "MemoryPlan | MeasuredMemory":
    """What keeps a run within its memory.

    Args:
        config: The effective configuration.
        loaded: The model; its network's recomputation is set later.
        run: The run folder, which remembers the choice.
        log: Where predictions, measurements and changes go.
    """
    if not isinstance(loaded.network, OwnLayers):
        return MeasuredMemory(config, loaded.network, log)
    dtype = str(loaded.dtype).removeprefix("mlx.core.")
    on_gpu = mx.default_device() == mx.gpu
    planner = Planner.for_config(config, find_base(config.model), dtype, on_gpu)
    return MemoryPlan(config, loaded.network, planner, run / PLAN, log)


class MeasuredMemory:
    """Measures a run's memory and changes nothing: recomputation stays as configured.

    Args:
        config: The effective configuration.
        network: The model.
        log: Where measurements go.
    """

    def __init__(self, config: RunConfig, network: Network, log: EventLog) -> None:
        self.network, self.log = network, log
        self.memory_fraction = config.hardware.memory_fraction
        self.needed_bytes = 0

    def prepare(self, data: TrainingData, sampler: Sampler, layout: Layout, adapters: Adapters) -> None:
        """Compute the largest micro-batch's gradient once: too little memory shows now, not in hours."""
        work = work_of_run(data.train, sampler, layout)
        self.expect(self.measure(largest_batch(data, layout, work), adapters))

    def measure(self, largest: MicroBatch, adapters: Adapters) -> int:
        """Peak memory of the largest micro-batch's gradients."""
        mx.reset_peak_memory()
        step_gradients(self.network, adapters, [largest], 0, 1.0)
        peak = mx.get_peak_memory()
        self.log.write(Metric, name="peak memory of the largest row", value=peak, unit="bytes")
        return peak

    def watch(self, peak_bytes: int) -> None:
        """Expect the peak of training so far where it went over what was expected."""
        if peak_bytes > self.needed_bytes:
            self.expect(peak_bytes)

    def expect(self, needed_bytes: int) -> None:
        """Let Metal wire what is needed, as known now; what goes beyond is only slower."""
        self.needed_bytes = needed_bytes
        limit_memory(self.memory_fraction, needed_bytes)


class MemoryPlan(MeasuredMemory):
    """The recomputation of one run by our layers. A resumed run goes on with the one it had.

    Args:
        config: The effective configuration.
        network: The model; its recomputation is set here when the configuration leaves it open.
        planner: Predicts.
        file: Remembers the choice.
        log: Where predictions, measurements and changes go.
    """

    def __init__(
        self, config: RunConfig, network: OwnLayers, planner: Planner, file: Path, log: EventLog
    ) -> None:
        super().__init__(config, network, log)
        self.own, self.planner, self.file = network, planner, file
        self.limit_bytes = memory_limit_bytes(config)
        configured = config.training.recompute
        self.is_auto = configured == "auto"
        self.choice: Choice = "none" if configured == "auto" else planner.one_of_choices(configured)

    def prepare(self, data: TrainingData, sampler: Sampler, layout: Layout, adapters: Adapters) -> None:
        """Choose, then measure the largest micro-batch and correct the choice if need be."""
        work = work_of_run(data.train, sampler, layout)
        largest = largest_batch(data, layout, work)
        if self.is_auto:
            self._apply(self._remembered() or self.planner.choose(work.largest, self.limit_bytes))
        self._warn_of_little_memory(work)
        self.expect(self.planner.peak(work.largest, self.choice))
        self._make_fit(work, largest, adapters)
        self.expect(self.planner.peak(work.largest, self.choice))

    def watch(self, peak_bytes: int) -> None:
        """Recompute more from now on when training went over the limit."""
        leaner = self.planner.leaner(self.choice)
        if self.is_auto and peak_bytes > self.limit_bytes and leaner is not None:
            self._warn(leaner, "training needed")
            self._apply(leaner)
            mx.reset_peak_memory()
        else:
            super().watch(peak_bytes)

    def _make_fit(self, work: RunWork, largest: MicroBatch, adapters: Adapters) -> None:
        """Measure, and recompute more until it fits or nothing is leaner."""
        while not self._fits(largest, adapters):
            leaner = self._next_choice(work) if self.is_auto else None
            if leaner is None:
                return
            self._warn(leaner, "the largest micro-batch needs")
            self._apply(leaner)

    def _warn_of_little_memory(self, work: RunWork) -> None:
        """Say so when other programs hold memory that this run will need."""
        needed = self.planner.peak(work.largest, self.choice) - mx.get_active_memory()
        available = psutil.virtual_memory().available
        if needed > available:
            self.log.warn(
                "memory-free",
                f"about {needed / 1e9:.1f} GB more will be needed, {available / 1e9:.1f} GB are free",
                "Close other programs, or lower hardware.memory_limit_gb so that more is recomputed.",
            )  # fmt: skip

    def _fits(self, largest: MicroBatch, adapters: Adapters) -> bool:
        """Measure beside the prediction, which is corrected by it."""
        row = work_of(largest)
        predicted = self.planner.peak(row, self.choice)
        self.log.write(Metric, name="predicted peak memory", value=predicted, unit="bytes")
        measured = self.measure(largest, adapters)
        self.planner = self.planner.corrected(row, self.choice, measured)
        return measured <= self.limit_bytes

    def _next_choice(self, work: RunWork) -> Choice | None:
        """What the corrected prediction says fits, always leaner than now."""
        choices = self.planner.choices()
        chosen = self.planner.choose(work.largest, self.limit_bytes)
        if choices.index(chosen) > choices.index(self.choice):
            return chosen
        return self.planner.leaner(self.choice)

    def _apply(self, choice: Choice) -> None:
        self.choice = choice
        self.own.recompute = tuple(recompute_plan(choice, len(self.own.layers)))
        atomic_write(self.file, json.dumps({"recompute": choice}) + "\n")

    def _remembered(self) -> Choice | None:
        try:
            remembered: Choice = json.loads(self.file.read_text("utf-8"))["recompute"]
        except (OSError, ValueError, KeyError):
            return None
        return remembered if remembered in self.planner.choices() else None

    def _warn(self, choice: Choice, what: str) -> None:
        peak, limit = mx.get_peak_memory() / 1e9, self.limit_bytes / 1e9
        self.log.warn(
            "memory-plan", f"{what} {peak:.1f} GB, the limit is {limit:.1f} GB",
            f"From now on: {describe_choice(choice)}. Slower, with the same result.",
        )  # fmt: skip


def largest_batch(data: TrainingData, layout: Layout, work: RunWork) -> MicroBatch:
    """A run's micro-batch of most tokens."""
    return max(layout(data.train, work.largest_samples), key=lambda batch: batch.inputs.size)
