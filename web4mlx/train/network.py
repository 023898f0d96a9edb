"""From a micro-batch to the hidden states of its supervised positions, by our layers or by mlx-lm's."""

from collections.abc import Sequence
from typing import Protocol

import mlx.core as mx
import mlx.nn as nn

from web4mlx.train.attention import Heads, blocks_of
from web4mlx.train.batches import MicroBatch
from web4mlx.train.layers import Dropout, Layer, Row, normalize
from web4mlx.train.lora import Adapters, place_adapters, seed_dropout
from web4mlx.train.recompute import Recompute
from web4mlx.train.rotary import rotation_of

SITES = 4
"""Dropout masks of a layer: the inputs of q/k/v, of o, of gate/up and of down."""


class Network(Protocol):
    """What the loss needs of a model."""

    model: nn.Module
    packs: bool
    compiled: bool

    def hidden(self, adapters: Adapters, batch: MicroBatch, seed: int | None) -> mx.array:
        """Final hidden states of the supervised positions, shape (supervised, hidden).

        Args:
            adapters: Float32 master weights.
            batch: Token rows.
            seed: Decides dropout; None evaluates: no dropout, nothing is recomputed.
        """
        ...


class OwnLayers:
    """Llama and Qwen2 by our layers, on packed or padded rows.

    Args:
        model: mlx-lm's model with LoRA layers attached.
        scale: alpha / rank.
        dropout: Share of the adapters' inputs that is dropped in training.
        dtype: Precision of activations.
        recompute: What each layer recomputes, one entry a layer.
    """

    packs = True
    compiled = False

    def __init__(
        self,
        model: nn.Module,
        scale: float,
        dropout: float,
        dtype: mx.Dtype,
        recompute: Sequence[Recompute],
    ) -> None:
        args = model.args
        self.model, self.scale, self.dropout, self.dtype = model, scale, dropout, dtype
        self.recompute = tuple(recompute)
        head_dim = getattr(args, "head_dim", None) or args.hidden_size // args.num_attention_heads
        self.heads = Heads(args.num_attention_heads, args.num_key_value_heads, head_dim)
        self.theta = args.rope_theta
        self.layers = [
            Layer(module, f"model.layers.{index}", self.heads, dtype, scale)
            for index, module in enumerate(model.layers)
        ]

    def hidden(self, adapters: Adapters, batch: MicroBatch, seed: int | None) -> mx.array:
        """See `Network`."""
        body = self.model.model
        rotation = rotation_of(batch.token_positions, self.heads.size, self.theta, self.dtype)
        row = Row(blocks_of(batch.segments, batch.prefix), rotation)
        x = body.embed_tokens(mx.array(batch.inputs.reshape(-1)))
        dropouts = self._dropouts(seed)
        for layer, recompute, drops in zip(self.layers, self.recompute, dropouts, strict=True):
            x = layer(x, adapters, row, drops, recompute if seed is not None else "none")
        return normalize(body.norm, x[mx.array(batch.positions)])

    def _dropouts(self, seed: int | None) -> list[list[Dropout]]:
        count = len(self.layers) * SITES
        if seed is None or not self.dropout:
            drops = [Dropout(0.0, None)] * count
        else:
            drops = [Dropout(self.dropout, key) for key in mx.random.split(mx.random.key(seed), count)]
        return [drops[start : start + SITES] for start in range(0, count, SITES)]


class LibraryLayers:
    """Any model of mlx-lm by its own layers, on padded rows only.

    Args:
        model: mlx-lm's model with LoRA layers attached.
        names: Names of the adapted modules.
        dtype: Precision of activations.
    """

    packs = False
    compiled = False

    def __init__(self, model: nn.Module, names: Sequence[str], dtype: mx.Dtype) -> None:
        self.model, self.names, self.dtype = model, sorted(names), dtype

    def hidden(self, adapters: Adapters, batch: MicroBatch, seed: int | None) -> mx.array:
        """See `Network`."""
        self.model.train(seed is not None)
        place_adapters(self.model, adapters, self.dtype)
        if seed is not None:
            seed_dropout(self.model, self.names, seed)
        hidden = self.model.model(mx.array(batch.inputs))
        flat: mx.array = hidden.reshape(-1, hidden.shape[-1])
        return flat[mx.array(batch.positions)]


def why_not_own_layers(model: nn.Module) -> str:
    """Why our layers cannot run a model; empty when they can."""
    args = model.args
    if args.model_type not in ("llama", "qwen2"):
        return f"model type {args.model_type}"
    if getattr(args, "rope_scaling", None):
        return "scaled rotary embeddings"
    if getattr(args, "rope_traditional", False):
        return "interleaved rotary embeddings"
    if any(kind != "full_attention" for kind in getattr(args, "layer_types", None) or []):
        return "sliding-window attention"
    return ""
