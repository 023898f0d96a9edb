"""Hits come by meaning, along links and within days, ranked, with reasons and sources."""

from collections.abc import Iterator

import pytest

from tests.rag_sources import BUS, START, VERSION, WordEmbedder, build, write_files, write_tools
from web4mlx.errors import UsageError
from web4mlx.rag.conditions import collection_filter, parse_where
from web4mlx.rag.retrieve import Hit, Query, Retriever, rank
from web4mlx.rag.store import Store, open_store

HISTORY = ("pdca_historical",)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A small store, open."""
    folder = tmp_path_factory.mktemp("rag")
    build(write_files(folder / "repo"), folder / "db", tools=write_tools(folder / "tools"))
    with open_store(folder / "db", WordEmbedder()) as opened:
        yield opened


def ask(store: Store, text: str, **fields: object) -> list[Hit]:
    """The hits of a query."""
    return Retriever(store).retrieve(Query(text, **fields))  # type: ignore[arg-type]


def documents(hits: list[Hit]) -> list[str]:
    """The PDCAs of hits, each once."""
    return list(dict.fromkeys(str(hit.metadata.get("pdca_id")) for hit in hits))


def test_the_best_hit_is_first_and_says_why_and_where(store: Store) -> None:
    hits = ask(store, "pin versions of components", collections=HISTORY)
    assert hits[0].citation == f"{VERSION} § plan"
    assert hits[0].reasons[0].startswith("meaning 0.")
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert all(0 <= hit.score <= 1 for hit in hits)


def test_links_bring_neighbours_on_both_sides(store: Store) -> None:
    alone = ask(store, "pin versions of components in one file", collections=HISTORY, limit=1)
    assert documents(alone) == [VERSION]
    hits = ask(store, "pin versions of components in one file", collections=HISTORY, hops=1, limit=20)
    reasons = {str(hit.metadata["pdca_id"]): hit.reasons for hit in hits if len(hit.reasons) > 1}
    assert any(f"precedes {VERSION} (1 link)" in reason for reason in reasons[START])
    assert any(f"follows {VERSION} (1 link)" in reason for reason in reasons[BUS])


def test_days_and_agents_choose_documents(store: Store) -> None:
    assert documents(ask(store, "pdca", collections=HISTORY, start="2025-10-28")) == [BUS]
    assert documents(ask(store, "pdca", collections=HISTORY, end="2025-10-26")) == [START]
    both = documents(ask(store, "pdca", collections=HISTORY, agent="save restart agent"))
    assert sorted(both) == [START, VERSION]
    assert ask(store, "pdca", collections=HISTORY, agent="nobody") == []
    assert documents(ask(store, "pdca", collections=HISTORY, start="2025-10-28", hops=3, limit=20)) == [BUS]


def test_topics_and_code_stand_beside_history(store: Store) -> None:
    hits = ask(store, "empty constructor: export class DefaultUnicorn", limit=30)
    assert {"process_framework", "components"} <= {hit.collection for hit in hits}
    assert "process_framework: empty_constructor" in {hit.citation for hit in hits}


def test_metadata_is_matched_with_its_type(store: Store) -> None:
    hits = ask(
        store, "read part", collections=["tool_examples"], where=parse_where(["tool_ecosystem=cursor"])
    )
    assert {hit.metadata["tool_ecosystem"] for hit in hits} == {"cursor"}
    assert ask(store, "read", collections=["tool_examples"], where=parse_where(["is_negative=true"])) == []
    assert parse_where(["layer=2", "a=true", "b=x=y"]) == {"layer": 2, "a": True, "b": "x=y"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"collections": ["nothing"]}, "no collection nothing"),
        ({"start": "2025-1-1"}, "2025-1-1: not a day"),
        ({"end": "yesterday"}, "yesterday: not a day"),
        ({"where": {"$foo": 1}}, "--where"),
        ({"limit": 0}, "empty query"),
    ],
)
def test_wrong_queries_are_named(store: Store, fields: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("$", r"\$")):
        ask(store, "x", **fields)


def test_a_question_longer_than_the_window_is_answered(store: Store) -> None:
    assert ask(store, "pin versions of components " * 200, collections=HISTORY)


def test_filters_are_joined_and_days_concern_documents_only() -> None:
    assert collection_filter("components", None, False, ["a"]) == {}
    assert collection_filter("pdca_historical", None, False, []) is None
    assert collection_filter("pdca_historical", {"x": 1}, True, ["a"]) == {
        "$and": [{"x": 1}, {"trained_in_adapter": False}, {"pdca_id": {"$in": ["a"]}}]
    }


def test_one_document_does_not_fill_the_hits() -> None:
    hits = [Hit(str(n), "pdca_historical", "", {"pdca_id": "one"}, 0.9 - n / 100, ("m",)) for n in range(5)]
    hits.append(Hit("other", "pdca_historical", "", {"pdca_id": "two"}, 0.1, ("m",)))
    hits.append(Hit("0", "pdca_historical", "", {"pdca_id": "one"}, 0.95, ("follows x",)))
    ranked = rank(hits, 5)
    assert [hit.id for hit in ranked] == ["0", "1", "other"]
    assert ranked[0].score == 0.95
    assert set(ranked[0].reasons) == {"m", "follows x"}
