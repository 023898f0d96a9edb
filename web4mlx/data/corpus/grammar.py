"""Drawing and filling: seeded decks of words, and templates whose `{slots}` are filled from a context.

A deck deals all its cards before one comes again, so small corpora use every phrasing about equally often.
"""

import re
from collections import deque
from collections.abc import Mapping, Sequence
from functools import cache
from random import Random
from typing import Any, TypeVar

from web4mlx.data.corpus.words import Entity, Split, entities, read_list

T = TypeVar("T")
_SLOT = re.compile(r"(?<!\$)\{([a-z][a-z0-9_]*)(\^?)\}")
NUMBERS = {"few": (2, 10), "some": (12, 60), "many": (120, 990), "percent": (5, 60), "count": (4, 40)}


@cache
def sentences() -> dict[str, list[str]]:
    """All pools of sentences by name."""
    return read_list("sentences") | read_list("narration")


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
        variety: How many sentences of each pool are used; None uses all. Few samples teach few sentences.
    """

    def __init__(self, split: Split, seed: str, variety: int | None = None) -> None:
        self.split = split
        self.variety = variety
        self.random = Random(seed)
        self._decks: dict[str, list[Any]] = {}
        # what was dealt for one side of a pair and waits for the other
        self.twins: deque[Any] = deque()

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
        """The next sentence of a kind."""
        text: str = self.deal(f"sentences/{name}", sentences()[name][: self.variety])
        return text

    def subject(self) -> "Subject":
        """The next component: an entity with a role."""
        roles = read_list("roles")
        return Subject(self.deal("entities", entities(self.split)), self.deal("roles", list(roles)), roles)


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


class Story(dict[str, str]):
    """A context that draws what it lacks: a number, or a sentence of that pool not yet told in this story."""

    def __init__(self, dealer: Dealer, *facts: Mapping[str, str]) -> None:
        super().__init__()
        self.dealer = dealer
        self._told: set[str] = set()
        for known in facts:
            self.update(known)

    def __missing__(self, name: str) -> str:
        if name in NUMBERS:
            return str(self.dealer.random.randrange(*NUMBERS[name]))
        text = self.dealer.sentence(name)
        for _ in sentences()[name]:
            if text not in self._told:
                break
            text = self.dealer.sentence(name)
        self._told.add(text)
        return text
