"""What a GGUF must look like before it is made: each tensor's name, type and size, and the file's size.

The types follow llama.cpp's recipes (`llama_tensor_get_type` in src/llama-quant.cpp): matrices get the type
of the file, with Q6_K for the output head and for the value and down projections of about half the layers in
the `_K_M` types; vectors stay float32; a row that is no multiple of the block falls back to a type of blocks
of 32.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

from web4mlx.config.schema import QuantType
from web4mlx.errors import UsageError
from web4mlx.models.safetensors_header import TensorInfo

FILE_TYPES: dict[QuantType, int] = {"Q4_K_M": 15, "Q5_K_M": 17, "Q6_K": 18, "Q8_0": 7}
BETTER_TYPES: tuple[QuantType, ...] = ("Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0")
MAIN_TYPES = {"Q4_K_M": "Q4_K", "Q5_K_M": "Q5_K", "Q6_K": "Q6_K", "Q8_0": "Q8_0"}
FALLBACKS = {"Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"}
# type → (llama.cpp's number, values per block, bytes per block)
BLOCKS = {
    "F32": (0, 1, 4), "F16": (1, 1, 2), "Q5_0": (6, 32, 22), "Q5_1": (7, 32, 24), "Q8_0": (8, 32, 34),
    "Q4_K": (12, 256, 144), "Q5_K": (13, 256, 176), "Q6_K": (14, 256, 210),
}  # fmt: skip
ALIGNMENT = 32
TOP_LEVEL = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
IN_LAYER = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}  # fmt: skip
LAYER_NAME = re.compile(r"model\.layers\.(\d+)\.(.+)\.(weight|bias)")
OTHER_METADATA_BYTES = 4096


@dataclass(frozen=True)
class PredictedTensor:
    """A tensor as it must be in the GGUF; `is_fallback` when its rows do not fit the recipe's type."""

    type: str
    size_bytes: int
    is_fallback: bool


@dataclass(frozen=True)
class Prediction:
    """A GGUF: its tensors by name, and the bytes of tensors and vocabulary together."""

    tensors: dict[str, PredictedTensor]
    file_bytes: int

    @property
    def fallbacks(self) -> int:
        """Number of tensors whose rows are no multiple of the recipe's block."""
        return sum(tensor.is_fallback for tensor in self.tensors.values())


def predict_gguf(
    tensors: Mapping[str, TensorInfo], vocabulary_bytes: int, quant: QuantType | None
) -> Prediction:
    """Predict the GGUF of a model in Hugging Face layout.

    Args:
        tensors: Name → shape, of the whole model.
        vocabulary_bytes: See `vocabulary_size`.
        quant: The type, or None for the float16 file.

    Raises:
        UsageError: A tensor has no counterpart in llama.cpp's Llama and Qwen2 models.
    """
    shapes = {gguf_name(name): info.shape for name, info in tensors.items()}
    layers = sum(name.endswith(".ffn_down.weight") for name in shapes)
    found = {name: predict_tensor(name, shape, layers, quant, "output.weight" in shapes)
             for name, shape in shapes.items()}  # fmt: skip
    data = sum(tensor.size_bytes + -tensor.size_bytes % ALIGNMENT for tensor in found.values())
    descriptions = sum(len(name) + 32 for name in found)
    return Prediction(found, data + descriptions + vocabulary_bytes + OTHER_METADATA_BYTES)


def gguf_name(name: str) -> str:
    """llama.cpp's name of a tensor."""
    match = LAYER_NAME.fullmatch(name)
    if match and match[2] in IN_LAYER:
        return f"blk.{match[1]}.{IN_LAYER[match[2]]}.{match[3]}"
    if name not in TOP_LEVEL:
        raise UsageError(f"tensor {name}: not known in llama.cpp's Llama and Qwen2 models",
                         "Export supports models of these two architectures.")  # fmt: skip
    return TOP_LEVEL[name]


def predict_tensor(
    name: str, shape: tuple[int, ...], layers: int, quant: QuantType | None, has_output: bool
) -> PredictedTensor:
    """Type and size of one tensor."""
    if len(shape) == 1:
        return PredictedTensor("F32", sized("F32", shape), False)
    if quant is None:
        return PredictedTensor("F16", sized("F16", shape), False)
    wanted = recipe_type(name, shape[-1], quant, (layers, has_output))
    if shape[-1] % BLOCKS[wanted][1] == 0:
        return PredictedTensor(wanted, sized(wanted, shape), False)
    fallback = FALLBACKS.get(wanted, "F16")
    if shape[-1] % BLOCKS[fallback][1]:
        fallback = "F16"
    return PredictedTensor(fallback, sized(fallback, shape), True)


def recipe_type(name: str, columns: int, quant: QuantType, model: tuple[int, bool]) -> str:
    """The type llama.cpp's recipe gives a matrix; `model` is its layers, and whether it has an own head."""
    main = MAIN_TYPES[quant]
    layers, has_output = model
    if main == "Q8_0":
        return "Q8_0"
    if name == "output.weight" or (name == "token_embd.weight" and not has_output):
        return "Q6_K" if columns % BLOCKS[main][1] == 0 else "Q8_0"
    if name.endswith((".attn_v.weight", ".ffn_down.weight")) and quant in ("Q4_K_M", "Q5_K_M"):
        layer = int(name.split(".")[1])
        is_favoured = layer < layers // 8 or layer >= 7 * layers // 8 or (layer - layers // 8) % 3 == 2
        return "Q6_K" if is_favoured else main
    return main


def sized(type_name: str, shape: tuple[int, ...]) -> int:
    """Bytes of a tensor."""
    _, values, size = BLOCKS[type_name]
    return prod(shape) // values * size


def vocabulary_size(folder: Path, rows: int) -> int:
    """Bytes of tokens, token types and merges in the GGUF: length-prefixed strings and 4-byte numbers.

    Args:
        folder: A folder with tokenizer.json.
        rows: Rows of the embedding; rows without a token are named `[PAD…]`.
    """
    content = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    model = content["model"]
    names = set(model["vocab"]) | {token["content"] for token in content.get("added_tokens", [])}
    merges = (merge if isinstance(merge, str) else " ".join(merge) for merge in model.get("merges", []))
    template = folder / "chat_template.jinja"
    config = folder / "tokenizer_config.json"
    text = template if template.is_file() else config
    return (
        sum(8 + len(name.encode()) for name in names)
        + max(0, rows - len(names)) * 20
        + 4 * rows
        + sum(8 + len(merge.encode()) for merge in merges)
        + text.stat().st_size
    )
