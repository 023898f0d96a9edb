"""Takes the time of each kind of query: warm, one after the other, the embedding of the question included.

Times that are over the budget are taken once more, and the better ones count: another program that took the
machine for a moment is not the store's fault, and a store that is too slow is so twice.
"""

import time
from collections.abc import Callable, Iterator, Sequence

from web4mlx.rag.check_search import linked_pdcas, sample_chunks
from web4mlx.rag.documents import PDCA
from web4mlx.rag.findings import Latency
from web4mlx.rag.graph import predecessors, successors, walk
from web4mlx.rag.retrieve import Query, Retriever
from web4mlx.rag.settings import CheckSettings, Latencies
from web4mlx.rag.store import Store
from web4mlx.rag.timeline import pdcas_between

WARM_UP = 3
QUESTION_WORDS = 16


def measure(store: Store, settings: CheckSettings) -> Iterator[Latency]:
    """The latencies of semantic, graph, temporal and hybrid queries, of those that the store can be asked."""
    questions = [short(one.part) for one in sample_chunks(store, settings.queries) if one.part]
    linked = linked_pdcas(store, settings.queries)
    rows = store.connection.execute("SELECT DISTINCT date FROM pdcas WHERE date <> '' ORDER BY date")
    days = [row[0] for row in rows]
    retriever = Retriever(store)
    collections = [PDCA] if PDCA in store.collections else None
    kinds: list[tuple[str, Callable[[str], object], Sequence[str]]] = [
        ("semantic", lambda text: retriever.retrieve(Query(text, collections=collections)), questions),
        ("graph", lambda one: ask_graph(store, one), linked),
        ("temporal", lambda day: pdcas_between(store.connection, day, later(days, day)), days),
        (
            "hybrid",
            lambda text: retriever.retrieve(Query(text, start=days[0], end=days[-1], hops=2)),
            questions if days else [],
        ),
    ]
    for name, ask, inputs in kinds:
        if inputs:
            taken = time_queries(name, ask, inputs, settings)
            again = taken if taken.is_in_budget else time_queries(name, ask, inputs, settings)
            yield min(taken, again, key=lambda one: one.p95_ms)


def short(text: str) -> str:
    """As many words as people ask with."""
    return " ".join(text.split()[:QUESTION_WORDS])


def later(days: Sequence[str], day: str) -> str:
    """A day about a tenth of the timeline later."""
    return days[min(len(days) - 1, days.index(day) + max(1, len(days) // 10))]


def ask_graph(store: Store, pdca_id: str) -> None:
    """Neighbours on both sides and everything within five links."""
    predecessors(store.connection, pdca_id)
    successors(store.connection, pdca_id)
    walk(store.connection, pdca_id, "both", 5)


def time_queries(
    kind: str, ask: Callable[[str], object], inputs: Sequence[str], settings: CheckSettings
) -> Latency:
    """Median and 95th percentile of so many queries after a few that are not counted."""
    for number in range(WARM_UP):
        ask(inputs[number % len(inputs)])
    times_ms = []
    for number in range(settings.queries):
        began = time.perf_counter()
        ask(inputs[number % len(inputs)])
        times_ms.append((time.perf_counter() - began) * 1000)
    times_ms.sort()
    return Latency(
        kind=kind,
        queries=len(times_ms),
        median_ms=round(times_ms[len(times_ms) // 2], 3),
        p95_ms=round(times_ms[min(len(times_ms) - 1, int(len(times_ms) * 0.95))], 3),
        budget_ms=of_kind(settings.budget, kind),
        target_ms=of_kind(settings.target, kind),
    )


def of_kind(limits: Latencies, kind: str) -> float:
    """The limit of a kind of query."""
    return float(getattr(limits, f"{kind}_ms"))
