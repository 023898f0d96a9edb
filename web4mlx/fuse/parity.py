"""Does the merged model behave as base + adapter? Logits of a few fixed texts, in float32, four ways.

Compared are the base, base + adapter as a separate low-rank path, base + delta in float32, and the folder as
stored. The third shows that the arithmetic is right (only summation order differs); the fourth that rounding
to the stored format has not erased the adapter. Two models are never in memory together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from web4mlx.errors import CheckFailed
from web4mlx.fuse.base import ModelFiles
from web4mlx.fuse.blocks import Delta
from web4mlx.fuse.floats import VALUE_BYTES, Floats
from web4mlx.machine.mlx_runtime import load_mlx
from web4mlx.models.tokenizer import ChatTokenizer
from web4mlx.train.adapter import Adapter

TEXTS = (
    "export class Order {\n  constructor() {}\n  init(scenario: Scenario): this {\n    return this;\n  }\n}",
    "Plan, Do, Check, Act: write down what was expected, then what happened (17 of 23 cases).",
    "Größe und Übung: schöne Grüße aus München!",
)
MAX_EXACT_DIFFERENCE = 1e-3
MAX_LOST_SHARE = 0.5
MIN_GREEDY_AGREEMENT = 0.9
NO_EFFECT = 1e-4
MEMORY_SHARE = 0.7


@dataclass(frozen=True)
class Parity:
    """What was measured over all positions of the texts.

    `exact` is max |Δlogit| between base + adapter and base + delta in float32; None when the float32 model
    does not fit into memory. `stored` is max |Δlogit| between base + adapter and the merged folder;
    `lost_share` is the RMS of that difference over the RMS of what the adapter changes (0 when the adapter
    changes nothing); `greedy_agreement` is the share of equal most probable tokens.
    """

    exact: float | None
    stored: float
    lost_share: float
    greedy_agreement: float

    @property
    def metrics(self) -> dict[str, float]:
        """The numbers by name, for events and manifest."""
        exact = {} if self.exact is None else {"parity_max_logit_difference_fp32": self.exact}
        return exact | {
            "parity_max_logit_difference_stored": self.stored,
            "parity_adapter_effect_lost": self.lost_share,
            "parity_greedy_agreement": self.greedy_agreement,
        }

    def check(self, merged: Path) -> None:
        """Check the bounds.

        Raises:
            CheckFailed: The merged model differs from base + adapter by more than rounding explains.
        """
        bounds = (
            ("max |Δlogit| in float32", self.exact or 0.0, MAX_EXACT_DIFFERENCE),
            ("share of the adapter's effect lost by rounding", self.lost_share, MAX_LOST_SHARE),
            ("share of different greedy tokens", 1 - self.greedy_agreement, 1 - MIN_GREEDY_AGREEMENT),
        )
        for what, value, bound in bounds:
            if not value <= bound:
                raise CheckFailed(
                    f"{merged.name}: merged and base + adapter disagree: {what} is {value:.3g}, "
                    f"allowed {bound:.3g}",
                    "The adapter may be too weak for the base's format; train longer or check the base.",
                )


def measure_parity(files: ModelFiles, adapter: Adapter, deltas: Mapping[str, Delta], merged: Path) -> Parity:
    """Measure `Parity` for a merged folder.

    Args:
        files: The base.
        adapter: The adapter, applied as a low-rank path.
        deltas: The same adapter as changes of the base's tensors.
        merged: The folder that was written.
    """
    tokenizer = ChatTokenizer(files.folder)
    tokens = tokenizer.encode("\n".join(TEXTS))
    in_float32 = fits_in_float32(files)
    model = load_for_parity(files.folder, in_float32)
    base_logits = compute_logits(model, tokens)
    exact_logits = None
    if in_float32:
        with_delta = add_deltas(model, deltas)
        exact_logits = compute_logits(model, tokens)
        restore(model, with_delta)
    attach_low_rank_path(model, adapter)
    adapter_logits = compute_logits(model, tokens)
    del model
    stored_logits = compute_logits(load_for_parity(merged, in_float32), tokens)
    return compare(base_logits, adapter_logits, exact_logits, stored_logits)


def compare(base: Floats, adapter: Floats, exact: Floats | None, stored: Floats) -> Parity:
    """Reduce logits of shape (positions, vocabulary) to `Parity`."""
    effect = root_mean_square(adapter - base)
    lost = root_mean_square(stored - adapter)
    return Parity(
        exact=None if exact is None else float(np.abs(exact - adapter).max()),
        stored=float(np.abs(stored - adapter).max()),
        lost_share=lost / effect if effect > NO_EFFECT else 0.0,
        greedy_agreement=float((stored.argmax(-1) == adapter.argmax(-1)).mean()),
    )


def root_mean_square(values: Floats) -> float:
    """√(mean of squares); 0 only when all values are."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def fits_in_float32(files: ModelFiles) -> bool:
    """Whether the model's weights in float32 fit into the memory that is free now."""
    import psutil

    values = sum((info.end - info.begin) // VALUE_BYTES[info.dtype] for info in files.tensors.values())
    return 4 * values < MEMORY_SHARE * int(psutil.virtual_memory().available)


def load_for_parity(folder: Path, in_float32: bool) -> Any:
    """The model of a folder in mlx-lm, in evaluation mode."""
    mx = load_mlx()
    from mlx_lm.utils import load_model

    model, _ = load_model(folder, lazy=True)
    if in_float32:
        model.set_dtype(mx.float32)
    mx.eval(model.parameters())
    model.eval()
    return model


def compute_logits(model: Any, tokens: list[int]) -> Floats:
    """Logits of all positions, shape (positions, vocabulary)."""
    mx = load_mlx()
    return np.asarray(model(mx.array([tokens]))[0].astype(mx.float32), np.float32)


def add_deltas(model: Any, deltas: Mapping[str, Delta]) -> dict[str, Any]:
    """Add each change to its float32 weight; returns the weights as they were, by module name."""
    mx = load_mlx()
    modules = dict(model.named_modules())
    before: dict[str, Any] = {}
    for tensor, delta in deltas.items():
        name = tensor.removesuffix(".weight")
        before[name] = modules[name].weight
        modules[name].weight = before[name] + mx.array(delta.b @ delta.a)
    mx.eval(model.parameters())
    return before


def restore(model: Any, before: Mapping[str, Any]) -> None:
    """Put weights back."""
    modules = dict(model.named_modules())
    for name, weight in before.items():
        modules[name].weight = weight


def attach_low_rank_path(model: Any, adapter: Adapter) -> None:
    """Wrap the adapted layers in mlx-lm's own LoRA layer."""
    mx = load_mlx()
    from mlx.utils import tree_unflatten
    from mlx_lm.tuner.lora import LoRALinear

    modules = dict(model.named_modules())
    wrapped = []
    for name, (a, b) in adapter.tensors.items():
        layer = LoRALinear.from_base(modules[name], r=adapter.rank, scale=adapter.scale)
        layer.lora_a, layer.lora_b = mx.array(a.T), mx.array(b.T)
        wrapped.append((name, layer))
    model.update_modules(tree_unflatten(wrapped))
    model.eval()
