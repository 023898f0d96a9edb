"""Gradients of LoRA matrices by PyTorch and transformers, in float64, each sample run alone.

Transformers computes norms and rotary angles in float32 whatever the precision of a model, so these two
modules are replaced by exact ones. Everything else is transformers' own.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file

from tests.micro_models import weight_shapes
from web4mlx.data.chat import Row

Gradients = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class TinyShape:
    """A Llama or Qwen2 small enough for hundreds of gradients a minute; Llama with or without biases."""

    kind: str
    heads: int
    keys: int
    tied: bool
    biases: bool = False
    layers: int = 3
    hidden: int = 16
    wide: int = 20
    vocabulary: int = 23
    spread: float = 0.6

    @property
    def config(self) -> dict[str, Any]:
        """Its config.json."""
        names = {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM"}
        biases = {"attention_bias": self.biases, "mlp_bias": self.biases} if self.kind == "llama" else {}
        return biases | {
            "architectures": [names[self.kind]], "model_type": self.kind, "hidden_size": self.hidden,
            "intermediate_size": self.wide, "num_hidden_layers": self.layers, "hidden_act": "silu",
            "num_attention_heads": self.heads, "num_key_value_heads": self.keys,
            "vocab_size": self.vocabulary, "tie_word_embeddings": self.tied, "rms_norm_eps": 1e-5,
            "rope_theta": 100.0, "max_position_embeddings": 2048, "bos_token_id": 0, "eos_token_id": 1,
            "pad_token_id": 2, "use_sliding_window": False, "torch_dtype": "float32",
        }  # fmt: skip

    def write(self, folder: Path, seed: int = 0) -> Path:
        """Write config and random float32 weights; large enough that no part of the model is a detail."""
        shapes = weight_shapes(self.config, qkv_bias=self.kind == "qwen2" or self.biases)
        if self.kind == "llama" and self.biases:
            shapes |= {
                name.replace(".weight", ".bias"): shape[:1]
                for name, shape in shapes.items()
                if "_proj.weight" in name
            }
        generator = np.random.default_rng(seed)
        weights = {}
        for name, shape in shapes.items():
            spread = 0.3 if len(shape) == 1 else self.spread * shape[1] ** -0.5
            values = generator.normal(0, spread, shape) + ("norm" in name)
            weights[name] = values.astype(np.float32)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(self.config), "utf-8")
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
        return folder


class ExactRotary(torch.nn.Module):
    """Cosines and sines in float64."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        exponents = torch.arange(0, size, 2, dtype=torch.float64) / size
        self.rates = config.rope_parameters["rope_theta"] ** -exponents

    def forward(self, x: Any, position_ids: Any) -> tuple[Any, Any]:
        angles = position_ids[..., None].double() * self.rates
        both = torch.cat([angles, angles], dim=-1)
        return both.cos(), both.sin()


def exact_norm(norm: Any) -> torch.nn.Module:
    """The same norm in float64."""
    exact = torch.nn.RMSNorm(norm.weight.shape[0], norm.variance_epsilon, dtype=torch.float64)
    exact.weight = norm.weight
    return exact


def load_reference(folder: Path) -> Any:
    """The model of a folder in float64."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64, attn_implementation="sdpa")
    model.requires_grad_(False)
    model.model.rotary_emb = ExactRotary(model.config)
    model.model.norm = exact_norm(model.model.norm)
    for layer in model.model.layers:
        layer.input_layernorm = exact_norm(layer.input_layernorm)
        layer.post_attention_layernorm = exact_norm(layer.post_attention_layernorm)
    return model.eval()


def reference_gradients(
    model: Any, adapters: Gradients, scale: float, rows: Sequence[Row]
) -> tuple[float, Gradients]:
    """Mean loss of all supervised tokens, and its gradient by each A and B.

    Args:
        model: From `load_reference`.
        adapters: `NAME.lora_a` (inputs, rank) and `NAME.lora_b` (rank, outputs).
        scale: alpha / rank.
        rows: The samples.
    """
    matrices = {key: torch.tensor(value, requires_grad=True) for key, value in adapters.items()}
    hooks = []
    for name in sorted({key.rsplit(".", 1)[0] for key in matrices}):
        a, b = matrices[f"{name}.lora_a"], matrices[f"{name}.lora_b"]

        def add(module: Any, inputs: Any, output: Any, a: Any = a, b: Any = b) -> Any:
            return output + inputs[0] @ a @ b * scale

        hooks.append(model.get_submodule(name).register_forward_hook(add))
    supervised = sum(sum(row.mask) for row in rows)
    mean = 0.0
    for row in rows:
        tokens = torch.tensor(row.tokens)
        logits = model(tokens[None, :-1], use_cache=False).logits[0]
        wanted = torch.tensor(row.mask[1:])
        loss = torch.nn.functional.cross_entropy(logits[wanted], tokens[1:][wanted], reduction="sum")
        (loss / supervised).backward()
        mean += loss.item() / supervised
    for hook in hooks:
        hook.remove()
    return mean, {key: matrix.grad.numpy() for key, matrix in matrices.items()}
