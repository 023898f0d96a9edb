"""What training starts from: the base model with adapters attached, the rows."""

from dataclasses import dataclass
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn

from web4mlx.config.schema import RunConfig
from web4mlx.data.rows import LengthReport, RowSet, load_rows
from web4mlx.data.selection import load_training_rows
from web4mlx.errors import CheckFailed
from web4mlx.machine.describe import chip_name
from web4mlx.machine.mlx_runtime import choose_dtype
from web4mlx.modelfile import read_modelfile
from web4mlx.models.tokenizer import ChatTokenizer
from web4mlx.train.lora import attach_adapters, count_parameters
from web4mlx.train.network import LibraryLayers, Network, OwnLayers, why_not_own_layers
from web4mlx.train.quantized_base import quantize_projections
from web4mlx.train.recompute import recompute_library_layers, recompute_plan

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
    """The base with LoRA layers, the names of the adapted modules and the parameter count of the base.

    `fallback` says why mlx-lm's layers run instead of ours; empty when ours do.
    """

    model: nn.Module
    names: list[str]
    dtype: mx.Dtype
    base_parameters: int
    network: Network
    fallback: str = ""


def load_training_data(config: RunConfig, tokenizer: ChatTokenizer) -> TrainingData:
    """Tokenize (or take from the cache) the training and validation rows.

    Raises:
        CheckFailed: No row is left to train on or to validate with.
    """
    system = read_modelfile(config.modelfile).system
    data = config.data
    train, lengths = load_training_rows(data, tokenizer, system).fit(data.max_seq_length, data.too_long)
    held_out, _ = load_rows([data.eval], tokenizer, system).fit(data.max_seq_length, "drop")
    validation = held_out.select(spread(len(held_out), data.validation_rows))
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
    if config.training.base_bits:
        quantize_projections(model, config.training.base_bits)
    names = attach_adapters(model, config.lora)
    fallback = why_not_own_layers(model)
    network = build_network(config, model, names, dtype, own=not fallback)
    mx.eval(model.parameters())
    return TrainingModel(model, names, dtype, parameters, network, fallback)


def build_network(
    config: RunConfig, model: nn.Module, names: list[str], dtype: mx.Dtype, own: bool
) -> Network:
    """Our layers, or mlx-lm's, with the configured recomputation."""
    layers = len(model.layers)
    wanted = config.training.recompute
    plan = recompute_plan("none" if wanted == "auto" else wanted, layers)
    if own:
        return OwnLayers(model, config.lora.scale, config.lora.dropout, dtype, plan)
    recompute_library_layers(model, plan.count("full"))
    return LibraryLayers(model, names, dtype)
