"""Finds what a question needs: by meaning, along links, within days; ranked, with reasons and sources.

A hit's text is data from documents that anybody may have written: whoever shows it to a model delimits it,
and nothing in it is ever executed.
"""

from collections.abc import Sequence

from web4mlx.assistant.context import Hit, Query
from web4mlx.errors import UsageError
from web4mlx.rag.conditions import collection_filter
from web4mlx.rag.documents import COLLECTIONS, PDCA
from web4mlx.rag.neighbours import expand
from web4mlx.rag.store import Store
from web4mlx.rag.timeline import pdcas_between
from web4mlx.rag.vectors import Match, explain_chroma_errors, query_collection

PER_DOCUMENT = 2  # chunks of one document among the hits
_SPARE = 3  # as many times the wanted hits are asked for, since some share a document


__all__ = ["Hit", "Query", "Retriever"]


class Retriever:
    """Answers queries from an open store.

    Args:
        store: The store; the caller closes it.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    def retrieve(self, query: Query) -> list[Hit]:
        """The best hits, best first.

        Raises:
            UsageError: An unknown collection, a day that is none, a filter that Chroma refuses.
            StageCrashed: The store is damaged.
        """
        names = self.choose_collections(query)
        allowed = self.allowed_pdcas(query)
        if not query.text.strip() or query.limit < 1:
            raise UsageError("an empty query", "Say what you look for, and ask for at least one hit.")
        vector = self.store.encode_query(query.text)
        hits: list[Hit] = []
        with explain_chroma_errors(str(self.store.folder)):
            for name in names:
                condition = collection_filter(name, query.where, query.untrained, allowed)
                if condition is None:
                    continue
                found = query_collection(
                    self.store.collections[name], vector, query.limit * _SPARE, condition
                )
                hits += [semantic_hit(name, match) for match in found]
            if query.hops and PDCA in names:
                hits = expand(self.store, rank(hits, query.limit), hits, query.hops, allowed, query.untrained)
        return rank(hits, query.limit)

    def choose_collections(self, query: Query) -> list[str]:
        """The collections to look into.

        Raises:
            UsageError: One is unknown.
        """
        present = self.store.collections
        wanted = list(query.collections) if query.collections is not None else list(COLLECTIONS)
        unknown = [name for name in wanted if name not in present and query.collections is not None]
        if unknown:
            raise UsageError(
                f"no collection {', '.join(unknown)} in this store", f"It has: {', '.join(sorted(present))}."
            )
        return [name for name in wanted if name in present]

    def allowed_pdcas(self, query: Query) -> list[str] | None:
        """Ids of the PDCAs within the asked days and of the asked author; None for all.

        Raises:
            UsageError: A day is no day.
        """
        if not query.is_temporal:
            return None
        for day in (query.start, query.end):
            require_day(day)
        connection = self.store.connection
        found = pdcas_between(connection, query.start, query.end, query.agent)
        is_all = len(found) == connection.execute("SELECT count(*) FROM pdcas").fetchone()[0]
        return None if is_all else found


def require_day(day: str | None) -> None:
    """Refuse what is no day.

    Raises:
        UsageError: It is none.
    """
    from datetime import date

    try:
        if day is not None and date.fromisoformat(day).isoformat() != day:
            raise ValueError
    except ValueError as error:
        raise UsageError(f"{day}: not a day", "Write it as YYYY-MM-DD.") from error


def semantic_hit(collection: str, match: Match) -> Hit:
    """A hit by meaning; its score is the cosine, negative ones count as 0."""
    score = min(1.0, max(0.0, match.similarity))
    reason = f"meaning {match.similarity:.2f}"
    return Hit(match.id, collection, match.text, match.metadata, score, (reason,), cite(collection, match))


def cite(collection: str, match: Match) -> str:
    """Where a chunk stands: document, section and place, as a person would look it up."""
    data = match.metadata
    if collection == PDCA:
        section = str(data.get("chunk_type", "")).removeprefix("pdca_")
        return f"{data.get('pdca_id', match.id)} § {section}"
    place = data.get("file_path") or data.get("topic") or data.get("sample_id") or match.id
    section = str(data.get("section", ""))
    return f"{collection}: {place} § {section}" if section else f"{collection}: {place}"


def document_of(hit: Hit) -> str:
    """The document that a hit belongs to."""
    data = hit.metadata
    return str(data.get("pdca_id") or data.get("file_path") or data.get("topic") or hit.id)


def rank(hits: Sequence[Hit], limit: int) -> list[Hit]:
    """The best hits: each chunk once with all its reasons, few chunks of one document, best first."""
    merged: dict[str, Hit] = {}
    for hit in hits:
        other = merged.get(hit.id)
        merged[hit.id] = hit if other is None else merge(other, hit)
    ranked = []
    chunks_of: dict[str, int] = {}
    for hit in sorted(merged.values(), key=lambda one: (-one.score, one.id)):
        document = document_of(hit)
        chunks_of[document] = chunks_of.get(document, 0) + 1
        if chunks_of[document] <= PER_DOCUMENT:
            ranked.append(hit)
    return ranked[:limit]


def merge(one: Hit, other: Hit) -> Hit:
    """The same chunk found in two ways: the better score and all reasons."""
    best = one if one.score >= other.score else other
    reasons = tuple(dict.fromkeys((*one.reasons, *other.reasons)))
    return Hit(best.id, best.collection, best.text, best.metadata, best.score, reasons, best.citation)
