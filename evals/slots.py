"""How many questions can be decoded together: every one needs a key-value cache of its own.

A server that is given more slots than memory holds swaps, and an evaluation of minutes takes days.
"""

from pathlib import Path

from web4mlx.errors import MissingPrerequisite
from web4mlx.events import EventSink, Warned

BYTES_OF_A_VALUE = 2  # llama.cpp keeps keys and values in float16
USABLE_SHARE = 0.8


def slots_that_fit(gguf: Path, context: int, wanted: int, available_bytes: int) -> int:
    """The slots for which there is memory, at least one.

    Args:
        gguf: The model.
        context: Tokens of a slot.
        wanted: No more than these.
        available_bytes: Memory that nothing else uses.
    """
    free = available_bytes * USABLE_SHARE - gguf.stat().st_size
    return max(1, min(wanted, int(free / max(1, context * bytes_of_a_token(gguf)))))


def bytes_of_a_token(gguf: Path) -> int:
    """Bytes of keys and values of one token; 57,344 for Qwen2.5-7B. 0 when the header does not say.

    Raises:
        MissingPrerequisite: The file is no GGUF.
    """
    from gguf import GGUFReader

    try:
        fields = GGUFReader(gguf).fields
    except (ValueError, IndexError) as error:
        raise MissingPrerequisite(
            f"{gguf}: not a GGUF: {error}", "Export it again, or name another."
        ) from error
    if "general.architecture" not in fields:
        raise MissingPrerequisite(f"{gguf}: its header names no architecture", "Export it again.")

    def number(key: str) -> int:
        field = fields.get(f"{architecture}.{key}")
        return int(field.contents()) if field is not None else 0

    architecture = str(fields["general.architecture"].contents())
    heads = number("attention.head_count")
    size = number("attention.key_length") or (number("embedding_length") // heads if heads else 0)
    kv_heads = number("attention.head_count_kv") or heads
    return 2 * BYTES_OF_A_VALUE * number("block_count") * kv_heads * size


def choose_slots(gguf: Path, context: int, wanted: int, show: EventSink) -> int:
    """The slots to load a model with; says so when memory allows fewer than asked for."""
    import time

    import psutil

    slots = slots_that_fit(gguf, context, wanted, psutil.virtual_memory().available)
    if slots < wanted:
        message = f"memory holds {slots} contexts of {context} tokens, not {wanted}: {slots} at a time"
        advice = "Close other programs, or give fewer with --parallel."
        show(Warned(ts=time.time(), run="evals", stage="evals", code="slots", message=message, advice=advice))
    return slots
