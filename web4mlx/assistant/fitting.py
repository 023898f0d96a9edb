"""Fitting context into the tokens that are left: the lowest ranked goes first, and what went is kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from web4mlx.assistant.context import Hit
from web4mlx.quoting import DOCUMENT, EXAMPLE, block, piece

CountTokens = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Fitted:
    """A block, its tokens, the hits in it in their order, and those that did not fit."""

    text: str = ""
    tokens: int = 0
    used: tuple[Hit, ...] = ()
    dropped: tuple[Hit, ...] = ()


def fit_block(tag: str, hits: Sequence[Hit], room: int, count_tokens: CountTokens) -> Fitted:
    """The block of the best hits that fits.

    Args:
        tag: The block's delimiter.
        hits: Best first.
        room: Tokens that the block may have, delimiters and all.
        count_tokens: Tokens of a text.
    """
    kept = list(hits)
    while kept:
        text = block(tag, [_piece(tag, number, hit) for number, hit in enumerate(kept, 1)])
        tokens = count_tokens(text)
        if tokens <= room:
            return Fitted(text, tokens, tuple(kept), tuple(hits[len(kept) :]))
        kept.pop()
    return Fitted(dropped=tuple(hits))


def _piece(tag: str, number: int, hit: Hit) -> str:
    inner = EXAMPLE if tag.endswith("examples") else DOCUMENT
    return piece(inner, number, hit.citation or hit.id, hit.text)
