"""Checkpoints from which training goes on exactly as if it had never stopped.

A checkpoint is a folder `checkpoints/step_000500` with the adapter's master weights, the optimizer's state
and `state.json`. It is written under a temporary name, synced and renamed. The last few and the best stay.
"""

import shutil
from pathlib import Path
from typing import Any

import mlx.core as mx
from pydantic import BaseModel, ConfigDict, ValidationError

from web4mlx.artifacts import atomic_folder, atomic_write
from web4mlx.errors import UsageError
from web4mlx.train.lora import Adapters

STATE = "state.json"
CHECKPOINT_FILES = ("adapter.safetensors", "optimizer.safetensors", STATE)


class TrainState(BaseModel):
    """Everything of a run's position but the arrays.

    `fingerprint` ties a checkpoint to its configuration, data and base model.
    """

    model_config = ConfigDict(extra="forbid")
    fingerprint: str
    step: int = 0
    samples_seen: int = 0
    tokens_seen: int = 0
    supervised_seen: int = 0
    elapsed_s: float = 0.0
    loss_scale: float = 1.0
    good_steps: int = 0
    skipped_steps: int = 0
    skipped_in_a_row: int = 0
    best_loss: float | None = None
    best_step: int = 0
    validations_without_best: int = 0
    loss_sum_epoch: float = 0.0
    loss_count_epoch: int = 0
    last_loss: float | None = None
    max_grad_norm: float = 0.0
    peak_memory_bytes: int = 0


def checkpoint_folder(run: Path, step: int) -> Path:
    """Where the checkpoint of a step stands."""
    return run / "checkpoints" / f"step_{step:06d}"


def save_checkpoint(run: Path, state: TrainState, adapters: Adapters, optimizer_state: Any) -> Path:
    """Write a checkpoint atomically."""
    folder = checkpoint_folder(run, state.step)
    with atomic_folder(folder) as temporary:
        mx.save_safetensors(str(temporary / "adapter.safetensors"), adapters)
        mx.save_safetensors(str(temporary / "optimizer.safetensors"), flatten_state(optimizer_state))
        atomic_write(temporary / STATE, state.model_dump_json(indent=2) + "\n")
    return folder


def list_checkpoints(run: Path) -> list[Path]:
    """Finished checkpoints, oldest first."""
    return sorted(folder for folder in (run / "checkpoints").glob("step_*") if (folder / STATE).is_file())


def read_state(folder: Path) -> TrainState:
    """The state of a checkpoint.

    Raises:
        UsageError: It cannot be read.
    """
    try:
        return TrainState.model_validate_json((folder / STATE).read_text("utf-8"))
    except (OSError, ValidationError) as error:
        raise UsageError(
            f"{folder / STATE}: not a checkpoint of this version", "Resume from an older checkpoint."
        ) from error


def load_checkpoint(folder: Path, fingerprint: str) -> tuple[TrainState, Adapters, Any]:
    """Read a checkpoint.

    Raises:
        UsageError: It belongs to another configuration, data or base model, or a file is damaged.
    """
    state = read_state(folder)
    if state.fingerprint != fingerprint:
        raise UsageError(
            f"{folder}: made with another configuration, other data or another base model",
            "Resume with the run's own config.toml and unchanged data, or start a new run.",
        )
    try:
        adapters = load_arrays(folder / "adapter.safetensors")
        optimizer_state = unflatten_state(load_arrays(folder / "optimizer.safetensors"), adapters)
    except (OSError, RuntimeError, KeyError) as error:
        raise UsageError(f"{folder}: damaged checkpoint: {error}", "Delete it and resume again.") from error
    return state, adapters, optimizer_state


def load_arrays(file: Path) -> dict[str, mx.array]:
    """The arrays of a safetensors file."""
    arrays = mx.load(str(file))
    return arrays if isinstance(arrays, dict) else {}


def flatten_state(state: dict[str, Any]) -> dict[str, mx.array]:
    """The optimizer's state as one flat dictionary: `step`, and `ADAPTER/m` and `ADAPTER/v` of each adapter.

    Adapter names hold dots, so MLX's own dotted flattening could not be undone.
    """
    flat: dict[str, mx.array] = {}
    for key, value in state.items():
        flat |= (
            {f"{key}/{leaf}": array for leaf, array in value.items()}
            if isinstance(value, dict)
            else {key: value}
        )
    return flat


def unflatten_state(flat: dict[str, mx.array], adapters: Adapters) -> dict[str, Any]:
    """The optimizer's state from its flat form.

    Raises:
        KeyError: A moment of an adapter is missing.
    """
    state: dict[str, Any] = {key: value for key, value in flat.items() if "/" not in key}
    return state | {key: {leaf: flat[f"{key}/{leaf}"] for leaf in ("m", "v")} for key in adapters}


def prune_checkpoints(run: Path, keep: int, best_step: int) -> None:
    """Delete all but the newest `keep` checkpoints and the best one."""
    folders = list_checkpoints(run)
    for folder in folders[:-keep]:
        if folder != checkpoint_folder(run, best_step):
            shutil.rmtree(folder, ignore_errors=True)
