"""Rebuilds a Hugging Face model folder from a llama-architecture GGUF: weights, configuration, tokenizer.

Owns the weights and config.json; the tokenizer is `rebuild_tokenizer`'s. Imported lazily: needs numpy.
"""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from web4mlx.artifacts import atomic_write
from web4mlx.errors import CheckFailed
from web4mlx.events import EventLog, Progress
from web4mlx.models.rebuild_tokenizer import write_tokenizer

if TYPE_CHECKING:
    from gguf import GGUFReader

Weights = dict[str, NDArray[Any]]
TENSOR_NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def rebuild_folder(gguf: Path, folder: Path, log: EventLog) -> None:
    """Write model.safetensors, config.json and the tokenizer of a GGUF into an existing folder.

    Raises:
        CheckFailed: The GGUF is not a llama model with a byte-level BPE tokenizer, or has an unknown tensor.
    """
    from gguf import GGUFReader
    from safetensors.numpy import save_file

    reader = GGUFReader(gguf)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    if fields.get("general.architecture") != "llama":
        raise CheckFailed(f"{gguf}: architecture {fields.get('general.architecture')!r}, expected 'llama'")
    weights = read_weights(reader, fields, log)
    config = build_config(fields, is_tied="lm_head.weight" not in weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)  # the library makes it private to the user
    write_json(folder / "config.json", config)
    ids = {key: config[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    write_json(folder / "generation_config.json", {"_from_model_config": True, **ids})
    write_tokenizer(fields, folder)


def read_weights(reader: "GGUFReader", fields: dict[str, Any], log: EventLog) -> Weights:
    """All tensors of a GGUF, dequantized, under their Hugging Face names.

    float16, not the original's bfloat16: the values are float16 scales times small integers, which bfloat16
    would round three bits coarser; none is near float16's limits.
    """
    from gguf.quants import dequantize

    heads = {
        "attn_q": int(fields["llama.attention.head_count"]),
        "attn_k": int(fields["llama.attention.head_count_kv"]),
    }
    weights: Weights = {}
    for done, tensor in enumerate(reader.tensors, start=1):
        values = dequantize(tensor.data, tensor.tensor_type)
        part = tensor.name.split(".")[-2]
        if part in heads:
            values = undo_rope_permutation(values, heads[part])
        weights[hugging_face_name(tensor.name)] = np.ascontiguousarray(values.astype(np.float16))
        log.write(
            Progress, done=done, total=len(reader.tensors), unit="tensors", message="rebuilding weights"
        )
    return weights


def undo_rope_permutation(values: NDArray[Any], heads: int) -> NDArray[Any]:
    """Give the rows of a q or k projection (rows × inputs) their Hugging Face order back.

    llama.cpp interleaves the two halves of each head (row 2i is i, row 2i+1 is i + half).
    """
    rows, columns = values.shape
    halves = values.reshape(heads, rows // heads // 2, 2, columns)
    return halves.swapaxes(1, 2).reshape(rows, columns)


def hugging_face_name(name: str) -> str:
    """The Hugging Face name of a GGUF tensor, e.g. `blk.3.attn_q.weight`.

    Raises:
        CheckFailed: The tensor is not one of a llama model.
    """
    match = re.fullmatch(r"(?:blk\.(\d+)\.)?(\w+)\.(weight|bias)", name)
    if match is None or match[2] not in TENSOR_NAMES:
        raise CheckFailed(f"unknown tensor {name!r} in the GGUF")
    layer = f"model.layers.{match[1]}." if match[1] is not None else ""
    return f"{layer}{TENSOR_NAMES[match[2]]}.{match[3]}"


def build_config(fields: dict[str, Any], *, is_tied: bool) -> dict[str, Any]:
    """config.json of a llama model, from the GGUF's metadata."""
    heads = int(fields["llama.attention.head_count"])
    hidden_size = int(fields["llama.embedding_length"])
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": hidden_size,
        "intermediate_size": int(fields["llama.feed_forward_length"]),
        "num_hidden_layers": int(fields["llama.block_count"]),
        "num_attention_heads": heads,
        "num_key_value_heads": int(fields["llama.attention.head_count_kv"]),
        "head_dim": int(fields.get("llama.rope.dimension_count", hidden_size // heads)),
        "max_position_embeddings": int(fields["llama.context_length"]),
        "rms_norm_eps": plain_float(fields["llama.attention.layer_norm_rms_epsilon"]),
        "rope_theta": plain_float(fields["llama.rope.freq_base"]),
        "rope_scaling": None,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "mlp_bias": False,
        "vocab_size": len(fields["tokenizer.ggml.tokens"]),
        "tie_word_embeddings": is_tied,
        "bos_token_id": int(fields["tokenizer.ggml.bos_token_id"]),
        "eos_token_id": int(fields["tokenizer.ggml.eos_token_id"]),
        "pad_token_id": int(fields["tokenizer.ggml.padding_token_id"]),
        "torch_dtype": "float16",
        "use_cache": True,
    }


def plain_float(value: float) -> float:
    """The shortest decimal of a float32, so that 1e-5 is not written as 9.999999747378752e-06."""
    return float(str(np.float32(value)))


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write an object as indented JSON."""
    atomic_write(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
