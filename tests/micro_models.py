"""Tiny real models in Hugging Face layout: a Qwen2 with the real Qwen2.5 tokenizer, and a Llama.

They exercise what the 7B has and SmolLM2 has not (untied head, biases on q, k and v, padded vocabulary
rows, rows that are multiples of 256) in a few megabytes and seconds. Weights are random but seeded.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.micro_tokenizers import (
    llama_tokenizer_json,
    qwen_tokenizer_config,
    qwen_tokenizer_json,
    tokenizer_config,
)
from tests.tensor_file import TensorSpec, write_tensors
from web4mlx.fuse.floats import from_float32
from web4mlx.models.safetensors_header import read_safetensors_header

NEWLINE, HELLO, END_OF_TURN = 198, 21927, 151645


def write_micro_qwen2(
    folder: Path,
    *,
    tied: bool = False,
    layers: int = 2,
    hidden: int = 256,
    intermediate: int = 512,
    vocab_rows: int = 151_936,
    dtype: str = "BF16",
    shards: int = 1,
    seed: int = 0,
    answer: bool = False,
) -> Path:
    """Write a random Qwen2 (4 heads, 2 KV heads, q/k/v biases) with the real Qwen2.5 tokenizer.

    The vocabulary has 151,665 tokens; the remaining rows are padding, as in the real models. With `answer`
    (untied, one shard) the model answers every chat with ` Hello` and ends there.
    """
    config = {
        "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_size": hidden,
        "intermediate_size": intermediate, "num_hidden_layers": layers, "num_attention_heads": 4,
        "num_key_value_heads": 2, "vocab_size": vocab_rows, "tie_word_embeddings": tied,
        "rope_theta": 1000000.0, "rms_norm_eps": 1e-6, "hidden_act": "silu", "bos_token_id": 151643,
        "eos_token_id": 151645, "max_position_embeddings": 4096, "use_sliding_window": False,
        "attention_dropout": 0.0, "initializer_range": 0.02, "torch_dtype": "bfloat16",
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", config)
    write_json(
        folder / "generation_config.json",
        {"bos_token_id": 151643, "eos_token_id": [151645, 151643], "pad_token_id": 151643},
    )
    (folder / "tokenizer.json").write_text(qwen_tokenizer_json(), "utf-8")
    write_json(folder / "tokenizer_config.json", qwen_tokenizer_config())
    write_weights(folder, weight_shapes(config, qkv_bias=True), dtype=dtype, shards=shards, seed=seed)
    if answer:
        for column, (before, after) in enumerate(((NEWLINE, HELLO), (HELLO, END_OF_TURN))):
            set_value(folder, "model.embed_tokens.weight", (before, column), 8.0)
            set_value(folder, "lm_head.weight", (after, column), 8.0)
    return folder


def set_value(folder: Path, name: str, place: tuple[int, int], value: float) -> None:
    """Change one value of a bfloat16 matrix of a model in one shard."""
    path = folder / "model.safetensors"
    info = read_safetensors_header(path)[name]
    with path.open("r+b") as file:
        file.seek(info.begin + 2 * (place[0] * info.shape[1] + place[1]))
        file.write(from_float32(np.array([value], np.float32), "BF16").tobytes())


def write_micro_llama(
    folder: Path,
    *,
    tied: bool = True,
    layers: int = 2,
    hidden: int = 64,
    intermediate: int = 128,
    dtype: str = "F32",
    shards: int = 1,
    seed: int = 0,
) -> Path:
    """Write a random Llama (4 heads, 2 KV heads) with a 400-token byte-level tokenizer and ChatML.

    It loads in mlx-lm and transformers; llama.cpp's converter does not know its tokenizer.
    """
    tokenizer = llama_tokenizer_json()
    rows = len(json.loads(tokenizer)["model"]["vocab"])
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": hidden,
        "intermediate_size": intermediate, "num_hidden_layers": layers, "num_attention_heads": 4,
        "num_key_value_heads": 2, "vocab_size": rows, "tie_word_embeddings": tied, "rope_theta": 10000.0,
        "rms_norm_eps": 1e-5, "hidden_act": "silu", "bos_token_id": 1, "eos_token_id": 2,
        "pad_token_id": 2, "max_position_embeddings": 2048, "attention_bias": False, "mlp_bias": False,
        "torch_dtype": "float32",
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", config)
    write_json(folder / "generation_config.json", {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2})
    (folder / "tokenizer.json").write_text(tokenizer, "utf-8")
    write_json(folder / "tokenizer_config.json", tokenizer_config("PreTrainedTokenizerFast", "<|im_start|>"))
    write_weights(folder, weight_shapes(config, qkv_bias=False), dtype=dtype, shards=shards, seed=seed)
    return folder


def weight_shapes(config: dict[str, Any], *, qkv_bias: bool) -> dict[str, tuple[int, ...]]:
    """Tensor name → shape of a Llama or Qwen2 model, in Hugging Face's names."""
    hidden, wide = config["hidden_size"], config["intermediate_size"]
    kv = hidden // config["num_attention_heads"] * config["num_key_value_heads"]
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (config["vocab_size"], hidden)}
    for index in range(config["num_hidden_layers"]):
        layer = f"model.layers.{index}"
        for name, rows in (("q", hidden), ("k", kv), ("v", kv)):
            shapes[f"{layer}.self_attn.{name}_proj.weight"] = (rows, hidden)
            if qkv_bias:
                shapes[f"{layer}.self_attn.{name}_proj.bias"] = (rows,)
        shapes[f"{layer}.self_attn.o_proj.weight"] = (hidden, hidden)
        shapes[f"{layer}.mlp.gate_proj.weight"] = (wide, hidden)
        shapes[f"{layer}.mlp.up_proj.weight"] = (wide, hidden)
        shapes[f"{layer}.mlp.down_proj.weight"] = (hidden, wide)
        shapes[f"{layer}.input_layernorm.weight"] = (hidden,)
        shapes[f"{layer}.post_attention_layernorm.weight"] = (hidden,)
    shapes["model.norm.weight"] = (hidden,)
    if not config["tie_word_embeddings"]:
        shapes["lm_head.weight"] = (config["vocab_size"], hidden)
    return shapes


def write_weights(
    folder: Path, shapes: dict[str, tuple[int, ...]], *, dtype: str = "BF16", shards: int = 1, seed: int = 0
) -> None:
    """Write random weights as `model.safetensors`, or as shards with their index."""
    generator = np.random.default_rng(seed)
    specs = {name: TensorSpec(dtype, shape) for name, shape in shapes.items()}
    names = list(specs)
    index: dict[str, str] = {}
    for number in range(shards):
        part = names[number * len(names) // shards : (number + 1) * len(names) // shards]
        file = "model.safetensors" if shards == 1 else f"model-{number + 1:05d}-of-{shards:05d}.safetensors"
        index |= dict.fromkeys(part, file)
        write_tensors(
            folder / file,
            {name: specs[name] for name in part},
            random_tensors(part, specs, generator),
            {"format": "pt"},
        )
    if shards > 1:
        total = sum(spec.size_bytes for spec in specs.values())
        write_json(
            folder / "model.safetensors.index.json",
            {"metadata": {"total_size": total}, "weight_map": index},
        )


def random_tensors(
    names: list[str], specs: dict[str, TensorSpec], generator: np.random.Generator
) -> Iterator[Any]:
    """Norms near 1, biases and matrices near 0 with the spread of real models."""
    for name in names:
        values = generator.random(specs[name].shape, np.float32) - np.float32(0.5)
        values *= np.float32(0.1 if len(specs[name].shape) > 1 else 0.2)
        if "norm" in name:
            values += 1
        yield from_float32(values, specs[name].dtype)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write indented JSON."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")
