"""Drawing and filling: seeded decks of words, and templates whose `{slots}` are filled from a context.

A deck deals all its cards before one comes again, so small corpora use every phrasing about equally often.
"""

import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, TypeVar

from web4mlx.data.corpus.words import Entity, Split, entities, read_list

T = TypeVar("T")
_SLOT = re.compile(r"(?<!\$)\{([a-z][a-z0-9_]*)(\^?)\}")


def fill(template: str, context: Mapping[str, str]) -> str:
    """Fill `{slot}` from the context, recursively; `{slot^}` with its first letter capitalised.

    JSON braces and `${…}` of TypeScript are left alone.
    """

    def value(match: re.Match[str]) -> str:
        text = fill(context[match[1]], context)
        return text[:1].upper() + text[1:] if match[2] else text

    return _SLOT.sub(value, template)


class Dealer:
    """Deals words of one split in an order fixed by the seed.

    Args:
        split: Whether to draw from the training words or the held-out ones.
        seed: Anything; equal seeds deal equal cards.
    """

    def __init__(self, split: Split, seed: str) -> None:
        self.split = split
        self.random = Random(seed)
        self._decks: dict[str, list[Any]] = {}

    def deal(self, deck: str, cards: Sequence[T]) -> T:
        """The next card of a named deck; the deck is shuffled anew when it is used up."""
        left = self._decks.get(deck)
        if not left:
            left = self.random.sample(list(cards), len(cards))
            self._decks[deck] = left
        card: T = left.pop()
        return card

    def words(self, name: str, *path: str) -> Any:
        """The next entry of this split from a word list, e.g. `words("tools", "ask", "grep")`."""
        entry = read_list(name)
        for key in path:
            entry = entry[key]
        return self.deal("/".join((name, *path)), entry[self.split])

    def sentence(self, name: str) -> str:
        """The next sentence of a kind from sentences.toml."""
        text: str = self.deal(f"sentences/{name}", read_list("sentences")[name])
        return text

    def subject(self, role: str | None = None) -> "Subject":
        """The next component: an entity with a role."""
        roles = read_list("roles")
        return Subject(
            self.deal("entities", entities(self.split)), role or self.deal("roles", list(roles)), roles
        )


class Subject:
    """A component that samples speak about, e.g. InvoiceParser."""

    def __init__(self, entity: Entity, role: str, roles: Mapping[str, Mapping[str, str]]) -> None:
        self.entity = entity
        self.role = role
        self.component = entity.name + role
        self.context = {
            "component": self.component,
            "item": entity.name.lower(),
            "items": entity.plural,
            "role": role,
        }
        self.context |= {key: fill(text, self.context) for key, text in roles[role].items()}
