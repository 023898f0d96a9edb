"""A real GGUF of two megabytes whose answers a test can script.

A Llama of one layer with all its matrices zero but two: a one-hot embedding and an output matrix. What
follows a token then depends on that token alone, and `follows` says how: character → {next: logit}.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
HIDDEN = 320
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content"
    " + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
Follows = Mapping[str, Mapping[str, float]]


def alphabet() -> Follows:
    """Newline → a → b → … → z → a, without end."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    following = {letter: {letters[(at + 1) % 26]: 20.0} for at, letter in enumerate(letters)}
    return {"\n": {"a": 20.0}, **following}


def babble() -> Follows:
    """After any letter each letter is possible, at logits that differ a little."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    return {
        first: {second: 5 + (ord(first) * 7 + ord(second) * 13) % 11 / 5 for second in letters}
        for first in "\n" + letters
    }


def byte_letters() -> list[str]:
    """The character that stands for each byte in a byte-level vocabulary."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return [chr(byte) if byte in shown else chr(256 + hidden.index(byte)) for byte in range(256)]


def sentence(*words: str) -> Follows:
    """The words one after another, then the end of the turn; pass them as `words` too."""
    chain = ("\n", *words, "<|im_end|>")
    return {before: {after: 20.0} for before, after in zip(chain, chain[1:], strict=False)}


def write_micro_gguf(
    path: Path,
    follows: Follows,
    *,
    context: int = 512,
    words: Sequence[str] = (),
    architecture: str = "llama",
    file_type: int = 0,
    chat_template: str = CHAT_TEMPLATE,
) -> Path:
    """Write a model whose answers follow `follows`; anything unmentioned is equally unlikely.

    `words` are further tokens, which it can say but not read. `architecture` is llama or qwen2. `file_type`
    is what the file says of itself, whatever its tensors are.
    """
    import numpy as np
    from gguf import GGUFWriter

    letters = byte_letters()
    tokens = [*CONTROL, *letters, "th", *(word.replace(" ", "\u0120") for word in words)]
    ids = {token: at for at, token in enumerate(tokens)}
    ids |= {word: len(tokens) - len(words) + at for at, word in enumerate(words)}
    output = np.zeros((len(tokens), HIDDEN), np.float32)
    for first, seconds in follows.items():
        for second, logit in seconds.items():
            rows = [ids[letters[ord(t)]] if len(t) == 1 else ids[t] for t in (second, first)]
            output[rows[0], rows[1]] = logit / np.sqrt(HIDDEN)
    zeros = np.zeros((HIDDEN, HIDDEN), np.float32)
    ones = np.ones(HIDDEN, np.float32)
    writer = GGUFWriter(path, architecture)
    if file_type:
        writer.add_file_type(file_type)
    writer.add_context_length(context)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(1)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(4)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([3] * len(CONTROL) + [1] * (len(tokens) - len(CONTROL)))
    writer.add_token_merges(["t h"])
    writer.add_eos_token_id(ids["<|im_end|>"])
    writer.add_add_bos_token(False)
    writer.add_chat_template(chat_template)
    writer.add_tensor("token_embd.weight", np.eye(len(tokens), HIDDEN, dtype=np.float32))
    for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        writer.add_tensor(f"blk.0.{name}.weight", zeros)
    for name in ("attn_q", "attn_k", "attn_v") if architecture == "qwen2" else ():
        writer.add_tensor(f"blk.0.{name}.bias", zeros[0])
    for name in ("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"):
        writer.add_tensor(f"{name}.weight", ones)
    writer.add_tensor("output.weight", output)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
