"""Makes ChromaDB hold exactly what the database holds: writes the difference, then verifies."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from web4mlx.errors import StageCrashed
from web4mlx.rag.documents import COLLECTIONS, Scalar
from web4mlx.rag.embedder import EmbedderIdentity
from web4mlx.rag.on_server import read_end
from web4mlx.rag.timeline import StoredChunk, read_chunks
from web4mlx.rag.vector_cache import VectorCache
from web4mlx.rag.vectors import (
    REBUILD_HINT,
    add_records,
    batches,
    ensure_collection,
    explain_chroma_errors,
    query_collection,
    read_metadata,
)

FORMAT = 2
ASKED = 20  # records that are looked up by their own vectors before a store counts
SAME = 0.999
MOST_LOST = 0.25  # the index is an approximate one; a broken one loses nearly all


@dataclass(frozen=True, slots=True)
class Difference:
    """What was changed in ChromaDB."""

    added: int = 0
    removed: int = 0
    updated: int = 0
    unchanged: int = 0

    def __add__(self, other: "Difference") -> "Difference":
        return Difference(
            self.added + other.added,
            self.removed + other.removed,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
        )


def collection_metadata(identity: EmbedderIdentity) -> dict[str, Scalar]:
    """What every collection records about how it was made."""
    return {"format": FORMAT, **identity.as_metadata()}


def sync_store(client: Any, connection: sqlite3.Connection, cache: VectorCache) -> Difference:
    """Bring all collections to what the database says; the cache knows all vectors that are to be added.

    The database says how the collections' names end.

    Raises:
        StageCrashed: Chroma does not hold what was written to it.
    """
    total, end = Difference(), read_end(connection)
    with explain_chroma_errors("chroma_db"):
        for name in COLLECTIONS:
            collection = ensure_collection(client, name + end, collection_metadata(cache.identity))
            total += sync_collection(collection, list(read_chunks(connection, name)), cache)
    return total


def sync_collection(collection: Any, wanted: Sequence[StoredChunk], cache: VectorCache) -> Difference:
    """Bring one collection to the wanted chunks; ids depend on the texts, so only metadata can change."""
    present = read_metadata(collection)
    by_id = {chunk.id: chunk for chunk in wanted}
    gone = [identity for identity in present if identity not in by_id]
    new = [chunk for chunk in wanted if chunk.id not in present]
    changed = [
        chunk for chunk in wanted if chunk.id in present and not is_same(present[chunk.id], chunk.metadata)
    ]
    for part in batches(gone):
        collection.delete(ids=list(part))
    for part in batches(new):
        texts = [chunk.text for chunk in part]
        add_records(
            collection,
            [chunk.id for chunk in part],
            cache.vectors(texts),
            texts,
            [one.metadata for one in part],
        )
    for part in batches(changed):
        stale = {key: None for chunk in part for key in present[chunk.id] if key not in chunk.metadata}
        collection.update(
            ids=[chunk.id for chunk in part], metadatas=[{**stale, **chunk.metadata} for chunk in part]
        )
    if gone or new or changed:
        verify(collection, wanted)
    if gone or new:
        verify_index(collection, wanted, cache)
    return Difference(len(new), len(gone), len(changed), len(wanted) - len(new) - len(changed))


def is_same(one: dict[str, Scalar], other: dict[str, Scalar]) -> bool:
    """Whether two records' metadata are equal, the types of their values included."""
    return one == other and all(type(one[key]) is type(other[key]) for key in one)


def verify(collection: Any, wanted: Sequence[StoredChunk]) -> None:
    """Read ids and metadata back.

    Raises:
        StageCrashed: They are not what was written.
    """
    present = read_metadata(collection)
    missing = sum(chunk.id not in present for chunk in wanted)
    extra = len(present) - (len(wanted) - missing)
    differing = sum(
        chunk.id in present and not is_same(present[chunk.id], chunk.metadata) for chunk in wanted
    )
    if missing or extra or differing:
        raise StageCrashed(
            f"{collection.name}: Chroma holds something else than was written to it: "
            f"{missing} missing, {extra} too many, {differing} with other metadata",
            REBUILD_HINT,
        )


def verify_index(collection: Any, wanted: Sequence[StoredChunk], cache: VectorCache) -> None:
    """Look some records up by their own vectors: an index that does not find these finds nothing.

    Raises:
        StageCrashed: Too many of them, or equal ones, are not the nearest to their own vectors.
    """
    asked = wanted[:: max(1, len(wanted) // ASKED)]
    lost = 0
    for vector in cache.vectors([chunk.text for chunk in asked]):
        found = query_collection(collection, vector, 1)
        lost += not found or found[0].similarity < SAME
    if lost > MOST_LOST * len(asked):
        raise StageCrashed(
            f"{collection.name}: {lost} of {len(asked)} records are not found by their own vectors",
            REBUILD_HINT,
        )
