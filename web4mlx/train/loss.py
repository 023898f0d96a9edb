"""The training loss: cross-entropy over supervised tokens, without ever forming all logits.

The model's body runs on whole rows; the head runs on the supervised positions only, a chunk at a time, and
computes the loss and its gradient with respect to the hidden states in one pass, so that no chunk's logits
outlive it.
"""

from collections.abc import Callable
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from web4mlx.train.batches import MicroBatch

CHUNK_ROWS = 256
Head = Callable[[mx.array], mx.array]


def output_weight(model: nn.Module) -> mx.array | None:
    """The plain head matrix, shape (vocabulary, hidden); None when the head is quantized or unusual."""
    tied = getattr(model.args, "tie_word_embeddings", False)
    module = model.model.embed_tokens if tied else model.get("lm_head")
    is_plain = isinstance(module, nn.Embedding | nn.Linear) and "bias" not in module
    weight: mx.array | None = module.weight if is_plain else None
    return weight


def head_loss(hidden: mx.array, targets: mx.array, weight: mx.array) -> mx.array:
    """Sum of cross-entropies of `hidden @ weight.T` against `targets`.

    The head is frozen, so only `hidden` gets a gradient; it is formed in the forward pass, while a chunk's
    probabilities are at hand, and scaled in the backward pass.

    Args:
        hidden: Shape (rows, hidden), the supervised positions.
        targets: Shape (rows,), int32.
        weight: Shape (vocabulary, hidden), frozen.

    Returns:
        A float32 scalar.
    """

    @mx.custom_function
    def loss_and_gradient(h: mx.array) -> tuple[mx.array, mx.array]:
        return _all_chunks(h, targets, weight)

    @loss_and_gradient.vjp
    def scale_gradient(h: mx.array, cotangents: Any, outputs: Any) -> Any:
        return (cotangents[0] * outputs[1].astype(mx.float32)).astype(h.dtype)

    loss: mx.array = loss_and_gradient(hidden)[0]  # type: ignore[index]  # typed as object by MLX's stubs
    return loss


def _all_chunks(hidden: mx.array, targets: mx.array, weight: mx.array) -> tuple[mx.array, mx.array]:
    losses, gradients = [], []
    for start in range(0, hidden.shape[0], CHUNK_ROWS):
        rows = slice(start, start + CHUNK_ROWS)
        loss, gradient = _chunk(hidden[rows], targets[rows], weight)
        losses.append(loss)
        gradients.append(gradient)
    return mx.stack(losses).sum(), mx.concatenate(gradients)


def _chunk(hidden: mx.array, targets: mx.array, weight: mx.array) -> tuple[mx.array, mx.array]:
    logits = (hidden @ weight.T).astype(mx.float32)
    peak = mx.max(logits, axis=-1, keepdims=True)
    exponentials = mx.exp(logits - peak)
    total = exponentials.sum(axis=-1, keepdims=True)
    wanted = mx.take_along_axis(logits, targets[:, None], axis=-1)
    loss = (mx.log(total) + peak - wanted).sum()
    probabilities = (exponentials / total).astype(hidden.dtype)
    return loss, probabilities @ weight - weight[targets]


def token_loss_sum(model: nn.Module, batch: MicroBatch) -> mx.array:
    """Sum of the cross-entropies of a micro-batch's supervised tokens, float32 scalar."""
    hidden = model.model(mx.array(batch.inputs))
    supervised = hidden.reshape(-1, hidden.shape[-1])[mx.array(batch.positions)]
    targets = mx.array(batch.targets)
    weight = output_weight(model)
    if weight is not None:
        if model.training:
            return head_loss(supervised, targets, weight)
        return _all_chunks(supervised, targets, weight)[0]  # the gradient stays unevaluated
    tied = getattr(model.args, "tie_word_embeddings", False)
    logits = model.model.embed_tokens.as_linear(supervised) if tied else model.lm_head(supervised)
    return sum_of_losses(logits, targets)


def plain_loss_sum(model: nn.Module, batch: MicroBatch) -> mx.array:
    """The same loss the plain way, from all logits: what `token_loss_sum` is tested against."""
    logits = model(mx.array(batch.inputs))
    flat = logits.reshape(-1, logits.shape[-1])[mx.array(batch.positions)]
    return sum_of_losses(flat, mx.array(batch.targets))


def sum_of_losses(logits: mx.array, targets: mx.array) -> mx.array:
    """Sum of cross-entropies in float32; logits of shape (rows, vocabulary)."""
    total: mx.array = nn.losses.cross_entropy(logits.astype(mx.float32), targets, reduction="sum")
    return total
