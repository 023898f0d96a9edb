"""Recomputation: a function keeps only its inputs and is computed again in the backward pass.

Unlike `mx.checkpoint`, the gradient of the first input waits for all other gradients. Without that, MLX may
put the adapters' gradients off to the end of the step and keep everything they need until then.
"""

from collections.abc import Callable
from typing import Any, Literal

import mlx.core as mx
import mlx.nn as nn

from web4mlx.train.lora import LoraLinear

Recompute = Literal["none", "selective", "full"]
Arrays = list[mx.array]


def recomputed(function: Callable[[Arrays, Arrays], Arrays]) -> Callable[[Arrays, Arrays], Arrays]:
    """Make a function recompute.

    Args:
        function: Takes activations and operands, returns activations; it must be pure.
    """

    def call(inputs: Arrays, operands: Arrays) -> Arrays:
        count = len(inputs)

        def flat(*arrays: mx.array) -> Arrays:
            return function(list(arrays[:count]), list(arrays[count:]))

        wrapped = mx.custom_function(flat)

        @wrapped.vjp
        def backward(primals: Any, cotangents: Any, outputs: Any) -> Any:
            is_alone = isinstance(primals, mx.array)  # MLX hands over a single argument bare
            late = mx.depends([primals] if is_alone else list(primals), list(cotangents))
            _, gradients = mx.vjp(flat, late, list(cotangents))
            if operands:
                gradients[:count] = mx.depends(gradients[:count], gradients[count:])
            return tuple(gradients)

        result: Arrays = wrapped(*inputs, *operands)  # type: ignore[assignment]  # typed as object
        return result

    return call


def recompute_plan(wanted: str | int, layers: int) -> list[Recompute]:
    """What each layer recomputes: a word for all; a number of first layers in full, the rest selectively."""
    if isinstance(wanted, int):
        return [("full" if index < wanted else "selective") for index in range(layers)]
    if wanted not in ("none", "selective", "full"):
        raise ValueError(f"{wanted!r} is no way to recompute")
    return [wanted] * layers  # type: ignore[list-item]  # narrowed by the line above


def recompute_library_layers(model: nn.Module, count: int) -> None:
    """Make the first `count` of mlx-lm's layers recompute."""
    for layer in model.layers[:count]:
        plain = type(layer)
        layer.__class__ = type(f"Recomputed{plain.__name__}", (plain,), {"__call__": _recomputed_call(plain)})


def _recomputed_call(plain: type) -> Any:
    """The layer's call with its adapters as explicit inputs, so that they get gradients."""

    def call(layer: nn.Module, x: mx.array, mask: Any = None, cache: Any = None) -> mx.array:
        adapted = [module for _, module in layer.named_modules() if isinstance(module, LoraLinear)]

        def run(inputs: Arrays, operands: Arrays) -> Arrays:
            for module, (a, b) in zip(adapted, zip(operands[::2], operands[1::2], strict=True), strict=True):
                module.lora_a, module.lora_b = a, b
            return [plain.__call__(layer, inputs[0], mask, cache)]

        operands = [array for module in adapted for array in (module.lora_a, module.lora_b)]
        return recomputed(run)([x], operands)[0]

    return call
