"""The training loss: cross-entropy over supervised tokens, without ever forming all logits.

The head runs on the supervised positions only. It goes over the vocabulary once, in chunks: each chunk's
exponentials give their part of the sum and, multiplied with the same chunk of the head's matrix, their part
of the gradient. The parts are brought to one scale at the end, so no chunk's logits outlive it. An evaluation
leaves the gradient out.
"""

from typing import Any

import mlx.core as mx
import mlx.nn as nn

from web4mlx.train.batches import MicroBatch
from web4mlx.train.elementwise import LN_2, LOG2_E, exp2
from web4mlx.train.lora import Adapters
from web4mlx.train.network import Network

CHUNK = {"cpu": (128, 4096), "gpu": (512, 8192)}
"""Rows and columns of a piece of the logits. MLX schedules ahead, so about twenty temporaries of it exist."""


def output_weight(model: nn.Module) -> mx.array | None:
    """The plain head matrix, shape (vocabulary, hidden); None when the head is quantized or unusual."""
    tied = getattr(model.args, "tie_word_embeddings", False)
    module = model.model.embed_tokens if tied else model.get("lm_head")
    is_plain = isinstance(module, nn.Embedding | nn.Linear) and "bias" not in module
    weight: mx.array | None = module.weight if is_plain else None
    return weight


def head_loss(hidden: mx.array, targets: mx.array, weight: mx.array, with_gradient: bool = True) -> mx.array:
    """Sum of cross-entropies of `hidden @ weight.T` against `targets`.

    The head is frozen, so only `hidden` gets a gradient; it is formed in the forward pass, while a chunk's
    exponentials are at hand, and scaled in the backward pass.

    Args:
        hidden: Shape (rows, hidden), the supervised positions.
        targets: Shape (rows,), int32.
        weight: Shape (vocabulary, hidden), frozen.
        with_gradient: False for an evaluation; the result must not be differentiated then.

    Returns:
        A scalar of at least float32.
    """
    if not with_gradient:
        return _one_pass(hidden, targets, weight, with_gradient)[0]

    @mx.custom_function
    def loss_and_gradient(h: mx.array) -> tuple[mx.array, ...]:
        return _one_pass(h, targets, weight, with_gradient)

    @loss_and_gradient.vjp
    def scale_gradient(h: mx.array, cotangents: Any, outputs: Any) -> Any:
        return (cotangents[0] * outputs[1]).astype(h.dtype)

    loss: mx.array = loss_and_gradient(hidden)[0]  # type: ignore[index]  # typed as object by MLX's stubs
    return loss


def chunk_shape(vocabulary: int, on_gpu: bool) -> tuple[int, int]:
    """Rows and columns of the logits that exist at a time."""
    rows, columns = CHUNK["gpu" if on_gpu else "cpu"]
    return rows, min(columns, vocabulary)


def _one_pass(
    hidden: mx.array, targets: mx.array, weight: mx.array, with_gradient: bool
) -> tuple[mx.array, ...]:
    """Loss sum and, when wanted, its gradient in at least float32."""
    rows, columns = chunk_shape(len(weight), mx.default_device() == mx.gpu)
    done: list[tuple[mx.array, ...]] = []
    for start in range(0, len(hidden), rows):
        part = slice(start, start + rows)
        after = [done[-1][-1]] if done else []
        ready = _in_order(hidden[part], after)
        done.append(_some_rows(ready, targets[part], weight, columns, with_gradient))
    losses, *gradients = zip(*done, strict=True)
    return mx.stack(list(losses)).sum(), *(mx.concatenate(list(parts)) for parts in gradients)


def _some_rows(
    hidden: mx.array, targets: mx.array, weight: mx.array, columns: int, with_gradient: bool
) -> tuple[mx.array, ...]:
    """Over the vocabulary once; scores are in units of log2."""
    wide = mx.float64 if hidden.dtype == mx.float64 else mx.float32
    scaled = hidden * LOG2_E
    tops: list[mx.array] = []
    totals: list[mx.array] = []
    gradients: list[mx.array] = []
    for start in range(0, len(weight), columns):
        part = weight[start : start + columns]
        after = (gradients or totals)[-1:]
        scores = (_in_order(scaled, after) @ part.T).astype(wide)
        tops.append(mx.max(scores, axis=-1, keepdims=True))
        exponentials = exp2(scores - tops[-1])
        totals.append(exponentials.sum(axis=-1, keepdims=True))
        if with_gradient:
            gradients.append((exponentials.astype(hidden.dtype) @ part).astype(wide))
    top = mx.max(mx.concatenate(tops, axis=1), axis=1, keepdims=True)
    shares = [exp2(part - top) for part in tops]
    total = _weighted(shares, totals)
    wanted = weight[targets]
    wanted_scores = (scaled * wanted).astype(wide).sum(axis=-1, keepdims=True)
    loss = (mx.log(total) + (top - wanted_scores) * LN_2).sum()
    if not with_gradient:
        return (loss,)
    return loss, _weighted(shares, gradients) / total - wanted.astype(wide)


def _weighted(shares: list[mx.array], parts: list[mx.array]) -> mx.array:
    total = shares[0] * parts[0]
    for share, part in zip(shares[1:], parts[1:], strict=True):
        total = total + share * part
    return total


def _in_order(array: mx.array, after: list[mx.array]) -> mx.array:
    """Let what is computed from `array` wait for `after`, so that the memory of one chunk serves the next."""
    return mx.depends([array], after)[0] if after else array


def token_loss_sum(
    network: Network, adapters: Adapters, batch: MicroBatch, seed: int | None, with_gradient: bool = True
) -> mx.array:
    """Sum of the cross-entropies of a micro-batch's supervised tokens, a scalar.

    Args:
        network: The model.
        adapters: Float32 master weights.
        batch: Token rows.
        seed: Decides dropout; None evaluates without dropout.
        with_gradient: False when the result is not differentiated, which saves half of the head's work.
    """
    hidden = network.hidden(adapters, batch, seed)
    targets, weight = mx.array(batch.targets), output_weight(network.model)
    if weight is not None:
        return head_loss(hidden, targets, weight, with_gradient)
    model = network.model
    tied = getattr(model.args, "tie_word_embeddings", False)
    logits = model.model.embed_tokens.as_linear(hidden) if tied else model.lm_head(hidden)
    return sum_of_losses(logits, targets)


def plain_loss_sum(model: nn.Module, batch: MicroBatch) -> mx.array:
    """The same loss the plain way, from all logits of padded rows: what everything is tested against."""
    logits = model(mx.array(batch.inputs))
    flat = logits.reshape(-1, logits.shape[-1])[mx.array(batch.positions)]
    return sum_of_losses(flat, mx.array(batch.targets))


def sum_of_losses(logits: mx.array, targets: mx.array) -> mx.array:
    """Sum of cross-entropies in float32; logits of shape (rows, vocabulary)."""
    total: mx.array = nn.losses.cross_entropy(logits.astype(mx.float32), targets, reduction="sum")
    return total
