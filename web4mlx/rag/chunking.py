"""Cuts texts so that every piece fits the embedder's window: nothing is ever truncated by the model.

Tokens are the embedder's own. Its tokenizer splits at white space first, so counts of lines and of words add
up and a text is counted once. A cut is made between paragraphs, else lines, else words, else characters.
"""

import re
from collections.abc import Iterator
from typing import Protocol

SPECIAL_TOKENS = 2  # the start and end marks that the model adds
LONGEST_TITLE_TOKENS = 48
_PARAGRAPH = re.compile(r"\n\s*\n")


class TokenCounter(Protocol):
    """What counts tokens: `window` is the most that one text may have, its special tokens included."""

    window: int

    def count_tokens(self, text: str) -> int:
        """Tokens of a text, special tokens included."""
        ...


def split_text(text: str, counter: TokenCounter, title: str = "") -> list[tuple[str, int]]:
    """Cut a text into pieces of at most a window, each under the same title line.

    Returns:
        (piece with its title, its tokens with special ones) pairs; none for an empty text.
    """
    title, text = fit_title(title, counter), text.strip()
    if not text:
        return []
    head = f"{title}\n" if title else ""
    tokens = counter.count_tokens(head + text)
    if tokens <= counter.window:
        return [(head + text, tokens)]
    budget = counter.window - SPECIAL_TOKENS - (plain_count(title, counter) if title else 0)
    pieces = [head + piece for piece in pack(text, counter, budget) if piece.strip()]
    return [(piece, counter.count_tokens(piece)) for piece in pieces]


def plain_count(text: str, counter: TokenCounter) -> int:
    """Tokens of a text without special ones."""
    return counter.count_tokens(text) - SPECIAL_TOKENS


def fit_title(title: str, counter: TokenCounter) -> str:
    """The title, cut to its first words when it is long."""
    words = title.split()
    while words and plain_count(" ".join(words), counter) > LONGEST_TITLE_TOKENS:
        words = words[: max(len(words) * 2 // 3, len(words) - 8)] if len(words) > 1 else []
    return " ".join(words)


def pack(text: str, counter: TokenCounter, budget: int) -> Iterator[str]:
    """Join neighbouring units into pieces of at most `budget` tokens."""
    if plain_count(text, counter) <= budget:
        yield text
        return
    piece: list[str] = []
    used = 0
    for unit, separator, tokens in units(text, counter, budget):
        if piece and used + tokens > budget:
            yield "".join(piece).strip("\n")
            piece, used = [], 0
        piece.append(unit + separator)
        used += tokens
    if piece:
        yield "".join(piece).strip("\n")


def units(text: str, counter: TokenCounter, budget: int) -> Iterator[tuple[str, str, int]]:
    """The largest uncut parts of a text that fit: (part, what follows it, tokens)."""
    for paragraph in _PARAGRAPH.split(text):
        tokens = plain_count(paragraph, counter)
        if tokens <= budget // 2:
            yield paragraph, "\n\n", tokens
            continue
        for line in paragraph.split("\n"):
            tokens = plain_count(line, counter)
            if tokens <= budget:
                yield line, "\n", tokens
            else:
                yield from words(line, counter, budget)


def words(line: str, counter: TokenCounter, budget: int) -> Iterator[tuple[str, str, int]]:
    """The words of a line that is too long; a word that is too long itself is halved until it fits."""
    for word in line.split():
        stack = [word]
        while stack:
            part = stack.pop()
            tokens = plain_count(part, counter)
            if tokens <= budget:
                yield part, "" if stack else " ", tokens
            else:
                stack += [part[len(part) // 2 :], part[: len(part) // 2]]
