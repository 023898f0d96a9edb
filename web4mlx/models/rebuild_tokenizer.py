"""Writes Hugging Face tokenizer files from a GGUF's vocabulary, merges and chat template.

Covers byte-level BPE with the pre-tokenizer `smollm`; any other is refused, since a wrong pre-tokenizer gives
wrong tokens without any error.
"""

import json
from pathlib import Path
from typing import Any

from web4mlx.artifacts import atomic_write
from web4mlx.errors import CheckFailed

CONTROL_TOKEN = 3  # llama.cpp's token type of special tokens
SPECIAL_TOKENS = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}


def write_tokenizer(fields: dict[str, Any], folder: Path) -> None:
    """Write tokenizer.json, tokenizer_config.json, special_tokens_map.json, vocab.json and merges.txt.

    Raises:
        CheckFailed: The GGUF's tokenizer is of another kind, or it has no chat template.
    """
    kind = (fields.get("tokenizer.ggml.model"), fields.get("tokenizer.ggml.pre"))
    if kind != ("gpt2", "smollm"):
        raise CheckFailed(
            f"tokenizer {kind[0]!r} with pre-tokenizer {kind[1]!r}, expected 'gpt2' with 'smollm'"
        )
    if not fields.get("tokenizer.chat_template"):
        raise CheckFailed("the GGUF has no chat template")
    tokens, merges = fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.merges"]
    control = [i for i, kind in enumerate(fields["tokenizer.ggml.token_type"]) if kind == CONTROL_TOKEN]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    special = {key: tokens[fields[f"tokenizer.ggml.{name}_token_id"]] for key, name in SPECIAL_TOKENS.items()}
    write_backend(folder, vocabulary, merges, [tokens[i] for i in control])
    write(folder / "vocab.json", vocabulary)
    atomic_write(folder / "merges.txt", "#version: 0.2\n" + "\n".join(merges) + "\n")
    write(folder / "special_tokens_map.json", special)
    write(
        folder / "tokenizer_config.json",
        {
            # With this class transformers takes tokenizer.json as it is; GPT2Tokenizer would drop Digits.
            "tokenizer_class": "PreTrainedTokenizerFast",
            "add_prefix_space": False,
            "clean_up_tokenization_spaces": False,
            "model_max_length": int(fields["llama.context_length"]),
            "added_tokens_decoder": {str(i): added_token(tokens[i]) for i in control},
            "additional_special_tokens": [special["bos_token"], special["eos_token"]],
            "chat_template": fields["tokenizer.chat_template"],
            **special,
        },
    )


def write_backend(folder: Path, vocabulary: dict[str, int], merges: list[str], control: list[str]) -> None:
    """Write tokenizer.json: digits one by one, then byte-level BPE; control tokens are never split."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    pairs = [(left, right) for left, right in (merge.split(" ") for merge in merges)]
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=pairs))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in control])
    backend.save(str(folder / "tokenizer.json"))


def added_token(content: str) -> dict[str, Any]:
    """A control token as tokenizer_config.json writes it."""
    plain = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    return {"content": content, **plain, "special": True}


def write(path: Path, content: dict[str, Any]) -> None:
    """Write an object as indented JSON."""
    atomic_write(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
