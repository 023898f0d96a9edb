"""Adds to the PDCAs that were found those that precede and follow them."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from web4mlx.rag.documents import PDCA
from web4mlx.rag.graph import Direction, walk
from web4mlx.rag.vectors import Match

if TYPE_CHECKING:
    from web4mlx.rag.retrieve import Hit
    from web4mlx.rag.store import Store

DECAY = 0.85  # of the score with each link
MOST_NEIGHBOURS = 60
_WORDS: dict[Direction, str] = {"before": "precedes", "after": "follows"}


def expand(
    store: "Store",
    best: Sequence["Hit"],
    hits: list["Hit"],
    hops: int,
    allowed: Collection[str] | None,
    untrained: bool,
) -> list["Hit"]:
    """The hits and those of neighbouring PDCAs: of each its objective, or what its first chunk is.

    Args:
        store: Has the links and the texts.
        best: The hits whose neighbours are of interest.
        hits: All hits so far.
        hops: Most links to follow.
        allowed: Ids of the PDCAs that count; None for all.
        untrained: Only what is not marked as trained.
    """
    wanted: dict[str, tuple[float, list[str]]] = {}
    for hit in best:
        if hit.collection == PDCA:
            note_neighbours(store, hit, hops, wanted)
    counted = {one: reach for one, reach in wanted.items() if allowed is None or one in allowed}
    nearest = sorted(counted, key=lambda one: -counted[one][0])[:MOST_NEIGHBOURS]
    chunks = first_chunks(store, nearest, untrained)
    return hits + [neighbour_hit(chunks[one], *counted[one]) for one in nearest if one in chunks]


def note_neighbours(
    store: "Store", hit: "Hit", hops: int, wanted: dict[str, tuple[float, list[str]]]
) -> None:
    """Note the neighbours of a hit's document with their scores and the ways to them."""
    source = str(hit.metadata.get("pdca_id", ""))
    for direction, word in _WORDS.items():
        for step in walk(store.connection, source, direction, hops):
            links = f"{step.depth} link{'s' * (step.depth > 1)}"
            score, reasons = wanted.get(step.id, (0.0, []))
            reason = f"{word} {source} ({links})"
            reached = hit.score * DECAY**step.depth
            wanted[step.id] = (max(score, reached), list(dict.fromkeys([*reasons, reason])))


def first_chunks(store: "Store", pdca_ids: Sequence[str], untrained: bool) -> dict[str, Match]:
    """Of each document its objective's chunk, else its first one."""
    if not pdca_ids:
        return {}
    condition: dict[str, object] = {"pdca_id": {"$in": list(pdca_ids)}}
    if untrained:
        condition = {"$and": [condition, {"trained_in_adapter": False}]}
    found = store.collections[PDCA].get(where=condition, include=["documents", "metadatas"])
    rows = [
        Match(one, text or "", dict(meta or {}), 0.0)
        for one, text, meta in zip(found["ids"], found["documents"], found["metadatas"], strict=True)
    ]
    rows.sort(key=lambda row: (row.metadata.get("chunk_type") != "pdca_objective", chunk_number(row)))
    chunks: dict[str, Match] = {}
    for row in rows:
        chunks.setdefault(str(row.metadata.get("pdca_id")), row)
    return chunks


def chunk_number(row: Match) -> int:
    """A chunk's number in its document; 0 when it has none."""
    number = row.metadata.get("chunk_index", 0)
    return number if isinstance(number, int) else 0


def neighbour_hit(match: Match, score: float, reasons: list[str]) -> "Hit":
    """A hit along the links."""
    from web4mlx.rag.retrieve import Hit, cite

    return Hit(match.id, PDCA, match.text, match.metadata, score, tuple(reasons[:3]), cite(PDCA, match))
