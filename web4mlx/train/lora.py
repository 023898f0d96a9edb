"""LoRA on an MLX model: which modules get an adapter, its first values, and the layer that applies it.

The master weights are float32 arrays in one flat dictionary apart from the model; the loss casts them to
the model's precision once per step. PEFT's convention holds: the effective scale is alpha / rank.
"""

from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten

from web4mlx.config.schema import LoraConfig
from web4mlx.errors import UsageError

Adapters = dict[str, mx.array]


class LoraLinear(nn.Module):  # type: ignore[misc]  # mlx.nn has no types
    """A frozen linear layer plus the scaled product of two low-rank matrices.

    Args:
        linear: The base layer, `nn.Linear` or `nn.QuantizedLinear`.
        scale: alpha / rank.
        dropout: Share of the adapter's inputs that is dropped in training.
    """

    def __init__(self, linear: nn.Module, scale: float, dropout: float) -> None:
        super().__init__()
        self.linear = linear
        self.scale = scale
        self.dropout = dropout
        self.dropout_key: mx.array | None = None
        self.lora_a: mx.array
        self.lora_b: mx.array

    def __call__(self, x: mx.array) -> mx.array:
        """Apply the layer; x has shape (..., inputs)."""
        y = self.linear(x)
        z = x
        if self.training and self.dropout:
            keep = 1 - self.dropout
            z = mx.where(mx.random.bernoulli(keep, x.shape, key=self.dropout_key), x * (1 / keep), 0)
        return mx.addmm(y, z @ self.lora_a, self.lora_b, alpha=self.scale)


def layer_range(config: LoraConfig, layers: int) -> range:
    """The layers that get adapters: all, or the last `config.layers`."""
    wanted = layers if config.layers == "all" else min(int(config.layers), layers)
    return range(layers - wanted, layers)


def attach_adapters(model: nn.Module, config: LoraConfig) -> list[str]:
    """Freeze the model and wrap its target projections.

    Returns:
        Names of the wrapped modules, e.g. `model.layers.0.self_attn.q_proj`.

    Raises:
        UsageError: A target projection does not exist in a layer.
    """
    model.freeze()
    names: list[str] = []
    for index in layer_range(config, len(model.layers)):
        layer = model.layers[index]
        found = {
            name: module
            for name, module in layer.named_modules()
            if name.rsplit(".", 1)[-1] in config.target_modules
            and isinstance(module, nn.Linear | nn.QuantizedLinear)
        }
        missing = set(config.target_modules) - {name.rsplit(".", 1)[-1] for name in found}
        if missing:
            raise UsageError(f"lora.target_modules: layer {index} of the model has no {sorted(missing)}")
        for name, module in found.items():
            parent: Any = layer
            *path, leaf = name.split(".")
            for part in path:
                parent = parent[part]
            parent[leaf] = LoraLinear(module, config.scale, config.dropout)
            names.append(f"model.layers.{index}.{name}")
    return sorted(names)


def find_module(model: nn.Module, name: str) -> Any:
    """The module at a dotted name; numbers index lists."""
    module: Any = model
    for part in name.split("."):
        module = module[int(part)] if part.isdigit() else module[part]
    return module


def linear_shape(linear: nn.Module) -> tuple[int, int]:
    """(outputs, inputs) of a plain or quantized linear layer."""
    outputs, inputs = linear.weight.shape
    return (
        (outputs, inputs * 32 // linear.bits) if isinstance(linear, nn.QuantizedLinear) else (outputs, inputs)
    )


def first_adapters(model: nn.Module, names: list[str], rank: int, seed: int) -> Adapters:
    """Fresh float32 adapters: A uniform in ±1/√inputs (PEFT's and mlx-lm's range), B zero.

    Returns:
        `NAME.lora_a` of shape (inputs, rank) and `NAME.lora_b` of shape (rank, outputs).
    """
    adapters: Adapters = {}
    keys = mx.random.split(mx.random.key(seed), len(names))
    for name, key in zip(names, keys, strict=True):
        outputs, inputs = linear_shape(find_module(model, name).linear)
        bound = inputs**-0.5
        adapters[f"{name}.lora_a"] = mx.random.uniform(-bound, bound, (inputs, rank), mx.float32, key=key)
        adapters[f"{name}.lora_b"] = mx.zeros((rank, outputs), mx.float32)
    mx.eval(adapters)
    return adapters


def place_adapters(model: nn.Module, adapters: Adapters, dtype: mx.Dtype) -> None:
    """Put adapters into the model's LoRA layers, cast to `dtype`; traceable by `mx.grad`."""
    for key, value in adapters.items():
        name, leaf = key.rsplit(".", 1)
        setattr(find_module(model, name), leaf, value.astype(dtype))


def seed_dropout(model: nn.Module, names: list[str], seed: int) -> None:
    """Give each LoRA layer its own key, so that a recomputed layer drops the same inputs again."""
    for name, key in zip(names, mx.random.split(mx.random.key(seed), len(names)), strict=True):
        find_module(model, name).dropout_key = key


def count_parameters(model: nn.Module) -> int:
    """Parameters of the base model; packed quantized weights count as the weights they stand for."""
    total = 0
    for name, value in tree_flatten(model.parameters()):
        if "lora_" in name or name.endswith((".scales", ".biases")):
            continue
        total += value.size * (8 if value.dtype == mx.uint32 else 1)
    return total
