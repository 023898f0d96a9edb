"""Keeps a run within its memory.

Plans the recomputation, checks the plan on the largest micro-batch before the first step, and recomputes more
when the real peak goes over the limit.
"""

import json
from pathlib import Path

import mlx.core as mx
import psutil

from web4mlx.artifacts import atomic_write
from web4mlx.config.schema import RunConfig
from web4mlx.events import EventLog, Metric
from web4mlx.models.base import find_base
from web4mlx.plan.strategy import Choice, Planner, describe_choice, memory_limit_bytes
from web4mlx.plan.work import RunWork, work_of, work_of_run
from web4mlx.train.batches import Layout, MicroBatch
from web4mlx.train.lora import Adapters
from web4mlx.train.network import OwnLayers
from web4mlx.train.prepare import TrainingData, TrainingModel
from web4mlx.train.recompute import recompute_plan
from web4mlx.train.sampler import Sampler
from web4mlx.train.step import step_gradients

PLAN = "plan.json"


class MemoryPlan:
    """The recomputation of one run. A resumed run goes on with the one it had.

    Args:
        config: The effective configuration.
        loaded: The model; its network's recomputation is set here.
        run: The run folder, which remembers the choice.
        log: Where predictions, measurements and changes go.
    """

    def __init__(self, config: RunConfig, loaded: TrainingModel, run: Path, log: EventLog) -> None:
        self.network, self.log, self.file = loaded.network, log, run / PLAN
        self.is_auto = config.training.recompute == "auto" and isinstance(self.network, OwnLayers)
        self.limit_bytes = memory_limit_bytes(config)
        dtype = str(loaded.dtype).removeprefix("mlx.core.")
        on_gpu = mx.default_device() == mx.gpu
        self.planner = Planner.for_config(config, find_base(config.model), dtype, on_gpu)
        self.choice: Choice = "none"
        self.largest: MicroBatch | None = None

    def prepare(self, data: TrainingData, sampler: Sampler, layout: Layout, adapters: Adapters) -> None:
        """Choose, then compute the largest micro-batch's gradient once and correct the choice if need be.

        Too little memory shows now, not in hours.
        """
        work = work_of_run(data.train, sampler, layout)
        self.largest = max(layout(data.train, work.largest_samples), key=lambda batch: batch.inputs.size)
        if self.is_auto:
            self._apply(self._remembered() or self.planner.choose(work.largest, self.limit_bytes))
        self._warn_of_little_memory(work)
        while not self._fits(work, adapters) and self.is_auto:
            leaner = self._next_choice(work)
            if leaner is None:
                return
            self._warn(leaner, "the largest micro-batch needs")
            self._apply(leaner)

    def watch(self, peak_bytes: int) -> None:
        """Recompute more from now on when training went over the limit."""
        leaner = self.planner.leaner(self.choice)
        if self.is_auto and peak_bytes > self.limit_bytes and leaner is not None:
            self._warn(leaner, "training needed")
            self._apply(leaner)
            mx.reset_peak_memory()

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

    def _fits(self, work: RunWork, adapters: Adapters) -> bool:
        assert self.largest is not None
        row = work_of(self.largest)
        predicted = self.planner.peak(row, self.choice)
        mx.reset_peak_memory()
        step_gradients(self.network, adapters, [self.largest], 0, 1.0)
        measured = mx.get_peak_memory()
        for name, value in (
            ("predicted peak memory", predicted),
            ("peak memory of the largest row", measured),
        ):
            self.log.write(Metric, name=name, value=value, unit="bytes")
        if self.is_auto:
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
        assert isinstance(self.network, OwnLayers)
        self.choice = choice
        self.network.recompute = tuple(recompute_plan(choice, len(self.network.layers)))
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
