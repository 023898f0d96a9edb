"""Checks that a store finds: chunks by a part of their text, neighbours by links, documents by day."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from web4mlx.rag.documents import PDCA
from web4mlx.rag.findings import Finding, judge
from web4mlx.rag.graph import chain, path_between, predecessors, successors
from web4mlx.rag.retrieve import Query, Retriever
from web4mlx.rag.settings import CheckSettings
from web4mlx.rag.store import Store
from web4mlx.rag.timeline import agents, pdcas_between
from web4mlx.rag.vectors import query_collection

SEED = 7
FIRST = 5  # a known chunk must be among so many
NEAREST = 10  # neighbours that the index is compared with
COMPARED = 60  # queries for which it is compared
WALKED = 50


@dataclass(frozen=True, slots=True)
class Sampled:
    """A chunk, and the part of its text by which it is looked up."""

    collection: str
    id: str
    text: str
    part: str


def check_search(store: Store, settings: CheckSettings) -> Iterator[Finding]:
    """The findings about searching."""
    sampled = sample_chunks(store, settings.samples)
    yield check_known_items(store, sampled, settings.recall_at_5)
    yield check_index(store, sampled[:COMPARED], settings.index_recall)
    yield check_graph(store)
    yield check_timeline(store)
    yield check_hybrid(store, sampled)


def sample_chunks(store: Store, count: int) -> list[Sampled]:
    """Chunks of all collections, drawn with a fixed seed."""
    places = [
        (name, identity)
        for name, collection in sorted(store.collections.items())
        for identity in sorted(collection.get(include=[])["ids"])
    ]
    drawn = Random(SEED).sample(places, min(count, len(places)))
    sampled = []
    for name, identity in drawn:
        text = store.collections[name].get(ids=[identity], include=["documents"])["documents"][0] or ""
        sampled.append(Sampled(name, identity, text, beginning(text)))
    return sampled


def beginning(text: str) -> str:
    """The first three quarters of a text's words, at least twelve: what somebody remembers of it."""
    words = text.split()
    return " ".join(words[: max(12, len(words) * 3 // 4)])


def check_known_items(store: Store, sampled: Sequence[Sampled], wanted: float) -> Finding:
    """How many chunks are among the first five when a part of their text is looked up in their collection."""
    if not sampled:
        return judge("known items", ["the store holds nothing to search"], "")
    found = 0
    for one in sampled:
        matches = query_collection(store.collections[one.collection], store.encode_query(one.part), FIRST)
        found += any(match.id == one.id or match.text == one.text for match in matches)
    recall = found / len(sampled)
    detail = f"recall@{FIRST} {recall:.2f} over {len(sampled)} chunks"
    return judge("known items", [] if recall >= wanted else [f"{detail}, wanted {wanted:.2f}"], detail)


def check_index(store: Store, sampled: Sequence[Sampled], wanted: float) -> Finding:
    """How many of the true nearest neighbours the index finds, compared with all vectors."""
    import numpy as np

    vectors: dict[str, Any] = {}
    shares = []
    for one in sampled:
        collection = store.collections[one.collection]
        if one.collection not in vectors:
            vectors[one.collection] = all_vectors(collection)
        query = store.encode_query(one.part)
        similar = np.sort(vectors[one.collection] @ query)[::-1][:NEAREST]
        matches = query_collection(collection, query, NEAREST)
        shares.append(sum(match.similarity >= similar[-1] - 1e-4 for match in matches) / len(similar))
    if not shares:
        return Finding(name="index", verdict="inconclusive", detail="nothing to compare")
    recall = sum(shares) / len(shares)
    detail = f"{recall:.3f} of the {NEAREST} nearest found, {len(shares)} queries"
    return judge("index", [] if recall >= wanted else [f"{detail}, wanted {wanted:.2f}"], detail)


def all_vectors(collection: Any) -> Any:
    """All vectors of a collection, each of length 1, as an array of shape (records, dimension)."""
    import numpy as np

    found = np.asarray(collection.get(include=["embeddings"])["embeddings"], dtype=np.float32)
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)


def linked_pdcas(store: Store, count: int) -> list[str]:
    """PDCAs with links, drawn with a fixed seed."""
    rows = store.connection.execute(
        "SELECT DISTINCT from_pdca_id FROM pdca_relationships ORDER BY 1"
    ).fetchall()
    ids = [row[0] for row in rows]
    return Random(SEED).sample(ids, min(count, len(ids)))


def check_graph(store: Store) -> Finding:
    """Neighbours know each other, chains hold each document once, ways lead from their start to their end."""
    connection = store.connection
    sampled = linked_pdcas(store, WALKED)
    if not sampled:
        return Finding(name="graph", verdict="inconclusive", detail="no relationships to walk")
    problems = []
    longest = 0
    for one in sampled:
        after = successors(connection, one)
        problems += [
            f"{one}: {other} does not know it"
            for other in after
            if one not in predecessors(connection, other)
        ]
        found = chain(connection, one)
        longest = max(longest, len(found))
        if one not in found or len(set(found)) != len(found):
            problems.append(f"{one}: its chain is no chain")
        if not path_between(connection, found[0], found[-1]):
            problems.append(f"no way from {found[0]} to {found[-1]}, which are of one chain")
    loops = connection.execute(
        "SELECT count(*) FROM pdca_relationships WHERE from_pdca_id = to_pdca_id"
    ).fetchone()[0]
    return judge("graph", problems, f"{len(sampled)} chains walked, longest {longest}, {loops} self-loops")


def check_timeline(store: Store) -> Finding:
    """Ranges of days hold what a plain comparison says, and agents add up to all documents."""
    rows = store.connection.execute("SELECT id, date FROM pdcas").fetchall()
    days = sorted({date for _, date in rows if date})
    if not days:
        return Finding(name="timeline", verdict="inconclusive", detail="no document has a date")
    problems = []
    for low, high in ((0, len(days) - 1), (len(days) // 4, len(days) // 2), (len(days) // 2, len(days) // 2)):
        found = set(pdcas_between(store.connection, days[low], days[high]))
        if found != {one for one, date in rows if date and days[low] <= date <= days[high]}:
            problems.append(f"{days[low]} to {days[high]}: {len(found)} documents, not those of these days")
    counted = agents(store.connection)
    if sum(counted.values()) != len(rows):
        problems.append("agents do not add up to all documents")
    detail = f"{days[0]} to {days[-1]}, {len(counted)} agents"
    return judge("timeline", problems, detail)


def check_hybrid(store: Store, sampled: Sequence[Sampled]) -> Finding:
    """Meaning, links, days and topics together, from end to end, for a known PDCA."""
    known = next((one for one in sampled if one.collection == PDCA), None)
    if known is None:
        return Finding(name="hybrid", verdict="inconclusive", detail="no PDCA was drawn")
    metadata = store.collections[PDCA].get(ids=[known.id], include=["metadatas"])["metadatas"][0]
    day = str(metadata.get("date") or "") or None
    hits = Retriever(store).retrieve(Query(known.part, start=day, end=day, hops=2, limit=20))
    dates = {str(hit.metadata.get("date", "")) for hit in hits if hit.collection == PDCA}
    problems = []
    if metadata["pdca_id"] not in {hit.metadata.get("pdca_id") for hit in hits}:
        problems.append(f"{metadata['pdca_id']} was not found by a part of its text and its day")
    if day is not None and dates - {day}:
        problems.append(f"hits of other days than {day}")
    if any(not hit.reasons or not hit.citation for hit in hits):
        problems.append("hits without reasons or sources")
    kinds = {hit.collection for hit in hits}
    return judge("hybrid", problems, f"{len(hits)} hits of {len(kinds)} collections")
