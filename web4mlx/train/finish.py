"""What a finished run leaves: the adapter in both layouts, the tokenizer, statistics and a manifest."""

import shutil
import time
from pathlib import Path

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten
from pydantic import BaseModel, ConfigDict

from web4mlx.artifacts import Input, atomic_write, new_manifest, write_manifest
from web4mlx.config.schema import RunConfig
from web4mlx.models.tokenizer import TOKENIZER_FILES, ChatTokenizer
from web4mlx.train.adapter import write_adapter
from web4mlx.train.checkpoint import TrainState, load_arrays
from web4mlx.train.lora import Adapters
from web4mlx.train.prepare import TrainingData, TrainingModel
from web4mlx.train.settings import training_settings


class TrainingStats(BaseModel):
    """`training_stats.json`. Times in seconds, memory in bytes; losses are means per supervised token.

    `train_loss` is the mean over the last tenth of the steps (at least ten), `adapter_step` the step whose
    weights the adapter holds (the best on the validation rows, or the last).
    """

    model_config = ConfigDict(extra="forbid")
    train_runtime: float
    train_samples_per_second: float
    train_tokens_per_second: float
    train_loss: float
    base_val_loss: float | None
    best_val_loss: float | None
    best_step: int
    adapter_step: int
    total_steps: int
    total_samples: int
    samples_seen: int
    tokens_seen: int
    supervised_tokens_seen: int
    epochs: float
    timestamp: str
    peak_memory_bytes: int
    max_grad_norm: float
    skipped_steps: int
    dropped_samples: int
    trainable_parameters: int
    base_parameters: int
    trainable_share: float
    lora_scale: float
    dtype: str
    system_prompt: str


def trainable_parameters(adapters: Adapters) -> int:
    """Number of adapter weights."""
    return sum(value.size for _, value in tree_flatten(adapters))


def choose_adapter(run: Path, state: TrainState, last: Adapters) -> tuple[Adapters, int]:
    """The best adapters of the run and their step; the last when none was better than the base."""
    best = run / "checkpoints" / "best.safetensors"
    if state.best_step and state.best_step != state.step and best.exists():
        return load_arrays(best), state.best_step
    return last, state.step


def finish_run(
    config: RunConfig,
    run: Path,
    tokenizer: ChatTokenizer,
    loaded: TrainingModel,
    stats: TrainingStats,
    adapters: Adapters,
    inputs: dict[str, Input],
) -> None:
    """Write adapter, tokenizer files, statistics and manifest into the run folder."""
    arrays = {key: np.array(value.astype(mx.float32)) for key, value in adapters.items()}
    write_adapter(run, arrays, config.lora, config.model.base, len(loaded.model.layers))
    for name in TOKENIZER_FILES:
        if (tokenizer.folder / name).is_file():
            shutil.copyfile(tokenizer.folder / name, run / name)
    atomic_write(run / "training_stats.json", stats.model_dump_json(indent=2) + "\n")
    manifest = new_manifest(
        "train",
        inputs=inputs,
        config=training_settings(config),
        seeds={"training": config.training.seed},
        metrics={
            "train_loss": stats.train_loss,
            "best_val_loss": stats.best_val_loss,
            "adapter_step": stats.adapter_step,
            "tokenizer_sha256": tokenizer.digest,
            "supervision": "all assistant tokens and their end tokens",
        },
        timings_s={"train": stats.train_runtime},
    )
    write_manifest(run, manifest)


def summarize(
    config: RunConfig, state: TrainState, loaded: TrainingModel, data: TrainingData, step: int
) -> dict[str, object]:
    """Statistics that follow from the run's state; see `TrainingStats`."""
    seconds = max(state.elapsed_s, 1e-9)
    return {
        "train_runtime": state.elapsed_s,
        "train_samples_per_second": state.samples_seen / seconds,
        "train_tokens_per_second": state.tokens_seen / seconds,
        "best_val_loss": state.best_loss,
        "best_step": state.best_step,
        "adapter_step": step,
        "total_steps": state.step,
        "total_samples": len(data.train),
        "samples_seen": state.samples_seen,
        "tokens_seen": state.tokens_seen,
        "supervised_tokens_seen": state.supervised_seen,
        "epochs": config.training.epochs,
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "peak_memory_bytes": state.peak_memory_bytes,
        "max_grad_norm": state.max_grad_norm,
        "skipped_steps": state.skipped_steps,
        "dropped_samples": len(data.lengths.dropped),
        "base_parameters": loaded.base_parameters,
        "lora_scale": config.lora.scale,
        "dtype": str(loaded.dtype).removeprefix("mlx.core."),
        "system_prompt": data.system,
    }
