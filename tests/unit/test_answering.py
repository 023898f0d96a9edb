"""A prepared question: its context, its sources, the room that is kept; one thread for the store."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.serving import ScriptedStore, document, example
from web4mlx.assistant.answering import estimate_tokens, prepare, source_lines
from web4mlx.assistant.context import Hit, Query, Retriever
from web4mlx.assistant.one_thread import OneThread
from web4mlx.config.serving import AssistantConfig
from web4mlx.engines.base import Request, SamplingOptions
from web4mlx.errors import MissingPrerequisite, UsageError

PAST = "How did we solve this in the past?"


class Counting:
    """An engine as far as it is needed here: a token is a letter."""

    def count_tokens(self, text: str) -> int:
        return len(text)


def request(question: str, max_tokens: int = 10) -> Request:
    turns = ({"role": "system", "content": "Be brief."}, {"role": "user", "content": question})
    return Request("q", turns, options=SamplingOptions(max_tokens=max_tokens))


def test_the_question_gets_its_documents_and_the_sources_their_numbers() -> None:
    store = ScriptedStore([document(1), document(2, score=0.6), example(1)])
    prepared = prepare(request(PAST), Counting(), 4000, store, AssistantConfig())  # type: ignore[arg-type]
    system, last = prepared.request.messages
    assert system["content"] == "Be brief."
    assert last["content"].endswith(f"\n\n{PAST}")
    assert source_lines(prepared) == ["[1] pdca/2024-01.pdca.md § Act", "[2] pdca/2024-02.pdca.md § Act"]
    assert prepared.sources[0]["score"] == 0.7
    assert store.queries[0].collections == ("pdca_historical", "process_docs")


@pytest.mark.parametrize("context", [300, 600, 900, 1500])
def test_prompt_and_answer_stay_within_the_context(context: int) -> None:
    store = ScriptedStore([document(number, "word " * 40, score=0.9 - number / 10) for number in range(1, 5)])
    prepared = prepare(request(PAST, 50), Counting(), context, store, AssistantConfig())  # type: ignore[arg-type]
    length = sum(len(turn["content"]) for turn in prepared.request.messages)
    assert length + 50 <= context
    assert len(prepared.built.documents) + len(prepared.built.dropped) == 4
    assert bool(prepared.built.dropped) == any("did not fit" in note for note in prepared.built.notes)


def test_a_question_that_does_not_fit_is_refused() -> None:
    with pytest.raises(UsageError, match="the context holds 100"):
        prepare(request("x" * 200), Counting(), 100, None, AssistantConfig())  # type: ignore[arg-type]


def test_an_engine_that_does_not_count_is_estimated_from_above() -> None:
    prepared = prepare(request("x" * 300), object(), 100, None, AssistantConfig())  # type: ignore[arg-type]
    assert prepared.request == request("x" * 300)
    assert estimate_tokens("four words stand here") > 4


def test_a_store_is_opened_asked_and_closed_in_one_thread() -> None:
    seen: list[int] = []

    class Watching:
        def retrieve(self, query: Query) -> list[Hit]:
            seen.append(threading.get_ident())
            return [document(1)]

    @contextmanager
    def opening() -> Iterator[Retriever]:
        seen.append(threading.get_ident())
        yield Watching()
        seen.append(threading.get_ident())

    with OneThread(opening()) as store:
        askers = [threading.Thread(target=store.retrieve, args=(Query("x"),)) for _ in range(4)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
    assert len(seen) == 6
    assert len(set(seen)) == 1
    assert seen[0] != threading.get_ident()


def test_a_store_that_does_not_open_leaves_no_thread() -> None:
    @contextmanager
    def opening() -> Iterator[Retriever]:
        raise MissingPrerequisite("no store")
        yield

    with pytest.raises(MissingPrerequisite, match="no store"), OneThread(opening()):
        pass
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("store")]
