"""One transformer layer of Llama or Qwen2 with LoRA, on a flat row of tokens.

The layer is four regions: norm, q/k/v products and rotation; attention; output product; norm and SwiGLU
block. Projections that read the same input share one product with their A matrices side by side, which is
exact, and one dropout mask. A recomputed region keeps its inputs only: norms, activations and rank-r products
are computed again in the backward pass; the products with the base are not, because no gradient asks for
their result.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import mlx.core as mx
import mlx.nn as nn

from web4mlx.train.attention import Block, Heads, attend
from web4mlx.train.elementwise import swiglu
from web4mlx.train.lora import Adapters, LoraLinear
from web4mlx.train.recompute import Arrays, Recompute, recomputed
from web4mlx.train.rotary import Rotation, rotate

DROPOUT_RANGE = 1 << 16


@dataclass(frozen=True)
class Row:
    """What the layers need to know about a row besides its values."""

    blocks: list[Block]
    rotation: Rotation


@dataclass(frozen=True)
class Product:
    """Frozen linear layers that read the same input.

    Attributes:
        linears: The base layers, plain or quantized.
        names: The adapter of each, None for one that is not adapted.
    """

    linears: tuple[nn.Module, ...]
    names: tuple[str | None, ...]

    @property
    def adapted(self) -> list[str]:
        """Names of the adapters, in order."""
        return [name for name in self.names if name]

    def operands(self, adapters: Adapters, dtype: mx.Dtype, scale: float) -> Arrays:
        """All A side by side, (inputs, adapted * rank), then each B times `scale`; empty when not adapted."""
        if not self.adapted:
            return []
        side_by_side = mx.concatenate([adapters[f"{name}.lora_a"] for name in self.adapted], axis=1)
        scaled = [(adapters[f"{name}.lora_b"] * scale).astype(dtype) for name in self.adapted]
        return [side_by_side.astype(dtype), *scaled]

    def __call__(self, x: mx.array, operands: Arrays, dropout: "Dropout") -> list[mx.array]:
        """The layers' outputs for x of shape (tokens, inputs)."""
        plain = [linear(x) for linear in self.linears]
        if not operands:
            return plain
        low = iter(mx.split(dropout(x) @ operands[0], len(self.adapted), axis=-1))
        second = iter(operands[1:])
        return [
            mx.addmm(y, next(low), next(second)) if name else y
            for y, name in zip(plain, self.names, strict=True)
        ]


@dataclass(frozen=True)
class Dropout:
    """Drops a share of an adapter's inputs; the key decides which, so a recomputed region drops the same."""

    rate: float
    key: mx.array | None

    def __call__(self, x: mx.array) -> mx.array:
        """Drop and scale; the identity without a key. The rate is rounded to 1/65536."""
        if self.key is None:
            return x
        keep = 1.0 - self.rate
        words = mx.random.split(self.key, -(-x.size // 4)).view(mx.uint16)
        kept = words.reshape(-1)[: x.size].reshape(x.shape) >= round(self.rate * DROPOUT_RANGE)
        return x * kept.astype(x.dtype) * (1.0 / keep)


class Layer:
    """One layer's weights and how to run it.

    Args:
        module: The layer of mlx-lm's model, with LoRA layers attached.
        name: Its dotted name, e.g. `model.layers.0`.
        heads: Attention heads.
        dtype: Precision of the operands.
        scale: alpha / rank.
    """

    def __init__(self, module: nn.Module, name: str, heads: Heads, dtype: mx.Dtype, scale: float) -> None:
        self.heads, self.dtype, self.scale = heads, dtype, scale
        self.input_norm = module.input_layernorm
        self.post_norm = module.post_attention_layernorm
        attention, mlp = f"{name}.self_attn", f"{name}.mlp"
        self.qkv = _product(module.self_attn, attention, ("q_proj", "k_proj", "v_proj"))
        self.output = _product(module.self_attn, attention, ("o_proj",))
        self.gate_up = _product(module.mlp, mlp, ("gate_proj", "up_proj"))
        self.down = _product(module.mlp, mlp, ("down_proj",))
        adapted = [leaf for product in self.products for leaf in product.adapted]
        self.masters = [f"{leaf}.{matrix}" for leaf in adapted for matrix in ("lora_a", "lora_b")]

    @property
    def products(self) -> tuple[Product, ...]:
        """The layer's products in the order of their operands."""
        return self.qkv, self.output, self.gate_up, self.down

    def operands(self, adapters: Adapters) -> list[Arrays]:
        """The operands of each product, cast once."""
        return [product.operands(adapters, self.dtype, self.scale) for product in self.products]

    def __call__(
        self, x: mx.array, adapters: Adapters, row: Row, dropouts: Sequence[Dropout], recompute: Recompute
    ) -> mx.array:
        """Run on x of shape (tokens, hidden); `adapters` are all master weights."""
        if recompute != "full":
            return self._run(x, self.operands(adapters), row, dropouts, lean=recompute == "selective")

        def run(inputs: Arrays, masters: Arrays) -> Arrays:
            own = dict(zip(self.masters, masters, strict=True))
            return [self._run(inputs[0], self.operands(own), row, dropouts, lean=False)]

        return recomputed(run)([x], [adapters[name] for name in self.masters])[0]

    def _run(
        self, x: mx.array, operands: list[Arrays], row: Row, dropouts: Sequence[Dropout], *, lean: bool
    ) -> mx.array:
        heads = self.heads

        def project(inputs: Arrays, operands: Arrays) -> Arrays:
            parts = self.qkv(normalize(self.input_norm, inputs[0]), operands, dropouts[0])
            query, key, value = (part.reshape(part.shape[0], -1, heads.size) for part in parts)
            return [rotate(query, row.rotation), rotate(key, row.rotation), value]

        def widen(inputs: Arrays, operands: Arrays) -> Arrays:
            return self.gate_up(normalize(self.post_norm, inputs[0]), operands, dropouts[2])

        def narrow(inputs: Arrays, operands: Arrays) -> Arrays:
            return self.down(swiglu(inputs[0], inputs[1], keep=not lean), operands, dropouts[3])

        region = recomputed if lean else lambda function: function
        query, key, value = region(project)([x], operands[0])
        mixed = attend(query, key, value, row.blocks, heads, keep=not lean)
        x = x + self.output(mixed.reshape(mixed.shape[0], -1), operands[1], dropouts[1])[0]
        gate_and_up = region(widen)([x], operands[2])
        return x + region(narrow)(gate_and_up, operands[3])[0]


def normalize(norm: nn.Module, x: mx.array) -> mx.array:
    """RMS norm; MLX's own kernel computes in float32 at most, so float64 takes the formula."""
    if x.dtype != mx.float64:
        result: mx.array = norm(x)
        return result
    exact: mx.array = x * mx.rsqrt((x * x).mean(axis=-1, keepdims=True) + norm.eps) * norm.weight
    return exact


def _product(parent: nn.Module, name: str, leaves: Sequence[str]) -> Product:
    modules = [parent[leaf] for leaf in leaves]
    adapted = [isinstance(module, LoraLinear) for module in modules]
    return Product(
        tuple(module.linear if has else module for module, has in zip(modules, adapted, strict=True)),
        tuple(f"{name}.{leaf}" if has else None for leaf, has in zip(leaves, adapted, strict=True)),
    )
