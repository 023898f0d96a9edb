"""Keyword lists as patterns: whole words in any case, with a cheap look before the expensive one.

`*` in a phrase is the rest of a word, `…` a few words. Texts are expected in lower case.
"""

import re
from collections.abc import Iterable, Sequence

KEY_LETTERS = 3
_WORD = re.compile(r"\w+")


def word_keys(text: str) -> frozenset[str]:
    """The first letters of all words of a text."""
    return frozenset(word[:KEY_LETTERS] for word in _WORD.findall(text))


class PhrasePattern:
    """Any of some phrases as whole words.

    Args:
        phrases: None never matches.
        before: A pattern that must stand right before the phrase.
    """

    def __init__(self, phrases: Sequence[str], before: str = r"(?<!\w)") -> None:
        pattern = rf"{before}(?:{alternatives(phrases)})(?!\w)" if phrases else "(?!)"
        self._search = re.compile(pattern).search
        firsts = [_WORD.match(phrase.casefold()) for phrase in phrases]
        self._keys = frozenset(first[0][:KEY_LETTERS] for first in firsts if first)
        self._is_keyed = all(
            first and not is_short_stem(first, phrase) for first, phrase in zip(firsts, phrases, strict=True)
        )

    def is_in(self, text: str, keys: frozenset[str]) -> bool:
        """Whether one stands in a text, of which `word_keys` has been taken."""
        if self._is_keyed and self._keys.isdisjoint(keys):
            return False
        return self._search(text) is not None


def is_short_stem(first: "re.Match[str]", phrase: str) -> bool:
    """Whether a phrase begins with a stem that is shorter than a key."""
    return len(first[0]) < KEY_LETTERS and phrase[first.end() :].startswith("*")


def alternatives(phrases: Iterable[str]) -> str:
    """The phrases as one pattern, longer ones first; `*` is the rest of a word, `…` a few words."""
    patterns = []
    for phrase in sorted(phrases, key=len, reverse=True):
        escaped = re.escape(phrase.casefold()).replace(r"\ ", r"\s+")
        patterns.append(escaped.replace(r"\*", r"[\w.-]*").replace("…", r"[^.?!]{1,60}"))
    return "|".join(patterns)
