"""QLoRA: the frozen projections of the layers in 4 or 8 bits while adapters are trained.

Embeddings, head and norms stay as they are. Nothing of it is saved: an adapter is fused onto, and evaluated
with, the base in full precision.
"""

import mlx.core as mx
import mlx.nn as nn

from web4mlx.config.schema import PROJECTIONS
from web4mlx.errors import UsageError

GROUP_SIZES = (64, 32)


def quantize_projections(model: nn.Module, bits: int) -> None:
    """Replace the projections of all layers by quantized ones, one layer after the other to save memory.

    Raises:
        UsageError: A row of a projection does not divide into groups, or the model has no plain projection.
    """
    for layer in model.layers:
        chosen = {
            name: {"group_size": _group_size(name, module), "bits": bits}
            for name, module in layer.named_modules()
            if isinstance(module, nn.Linear) and name.rsplit(".", 1)[-1] in PROJECTIONS
        }
        if not chosen:
            raise UsageError(
                "training.base_bits: the base has no projections in full precision to quantize",
                "Remove the key, or train on a base that is not quantized yet.",
            )
        nn.quantize(layer, class_predicate=lambda name, module: chosen.get(name, False))  # noqa: B023
        mx.eval(layer.parameters())


def _group_size(name: str, module: nn.Module) -> int:
    inputs = module.weight.shape[1]
    for size in GROUP_SIZES:
        if inputs % size == 0:
            return size
    raise UsageError(
        f"training.base_bits: rows of {inputs} values ({name}) do not divide into groups of 32 or 64",
        "Remove the key: this base trains in full precision only.",
    )
