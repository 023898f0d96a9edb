"""A tokenizer from the vocabulary in a GGUF's metadata, for counting tokens without the weights.

Byte-level BPE with the pre-tokenizers of the model families that are used here. Any other is refused: a wrong
pre-tokenizer gives wrong counts without any error.
"""

from collections.abc import Callable, Mapping
from typing import Any

CONTROL_TOKEN = 3  # llama.cpp's token type of special tokens
QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def open_vocabulary(info: Mapping[str, Any]) -> Callable[[str], int] | None:
    """A function that counts tokens.

    Args:
        info: The GGUF's metadata, with the arrays of its vocabulary.

    Returns:
        The function, or None when the vocabulary is missing or of another kind. Control tokens that are
        written in a text count as one.
    """
    pre = info.get("tokenizer.ggml.pre")
    tokens, merges = info.get("tokenizer.ggml.tokens"), info.get("tokenizer.ggml.merges")
    is_known = info.get("tokenizer.ggml.model") == "gpt2" and pre in ("qwen2", "smollm", "gpt-2")
    if not is_known or not isinstance(tokens, list) or not isinstance(merges, list):
        return None
    from tokenizers import AddedToken, Tokenizer, models

    pairs = [(left, right) for left, right in (str(merge).split(" ", 1) for merge in merges)]
    backend = Tokenizer(models.BPE(vocab={str(t): at for at, t in enumerate(tokens)}, merges=pairs))
    backend.pre_tokenizer = pre_tokenizer(str(pre))
    kinds = info.get("tokenizer.ggml.token_type") or ()
    control = [str(token) for token, kind in zip(tokens, kinds, strict=False) if kind == CONTROL_TOKEN]
    backend.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in control])

    def count(text: str) -> int:
        return len(backend.encode(text, add_special_tokens=False).ids)

    return count


def pre_tokenizer(pre: str) -> Any:
    """How a text is cut before the merges, by llama.cpp's name for it."""
    from tokenizers import Regex, pre_tokenizers

    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pre != "qwen2")
    if pre == "gpt-2":
        return byte_level
    first = (
        pre_tokenizers.Split(Regex(QWEN2), "isolated")
        if pre == "qwen2"
        else pre_tokenizers.Digits(individual_digits=True)
    )
    return pre_tokenizers.Sequence([first, byte_level])
