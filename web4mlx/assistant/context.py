"""What the assistant asks a store of documents, and what it gets back. The store itself is elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

TOOL_EXAMPLES = "tool_examples"


@dataclass(frozen=True, slots=True)
class Query:
    """One question to the store.

    Args:
        text: What to look for, in words.
        collections: Where to look; None for every collection the store has.
        where: Metadata that hits must have, as `{"chunk_type": "pdca_plan"}` or in Chroma's own form.
        start: First day (YYYY-MM-DD) of PDCAs; None for no bound.
        end: Last day.
        agent: Who wrote the PDCAs, in any spelling.
        hops: How many links to follow from the PDCAs that were found.
        untrained: Only what no adapter was trained on.
        limit: Most hits.
    """

    text: str
    collections: Sequence[str] | None = None
    where: Mapping[str, Any] | None = None
    start: str | None = None
    end: str | None = None
    agent: str | None = None
    hops: int = 0
    untrained: bool = False
    limit: int = 8

    @property
    def is_temporal(self) -> bool:
        """Whether only some PDCAs count, by day or author."""
        return bool(self.start or self.end or self.agent)


@dataclass(frozen=True, slots=True)
class Hit:
    """One piece of a document.

    `score` is 0 to 1, higher is better; `reasons` say why it was found; `citation` is what a person looks it
    up by: document, section, path.
    """

    id: str
    collection: str
    text: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    score: float = 0.0
    reasons: Sequence[str] = ()
    citation: str = ""


class Retriever(Protocol):
    """Finds pieces of documents."""

    def retrieve(self, query: Query) -> list[Hit]:
        """The hits of a query, best first.

        Raises:
            Web4Error: The store cannot be read.
        """
