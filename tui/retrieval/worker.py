"""`python -m tui.retrieval.worker`: answers questions to a store, one JSON line each, until nobody listens.

The embedder takes seconds to load and hundreds of megabytes, and a damaged index can end the process that
reads it: all this happens here and not in the dashboard. The process ends when its input ends, which it does
when the dashboard ends, however that happens; and when nothing was asked for a while, so that its memory is
free.
"""

import os
import queue
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from web4mlx.errors import Web4Error

if TYPE_CHECKING:
    from web4mlx.rag.retrieve import Retriever

IDLE_S = 900.0
NICE = 5  # a training has the cores first


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Question(_Line):
    """What is asked of which store; an empty `text` only opens it. Fields as in `web4mlx rag query`."""

    number: int
    db: str
    settings: str
    text: str = ""
    collections: tuple[str, ...] = ()
    start: str = ""
    end: str = ""
    agent: str = ""
    hops: int = 1
    untrained: bool = False
    limit: int = 12


class Found(_Line):
    """A hit: where it stands, how well it fits (0 to 1), and why it was found."""

    id: str
    collection: str
    text: str
    metadata: dict[str, Any]
    score: float
    reasons: tuple[str, ...]
    citation: str


class Answer(_Line):
    """The hits of a question, best first, or its `error`; times in milliseconds, 0 when it was open."""

    number: int
    hits: tuple[Found, ...] = ()
    open_ms: float = 0.0
    took_ms: float = 0.0
    error: str = ""
    hint: str = ""


class Opened:
    """The store that was asked last, kept open until another generation or another store is wanted."""

    def __init__(self) -> None:
        self.key: tuple[str, ...] = ()
        self.stack = ExitStack()
        self.retriever: Retriever | None = None

    def open(self, question: Question) -> "Retriever":
        """The retriever of a question's store.

        Raises:
            Web4Error: The store is missing, damaged, or made with another embedder.
        """
        from web4mlx.assistant.context import Query
        from web4mlx.assistant.store import load_store_settings, opened_store
        from web4mlx.rag.folder import require_generation
        from web4mlx.rag.retrieve import Retriever

        db = Path(question.db)
        key = (question.db, question.settings, str(require_generation(db)))
        if self.retriever is None or key != self.key:
            self.close()
            store = self.stack.enter_context(opened_store(load_store_settings(question.settings), db))
            self.retriever, self.key = Retriever(store), key
            self.retriever.retrieve(Query("ready", limit=1))
        return self.retriever

    def close(self) -> None:
        """Close what is open."""
        self.retriever = None
        self.stack.close()


def answer(question: Question, opened: Opened) -> Answer:
    """Answer a question; whatever goes wrong is an answer too."""
    from web4mlx.assistant.context import Query

    began = time.perf_counter()
    try:
        retriever = opened.open(question)
        ready = time.perf_counter()
        open_ms = 1000 * (ready - began)
        if not question.text.strip():
            return Answer(number=question.number, open_ms=open_ms)
        asked = Query(
            question.text, question.collections or None, None, question.start or None, question.end or None,
            question.agent or None, question.hops, question.untrained, question.limit,
        )  # fmt: skip
        hits = retriever.retrieve(asked)
    except Web4Error as error:
        return Answer(number=question.number, error=error.message, hint=error.hint)
    except Exception as error:  # the boundary of a process: it answers, and goes on with the next question
        opened.close()
        return Answer(number=question.number, error=f"{type(error).__name__}: {error}")
    found = tuple(
        Found(id=hit.id, collection=hit.collection, text=hit.text, metadata=dict(hit.metadata),
              score=hit.score, reasons=tuple(hit.reasons), citation=hit.citation)
        for hit in hits
    )  # fmt: skip
    took_ms = 1000 * (time.perf_counter() - ready)
    return Answer(number=question.number, hits=found, open_ms=open_ms, took_ms=took_ms)


def listen(lines: IO[bytes], questions: "queue.Queue[bytes]") -> None:
    """Hand on what is asked; end the process when the input ends, even in the middle of an answer."""
    for line in lines:
        questions.put(line)
    os._exit(0)


def main() -> None:
    """Answer until nobody asks any more."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print must not stand between the answers
    os.nice(NICE)
    questions: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=listen, args=(sys.stdin.buffer, questions), daemon=True).start()
    opened = Opened()
    while True:
        try:
            line = questions.get(timeout=IDLE_S)
        except queue.Empty:
            os._exit(0)
        replies.write(answer(Question.model_validate_json(line), opened).model_dump_json() + "\n")
        replies.flush()


if __name__ == "__main__":
    main()
