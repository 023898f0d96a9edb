"""The process that trains: `python -m web4mlx.train.worker RUN`.

It reads the run folder's `config.toml`, trains, and writes events; the command that started it renders them.
A crash of this process, even an abort in C++, leaves the parent alive to explain it. Under `mlx.launch` each
rank has such a process; only rank 0's leaves anything.
"""

import json
import os
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

from web4mlx.config import RunConfig, load_config
from web4mlx.errors import ExitCode, Web4Error
from web4mlx.events import EventLog, Failed, Finished, Started, Step, Validation, read_events
from web4mlx.machine.awake import gpu_lease
from web4mlx.machine.mlx_runtime import gpu_kind, limit_memory, load_mlx

if TYPE_CHECKING:
    from web4mlx.train.parallel import Ranks

EVENTS = "events.jsonl"


def main(run: Path) -> int:
    """Train the run of a folder; returns the exit code."""
    config = load_config(run / "config.toml")
    load_mlx(config.hardware.device)
    limit_memory(config.hardware.memory_fraction)
    from web4mlx.train.agreement import holds_lease
    from web4mlx.train.board import TensorBoard
    from web4mlx.train.checkpoint import list_checkpoints, read_state
    from web4mlx.train.loop import Stopped
    from web4mlx.train.parallel import join_ranks

    with EventLog(run / EVENTS, run.name, "train") as log, ExitStack() as held:
        try:
            started = time.perf_counter()
            ranks = join_ranks()
            if ranks.is_writer:
                checkpoints = list_checkpoints(run)
                resumed_at = read_state(checkpoints[-1]).step if checkpoints else 0
                log.listeners.append(held.enter_context(closing(TensorBoard(run / "logs", resumed_at))))
            if holds_lease(ranks):
                held.enter_context(gpu_lease(f"training {run.name} (process {os.getpid()})"))
            metrics = train_run(config, run, log, ranks)
            log.write(Finished, duration_s=time.perf_counter() - started, artifact=str(run), metrics=metrics)
        except Stopped:
            message = "stopped on request after a finished step; a checkpoint is written"
            log.write(Failed, message=message, hint=f"Continue with `web4mlx train --resume {run}`.")
            return ExitCode.INTERRUPTED
        except Web4Error as error:
            log.write(Failed, message=error.message, hint=error.hint)
            return error.exit_code
    return ExitCode.OK


def train_run(config: RunConfig, run: Path, log: EventLog, ranks: "Ranks | None" = None) -> dict[str, object]:
    """Prepare, train (from the newest checkpoint if there is one) and finish a run.

    Args:
        config: The effective configuration.
        run: The run folder; of ranks above 0 a temporary one.
        log: Where events go.
        ranks: The processes that train together; None: this one alone.

    Returns:
        Metrics for the closing event; only rank 0 has some.
    """
    from web4mlx.models.base import find_base
    from web4mlx.models.tokenizer import ChatTokenizer
    from web4mlx.train import finish
    from web4mlx.train.agreement import describe_run, require_same_run, share_checkpoint
    from web4mlx.train.checkpoint import list_checkpoints, load_checkpoint
    from web4mlx.train.interview import Interview
    from web4mlx.train.loop import Trainer
    from web4mlx.train.parallel import Ranks
    from web4mlx.train.prepare import load_training_data, load_training_model
    from web4mlx.train.settings import describe_inputs, fingerprint

    base = find_base(config.model)
    tokenizer = ChatTokenizer(base)
    data = load_training_data(config, tokenizer)
    inputs = describe_inputs(config)
    ranks = ranks or Ranks()
    if ranks.size > 1:
        require_same_run(ranks, describe_run(config, inputs, data))
        share_checkpoint(ranks, run)
    loaded = load_training_model(config, base)
    trainer = Trainer(config, loaded, data, run, log, ranks)
    if config.training.sample_prompts and ranks.is_writer:
        trainer.interview = Interview(config, loaded, tokenizer, data.system, log).hold
    mark = fingerprint(config, inputs)
    checkpoints = list_checkpoints(run)
    if checkpoints:
        state, adapters, optimizer_state = load_checkpoint(checkpoints[-1], mark)
        trainer.restore(state, optimizer_state)
    else:
        state, adapters = trainer.start(mark)
    warn_of_slow_device(config, log)
    if loaded.fallback:
        log.warn(
            "fallback", f"{loaded.fallback}: mlx-lm's layers are used, without packing",
            "Our own layers know Llama and Qwen2; others train slower and need more memory.",
        )  # fmt: skip
    trainable = finish.trainable_parameters(adapters)
    share = trainable / loaded.base_parameters
    plan = {
        "samples": len(data.train), "steps": trainer.sampler.total_steps, "from step": state.step,
        "dropped": len(data.lengths.dropped), "trainable": f"{trainable:,} ({share:.2%})",
        "LoRA scale": f"{config.lora.scale:g}", "dtype": str(loaded.dtype).removeprefix("mlx.core."),
        **({"processes": ranks.size} if ranks.size > 1 else {}),
    }  # fmt: skip
    if config.training.base_bits:
        plan["base"] = (
            f"{config.training.base_bits} bits while training; fused and evaluated in full precision"
        )
    log.write(Started, plan=plan)
    for sample_id in data.lengths.dropped[:20]:
        log.warn("dropped", f"sample {sample_id} is longer than data.max_seq_length and is not trained on")
    last = trainer.train(state, adapters)
    if not ranks.is_writer:
        return {}
    chosen, step = finish.choose_adapter(run, state, last)
    if state.best_step == 0:
        log.warn(
            "no-gain", "no validation was better than the base model's; the last weights are kept",
            "Look at the loss curve and the samples before going on.",
        )  # fmt: skip
    stats = finish.TrainingStats.model_validate(
        finish.summarize(config, state, loaded, data, step)
        | {"trainable_parameters": trainable, "trainable_share": share}
        | losses_of(run)
    )
    finish.finish_run(config, run, tokenizer, loaded, stats, chosen, inputs)
    return json.loads(stats.model_dump_json(exclude={"system_prompt"}))  # type: ignore[no-any-return]


def warn_of_slow_device(config: RunConfig, log: EventLog) -> None:
    """Say so when no GPU was found and none was declined."""
    if gpu_kind() is None and config.hardware.device == "auto":
        log.warn(
            "cpu", "no GPU that MLX can use was found: training on the CPU",
            "Fine for the demo; a model of several billion parameters needs a Mac's GPU.",
        )  # fmt: skip


def losses_of(run: Path) -> dict[str, float | None]:
    """The base's validation loss, and the training loss over the last tenth of the steps (at least ten)."""
    by_step: dict[int, float] = {}
    base_loss: float | None = None
    for event, _ in read_events(run / EVENTS):
        if isinstance(event, Step):
            by_step[event.step] = event.loss
        elif isinstance(event, Validation) and event.step == 0:
            base_loss = event.loss
    steps = sorted(by_step)
    first = steps[-1] - max(10, steps[-1] // 10)
    spans = [
        (step - before, by_step[step])
        for before, step in zip([0, *steps], steps, strict=False)
        if step > first
    ]
    mean = sum(count * loss for count, loss in spans) / sum(count for count, _ in spans)
    return {"train_loss": mean, "base_val_loss": base_loss}


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1])))
    except Web4Error as error:
        print(f"error: {error.message}\nhint: {error.hint}", file=sys.stderr)
        sys.exit(error.exit_code)
