"""The training loop, readable in one sitting: steps, reports, validation, checkpoints, guards, stop."""

import math
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import mlx.core as mx

from web4mlx.config.schema import RunConfig
from web4mlx.events import Checkpoint, EventLog, Progress, Step, Validation
from web4mlx.machine.blas import tune_blas_threads
from web4mlx.machine.memory import read_memory
from web4mlx.train.agreement import same_everywhere
from web4mlx.train.batches import Layout
from web4mlx.train.checkpoint import TrainState, prune_checkpoints, save_checkpoint
from web4mlx.train.compilation import choose_compilation
from web4mlx.train.guards import Guards
from web4mlx.train.lora import Adapters, first_adapters
from web4mlx.train.loss import token_loss_sum
from web4mlx.train.memory_plan import plan_memory
from web4mlx.train.meter import Meter
from web4mlx.train.parallel import RankLost, Ranks
from web4mlx.train.prepare import TrainingData, TrainingModel
from web4mlx.train.sampler import Sampler, StepPlan
from web4mlx.train.schedule import learning_rate
from web4mlx.train.step import LossScale, apply_gradients, new_optimizer, scalar, step_gradients

SEEDS_PER_STEP = 1 << 12
TUNE_EVERY_S = 10.0


class Stopped(Exception):
    """The run was asked to stop; a checkpoint has been written."""


class Trainer:
    """One training run.

    Args:
        config: The effective configuration.
        loaded: The model with adapters attached.
        data: Rows.
        run: The run folder.
        log: Where events go.
        ranks: The processes that train together.
    """

    def __init__(
        self,
        config: RunConfig,
        loaded: TrainingModel,
        data: TrainingData,
        run: Path,
        log: EventLog,
        ranks: Ranks,
    ) -> None:
        self.config, self.loaded, self.data, self.run, self.log = config, loaded, data, run, log
        self.ranks = ranks
        training = config.training
        self.sampler = Sampler(len(data.train), training.samples_per_step, training.epochs, training.seed)
        self.optimizer = new_optimizer(training)
        self.guards = Guards(config, run, log.warn)
        self.scale = LossScale.for_dtype(loaded.dtype)
        self.stop_requested = False
        self.change_gradients: Callable[[int, Adapters], Adapters] = lambda step, gradients: gradients
        self.interview: Callable[[int, Adapters], None] | None = None
        self.layout = layout_for(config, loaded)
        self.memory = plan_memory(config, loaded, run, log)
        self.supervised = data.train.supervised
        batches = self.layout(data.validation, range(len(data.validation)))
        self.validation_batches = batches[ranks.rank :: ranks.size]

    def start(self, fingerprint: str) -> tuple[TrainState, Adapters]:
        """State and adapters of a new run."""
        training = self.config.training
        adapters = first_adapters(self.loaded.model, self.loaded.names, self.config.lora.rank, training.seed)
        self.optimizer.init(adapters)
        return TrainState(fingerprint=fingerprint, loss_scale=self.scale.value), adapters

    def restore(self, state: TrainState, optimizer_state: Any) -> None:
        """Take over the optimizer and the loss scale of a checkpoint."""
        self.optimizer.state = optimizer_state
        self.scale = LossScale(state.loss_scale, state.good_steps)

    def train(self, state: TrainState, adapters: Adapters) -> Adapters:
        """Train from `state` to the last step.

        Returns:
            The adapters after the last step; checkpoints hold them and the best ones.

        Raises:
            Stopped: SIGINT or SIGTERM came; the step was finished and a checkpoint written.
            StageCrashed: A guard ended the run.
            RankLost: Another rank is gone; the last finished step is kept as a checkpoint.
        """
        meter = Meter(self.sampler.total_steps, state)
        with StopSignals(self):
            adapters = same_everywhere(self.ranks, adapters, self.optimizer, self.log.warn)
            started = time.perf_counter()
            tune_blas_threads()
            self.memory.prepare(self.data, self.sampler, self.layout, adapters)
            network, rows = self.loaded.network, self.data.train
            choose_compilation(self.config, network, rows, self.layout, adapters, self.log)
            if state.step == 0:
                self.validate(state, adapters)
                self.ask(state, adapters)
            meter.exclude(time.perf_counter() - started)
            try:
                for plan in self.sampler.steps(state.step):
                    adapters = self.one_step(plan, state, adapters, meter)
                    last = plan.step == self.sampler.total_steps
                    if last or plan.step % self.config.training.logging_steps == 0 or plan.step == 1:
                        self.report(state, meter, plan)
                    enough = last
                    if last or plan.step % self.config.training.eval_steps == 0:
                        started = time.perf_counter()
                        enough |= self.validate(state, adapters)
                        meter.exclude(time.perf_counter() - started)
                    stop = self.ranks.any(self.stop_requested)
                    if enough or stop or plan.step % self.config.training.save_steps == 0:
                        adapters = same_everywhere(self.ranks, adapters, self.optimizer, self.log.warn)
                        self.save(state, adapters, meter)
                        started = time.perf_counter()
                        self.ask(state, adapters)
                        meter.exclude(time.perf_counter() - started)
                    if stop and not last:
                        raise Stopped
                    if enough:
                        break
            except RankLost:
                if state.step:
                    self.save(state, adapters, meter)
                raise
        return adapters

    def one_step(self, plan: StepPlan, state: TrainState, adapters: Adapters, meter: Meter) -> Adapters:
        """Take one optimizer step and account for it in `state` and `meter`."""
        tune_blas_threads(TUNE_EVERY_S)
        training = self.config.training
        rate = learning_rate(training, plan.step, self.sampler.total_steps)
        self.optimizer.learning_rate = rate
        scale = self.scale.value
        loss, gradients = self.ranks.sum_gradients(*self.own_gradients(plan, adapters))
        gradients = self.change_gradients(plan.step, gradients)
        loss_value, norm, updated = scalar(loss), math.inf, adapters
        if math.isfinite(loss_value):
            updated, norm = apply_gradients(
                adapters, gradients, self.optimizer, training.max_grad_norm, scale
            )
        finite = math.isfinite(norm)
        self.scale.update(finite, self.loaded.dtype)
        state.step = plan.step
        state.loss_scale, state.good_steps = self.scale.value, self.scale.good_steps
        state.samples_seen += len(plan.samples)
        state.tokens_seen += int(self.data.train.lengths[plan.samples].sum())
        state.supervised_seen += int(self.supervised[plan.samples].sum())
        if finite:
            state.skipped_in_a_row = 0
            state.max_grad_norm = max(state.max_grad_norm, norm)
            state.last_loss = loss_value
            meter.add(loss_value, norm)
            return updated
        state.skipped_steps += 1
        state.skipped_in_a_row += 1
        self.guards.check_skips(state.skipped_in_a_row, norm)
        return adapters

    def own_gradients(self, plan: StepPlan, adapters: Adapters) -> tuple[mx.array, Adapters]:
        """This rank's part of a step's loss and gradient, both over the whole step's supervised tokens."""
        own = self.ranks.share(plan.samples.tolist(), self.data.train.lengths)
        if not own:
            return mx.zeros(()), {key: mx.zeros_like(value) for key, value in adapters.items()}
        batches = self.layout(self.data.train, own)
        weight = float(self.supervised[own].sum() / self.supervised[plan.samples].sum())
        first_seed = (self.config.training.seed << 32) + plan.step * SEEDS_PER_STEP
        seed = first_seed + self.ranks.rank * (SEEDS_PER_STEP // self.ranks.size)
        loss, gradients = step_gradients(
            self.loaded.network, adapters, batches, seed, self.scale.value * weight
        )
        return loss * weight, gradients

    def validate(self, state: TrainState, adapters: Adapters) -> bool:
        """Measure the loss on the fixed validation rows; returns whether patience has run out."""
        started = time.perf_counter()
        total = supervised = 0.0
        for number, batch in enumerate(self.validation_batches):
            self.show_validating(number, started)
            loss_sum = token_loss_sum(self.loaded.network, adapters, batch, None, with_gradient=False)
            total += scalar(loss_sum)
            supervised += len(batch.targets)
        total, supervised = self.ranks.sum(total, supervised)
        loss = total / supervised
        is_best = state.best_loss is None or loss < state.best_loss
        if is_best:
            state.best_loss, state.best_step, state.validations_without_best = loss, state.step, 0
        else:
            state.validations_without_best += 1
        self.log.write(
            Validation, step=state.step, loss=loss, rows=len(self.data.validation),
            supervised_tokens=int(supervised), is_best=is_best, duration_s=time.perf_counter() - started,
        )  # fmt: skip
        if is_best and state.step and self.ranks.is_writer:
            self.keep_best(adapters)
        patience = self.config.training.patience
        return bool(patience) and state.validations_without_best >= patience

    def show_validating(self, done: int, started: float) -> None:
        """Report the progress of a validation."""
        total = len(self.validation_batches)
        eta_s = (time.perf_counter() - started) / done * (total - done) if done else None
        self.log.write(Progress, done=done, total=total, unit="batches", message="validating", eta_s=eta_s)

    def keep_best(self, adapters: Adapters) -> None:
        """Write the best adapters so far beside the checkpoints."""
        folder = self.run / "checkpoints"
        folder.mkdir(exist_ok=True)
        temporary = folder / ".best.tmp.safetensors"
        mx.save_safetensors(str(temporary), adapters)
        temporary.replace(folder / "best.safetensors")

    def save(self, state: TrainState, adapters: Adapters, meter: Meter) -> None:
        """Write a checkpoint and remove old ones; rank 0's work."""
        if not self.ranks.is_writer:
            return
        self.guards.check_disk(3 * 4 * sum(value.size for value in adapters.values()))
        state.elapsed_s = meter.elapsed_s
        state.peak_memory_bytes = max(state.peak_memory_bytes, read_memory().process_peak_bytes)
        folder = save_checkpoint(self.run, state, adapters, self.optimizer.state)
        self.log.write(Checkpoint, step=state.step, path=str(folder.relative_to(self.run)))
        prune_checkpoints(self.run, self.config.training.save_total_limit, state.best_step)

    def ask(self, state: TrainState, adapters: Adapters) -> None:
        """Let the model answer the sample prompts, unless somebody waits for the end."""
        if self.interview is not None and not self.stop_requested:
            self.interview(state.step, adapters)

    def report(self, state: TrainState, meter: Meter, plan: StepPlan) -> None:
        """Write a report of the steps since the last one."""
        memory = read_memory()
        epoch = plan.step / self.sampler.steps_per_epoch
        step = self.log.write(
            Step, step=plan.step, total_steps=self.sampler.total_steps, epoch=epoch,
            learning_rate=float(self.optimizer.learning_rate.item()), skipped_steps=state.skipped_steps,
            active_memory_bytes=mx.get_active_memory(), cache_memory_bytes=mx.get_cache_memory(),
            peak_memory_bytes=max(mx.get_peak_memory(), state.peak_memory_bytes),
            process_memory_bytes=memory.process_bytes, swap_used_bytes=memory.swap_used_bytes,
            **meter.take(state),
        )  # fmt: skip
        self.memory.watch(mx.get_peak_memory())
        self.guards.check_report(step)  # type: ignore[arg-type]


def layout_for(config: RunConfig, loaded: TrainingModel) -> Layout:
    """The configured layout; models that our layers cannot run are not packed."""
    data = config.data
    batching = "bucketed" if data.batching == "packed" and not loaded.network.packs else data.batching
    return Layout(batching, data.row_tokens, data.max_seq_length, config.training.batch_size)


class StopSignals:
    """Turns SIGINT and SIGTERM into a request to stop after the current step.

    Once the run has stopped, both are ignored: the process ends, and a second request must not make a crash
    of it. Under `mlx.launch` one comes when another rank has ended first.
    """

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self._before: dict[int, Any] = {}

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.trainer.stop_requested = True

    def __enter__(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._request)

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_IGN if kind is Stopped else handler)
