"""Adapters and merged folders over the micro models."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from web4mlx.config.schema import LoraConfig
from web4mlx.events import Event, EventLog
from web4mlx.fuse.base import read_model_files
from web4mlx.fuse.merge import fuse_adapter
from web4mlx.train.adapter import write_adapter


def write_random_adapter(folder: Path, base: Path, *, rank: int = 4, strength: float = 0.05) -> Path:
    """Write an adapter with random A and B for all projections of a model folder."""
    generator = np.random.default_rng(11)
    tensors = read_model_files(base).tensors
    adapters: dict[str, Any] = {}
    for name, info in tensors.items():
        if name.endswith("_proj.weight"):
            outputs, inputs = info.shape
            module = name.removesuffix(".weight")
            adapters[f"{module}.lora_a"] = generator.normal(0, inputs**-0.5, (inputs, rank)).astype("f4")
            adapters[f"{module}.lora_b"] = generator.normal(0, strength, (rank, outputs)).astype("f4")
    folder.mkdir(parents=True)
    layers = sum(name.endswith("q_proj.weight") for name in tensors)
    write_adapter(folder, adapters, LoraConfig(rank=rank, alpha=2 * rank), str(base), layers)
    return folder


def fuse_quietly(adapter: Path, base: Path, out: Path, *, verify: bool = False) -> list[Event]:
    """Fuse; returns the events."""
    events: list[Event] = []
    fuse_adapter(adapter, base, out, EventLog(None, "test", "fuse", events.append), verify=verify)
    return events


def copy_model(source: Path, target: Path) -> Path:
    """A copy that a test may damage."""
    shutil.copytree(source, target)
    return target
