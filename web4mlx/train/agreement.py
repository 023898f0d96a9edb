"""What ranks must agree on: one run's inputs and settings, the checkpoint to start from, equal adapters.

Machines share no disk. What differs is found before training starts; what rank 0 has to start from is sent
to the others; and at each checkpoint all hold what rank 0 writes, so that resuming is as if never stopped.
"""

import hashlib
import json
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from web4mlx.artifacts import Input, atomic_write, cache_folder, installed_versions
from web4mlx.config.schema import RunConfig
from web4mlx.errors import StageCrashed, UsageError
from web4mlx.machine.describe import chip_name
from web4mlx.machine.mlx_runtime import choose_dtype
from web4mlx.train.checkpoint import (
    CHECKPOINT_FILES,
    checkpoint_folder,
    flatten_state,
    list_checkpoints,
    read_state,
    unflatten_state,
)
from web4mlx.train.lora import Adapters
from web4mlx.train.parallel import Ranks
from web4mlx.train.prepare import TrainingData
from web4mlx.train.settings import training_settings

ROUNDING = 1e-3


def holds_lease(ranks: Ranks) -> bool:
    """Whether this rank takes its machine's lease: the lowest one that would take the same."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    stat = folder.stat()
    mine = f"{socket.gethostname()} {stat.st_dev} {stat.st_ino}".encode()
    return ranks.exchange(mine).index(mine) == ranks.rank


def require_same_run(ranks: Ranks, parts: Mapping[str, str]) -> None:
    """Refuse to train when the ranks would not train the same.

    Args:
        ranks: All ranks.
        parts: What decides the trained weights, by a name the user knows; see `describe_run`.

    Raises:
        UsageError: A rank differs from rank 0; names the parts. Raised on all ranks.
    """
    everyone = [
        json.loads(text) for text in ranks.exchange(json.dumps([socket.gethostname(), parts]).encode())
    ]
    (first_host, first), *others = everyone
    for rank, (host, theirs) in enumerate(others, 1):
        differing = sorted(key for key in first.keys() | theirs.keys() if first.get(key) != theirs.get(key))
        if differing:
            raise UsageError(
                f"rank {rank} ({host}) and rank 0 ({first_host}) do not train the same: "
                f"{', '.join(differing)} differ",
                "Name the same configuration everywhere; copy data, Modelfile and base from one machine.",
            )


def describe_run(config: RunConfig, inputs: Mapping[str, Input], data: TrainingData) -> dict[str, str]:
    """All that decides the trained weights and could differ between machines."""
    settings: Any = training_settings(config)
    sections = {key: value for key, value in settings.items() if isinstance(value, dict)}
    wanted, on_gpu = config.hardware.dtype, mx.default_device() == mx.gpu
    versions = installed_versions()
    return {
        **{
            f"{name}.{key}": json.dumps(value)
            for name, keys in sections.items()
            for key, value in keys.items()
        },
        **{name: item.sha256 for name, item in inputs.items()},
        "tokenized rows": data.train.digest + data.validation.digest,
        "hardware.dtype": f"{wanted} {choose_dtype(wanted, chip_name(), on_gpu)}",
        **{f"version of {name}": versions.get(name, "") for name in ("web4mlx", "mlx", "mlx-lm")},
    }


def share_checkpoint(ranks: Ranks, run: Path) -> None:
    """Give rank 0's newest checkpoint, if there is one, to the run folders of the others."""
    newest = list_checkpoints(run)[-1:]
    (step,) = ranks.sum(read_state(newest[0]).step if newest else 0)
    folder = checkpoint_folder(run, int(step))
    for name in CHECKPOINT_FILES if step else ():
        content = ranks.broadcast((folder / name).read_bytes() if ranks.is_writer else b"")
        if not ranks.is_writer:
            atomic_write(folder / name, content)


def same_everywhere(
    ranks: Ranks, adapters: Adapters, optimizer: Any, warn: Callable[[str, str], None]
) -> Adapters:
    """Make sure that all ranks hold the same adapters and optimizer state.

    Equal machines hold the same bits. Different chips may round differently; then rank 0's values, which
    hardly differ, are taken over.

    Returns:
        The adapters to go on with.

    Raises:
        StageCrashed: They differ by more than rounding. Raised on all ranks.
    """
    if ranks.size == 1:
        return adapters
    own = {key: np.array(value) for key, value in (adapters | flatten_state(optimizer.state)).items()}
    data = b"".join(own[key].tobytes() for key in sorted(own))
    if len(set(ranks.exchange(hashlib.sha256(data).digest()))) == 1:
        return adapters
    first = unpack_like(own, ranks.broadcast(data))
    worst = max(relative_difference(own[key], first[key]) for key in own)
    if ranks.any(not worst < ROUNDING):
        raise StageCrashed(
            f"the ranks' adapters differ by more than rounding: here by {worst:.1e} of the largest weight",
            "This must not happen: train on one machine, and report it.",
        )
    warn("rounding", f"the ranks' adapters differed by {worst:.1e}; rank 0's were taken over")
    arrays = {key: mx.array(value) for key, value in first.items()}
    optimizer.state = unflatten_state({key: arrays[key] for key in own if key not in adapters}, adapters)
    return {key: arrays[key] for key in adapters}


def unpack_like(arrays: Mapping[str, NDArray[Any]], data: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of these names, types and shapes whose bytes stand one behind the other in `data`."""
    unpacked: dict[str, NDArray[Any]] = {}
    start = 0
    for key in sorted(arrays):
        like = arrays[key]
        values = np.frombuffer(data[start : start + like.nbytes], like.dtype)
        unpacked[key], start = values.reshape(like.shape), start + like.nbytes
    return unpacked


def relative_difference(array: NDArray[Any], reference: NDArray[Any]) -> float:
    """The largest difference, as a share of the largest absolute value of `reference`."""
    largest = float(np.abs(reference).max()) or 1.0
    return float(np.abs(array.astype(np.float64) - reference).max()) / largest
