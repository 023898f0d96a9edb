"""Patterns of words in an answer: what must occur, in which order, and what must not.

Owns the small language of `evals/data/canaries.toml` (words, `word*`, `meaning ~ regex`). It knows nothing of
code; whoever wants prose alone strips the rest before.
"""

import re
from collections.abc import Sequence
from functools import cache

LONGEST_CHARACTERS = 100_000
SAYS = " ~ "
_TYPOGRAPHY = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "*": "", "`": "", "\u00a0": " "})


@cache
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """The regular expression of a pattern; letter case is ignored.

    Raises:
        ValueError: The pattern is empty or no regular expression.
    """
    if SAYS in pattern:
        try:
            return re.compile(pattern.partition(SAYS)[2], re.IGNORECASE)
        except re.error as error:
            raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
    words = pattern.removesuffix("*")
    if not words.strip():
        raise ValueError(f"{pattern!r} holds no word")
    end = "" if pattern.endswith("*") else r"(?!\w)"
    return re.compile(rf"(?<!\w){re.escape(words)}{end}", re.IGNORECASE)


def meaning(pattern: str) -> str:
    """What a pattern stands for, for people."""
    return pattern.partition(SAYS)[0]


def normalize(text: str) -> str:
    """The text with straight quotes, without emphasis and backticks, and with single blanks."""
    return " ".join(text.translate(_TYPOGRAPHY).split())


def occurs(pattern: str, text: str) -> bool:
    """Whether a pattern occurs in a normalized text."""
    return compile_pattern(pattern).search(text) is not None


def first_out_of_order(patterns: Sequence[str], text: str) -> str | None:
    """The first pattern that does not follow after the ones before it; None when all stand in order."""
    place = 0
    for pattern in patterns:
        found = compile_pattern(pattern).search(text, place)
        if found is None:
            return pattern
        place = found.end()
    return None


def abbreviate(text: str, longest: int) -> str:
    """The text in at most `longest` characters: its beginning, and three dots for what was cut off."""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"
