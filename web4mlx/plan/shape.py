"""The sizes of a model and its adapter that decide memory and time, read from config.json."""

import json
from dataclasses import dataclass
from math import prod
from pathlib import Path

from web4mlx.config.schema import LoraConfig
from web4mlx.models.weights import expected_shapes, layer_shapes


@dataclass(frozen=True)
class ModelShape:
    """Sizes in values, not bytes.

    Attributes:
        parameters: All weights of the base.
        projections: Weights of one layer's seven projections.
        down: Weights of one layer's last projection, the only one a full recomputation leaves out.
        adapter: Weights of the whole adapter; `adapter_layers` layers have one.
    """

    hidden: int
    queries: int
    keys: int
    heads: int
    head_size: int
    wide: int
    vocabulary: int
    layers: int
    parameters: int
    projections: int
    down: int
    rank: int
    adapter: int
    adapter_layers: int


def read_shape(base: Path, lora: LoraConfig) -> ModelShape:
    """Read the sizes of a base and of the adapter a configuration puts on it."""
    config = json.loads((base / "config.json").read_text("utf-8"))
    layer = {name: shape for name, shape in layer_shapes(config).items() if name.endswith("proj.weight")}
    layers, heads = int(config["num_hidden_layers"]), int(config["num_attention_heads"])
    adapted = [shape for name, shape in layer.items() if name.split(".")[-2] in lora.target_modules]
    adapter_layers = layers if lora.layers == "all" else min(int(lora.layers), layers)
    return ModelShape(
        hidden=int(config["hidden_size"]),
        queries=layer["self_attn.q_proj.weight"][0],
        keys=layer["self_attn.k_proj.weight"][0],
        heads=heads,
        head_size=layer["self_attn.q_proj.weight"][0] // heads,
        wide=int(config["intermediate_size"]),
        vocabulary=int(config["vocab_size"]),
        layers=layers,
        parameters=sum(prod(shape) for shape in expected_shapes(config).values()),
        projections=sum(prod(shape) for shape in layer.values()),
        down=prod(layer["mlp.down_proj.weight"]),
        rank=lora.rank,
        adapter=adapter_layers * lora.rank * sum(sum(shape) for shape in adapted),
        adapter_layers=adapter_layers,
    )
