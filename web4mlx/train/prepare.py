"""What training starts from: the base model with adapters attached, the rows, and a fingerprint of it all."""

import json
from dataclasses import dataclass
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn

from web4mlx.artifacts import Input, describe_input, sha256_bytes
from web4mlx.config.schema import RunConfig
from web4mlx.data.rows import LengthReport, RowSet, load_rows
from web4mlx.errors import CheckFailed
from web4mlx.machine.describe import chip_name
from web4mlx.machine.mlx_runtime import choose_dtype
from web4mlx.modelfile import read_modelfile
from web4mlx.models.base import find_base
from web4mlx.models.tokenizer import ChatTokenizer
from web4mlx.train.lora import attach_adapters, count_parameters

DTYPES = {"float16": mx.float16, "bfloat16": mx.bfloat16, "float32": mx.float32}


@dataclass(frozen=True)
class TrainingData:
    """Rows to train on, fixed validation rows, and what the length policy did to the former."""

    train: RowSet
    validation: RowSet
    lengths: LengthReport
    system: str


@dataclass(frozen=True)
class TrainingModel:
    """The base with LoRA layers, the names of the adapted modules and the parameter count of the base."""

    model: nn.Module
    names: list[str]
    dtype: mx.Dtype
    base_parameters: int


def load_training_data(config: RunConfig, tokenizer: ChatTokenizer) -> TrainingData:
    """Tokenize (or take from the cache) the training and validation rows.

    Raises:
        CheckFailed: No row is left to train on or to validate with.
    """
    system = read_modelfile(config.modelfile).system
    data = config.data
    train, lengths = load_rows(data.train, tokenizer, system).fit(data.max_seq_length, data.too_long)
    held_out, _ = load_rows([data.eval], tokenizer, system).fit(data.max_seq_length, "drop")
    validation = RowSet([held_out[i] for i in spread(len(held_out), data.validation_rows)])
    for name, rows in (("data.train", train), ("data.eval", validation)):
        if not len(rows):
            raise CheckFailed(
                f"{name}: no row is left at max_seq_length = {data.max_seq_length}",
                "Look at `web4mlx data check`; raise data.max_seq_length.",
            )
    return TrainingData(train, validation, lengths, system)


def spread(available: int, wanted: int) -> list[int]:
    """Indices of `wanted` rows spread evenly over `available`, the same every time."""
    count = min(available, wanted)
    return [index * available // count for index in range(count)] if count else []


def load_training_model(config: RunConfig, base: Path) -> TrainingModel:
    """Load the base in the chosen precision and attach adapters."""
    from mlx_lm.utils import load_model

    on_gpu = mx.default_device() == mx.gpu
    dtype = DTYPES[choose_dtype(config.hardware.dtype, chip_name(), on_gpu)]
    model, _ = load_model(base, lazy=True)
    model.set_dtype(dtype)
    parameters = count_parameters(model)
    names = attach_adapters(model, config.lora)
    mx.eval(model.parameters())
    return TrainingModel(model, names, dtype, parameters)


def describe_inputs(config: RunConfig) -> dict[str, Input]:
    """Manifest entries of everything a training run depends on."""
    files = {f"data:{file.name}": file for file in (*config.data.train, config.data.eval)}
    inputs = {name: describe_input(file) for name, file in files.items()}
    inputs["base"] = describe_input(find_base(config.model))
    inputs["modelfile"] = describe_input(config.modelfile)
    return inputs


def training_settings(config: RunConfig) -> dict[str, object]:
    """The part of the configuration that decides the trained weights."""
    skipped = {"logging_steps", "save_total_limit", "loss_low", "loss_high", "final_loss", "samples_per_second"}
    return {
        "data": {
            "max_seq_length": config.data.max_seq_length,
            "too_long": config.data.too_long,
            "batching": config.data.batching,
            "validation_rows": config.data.validation_rows,
        },
        "training": config.training.model_dump(mode="json", exclude=skipped),
        "lora": config.lora.model_dump(mode="json"),
        "dtype": config.hardware.dtype,
    }


def fingerprint(config: RunConfig, inputs: dict[str, Input]) -> str:
    """SHA-256 over all that decides the trained weights: configuration, data, base, system prompt."""
    digests = {name: item.sha256 for name, item in inputs.items()}
    return sha256_bytes(json.dumps([training_settings(config), digests], sort_keys=True).encode())
