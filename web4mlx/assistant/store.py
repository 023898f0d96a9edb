"""The store that the assistant asks: which one, and its opening; the store itself is in `web4mlx.rag`."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from web4mlx.assistant.context import Hit, Query, Retriever

if TYPE_CHECKING:
    from web4mlx.rag.settings import RagSettings

CONFIG = "rag"


def find_store(db: Path | None, config: str = CONFIG) -> AbstractContextManager[Retriever] | None:
    """The store to ask, not yet opened.

    Args:
        db: Its folder; None takes the configured one if it is there.
        config: The store's configuration: a file or a shipped name.

    Returns:
        What opens it; None when none was named and the configured one has not been built.

    Raises:
        MissingPrerequisite: The configuration does not exist.
        Problems: It is not valid.
    """
    from web4mlx.config import find_config
    from web4mlx.rag.settings import load_settings

    settings = load_settings(find_config(config))
    if db is None and not settings.db.is_dir():
        return None
    return opened(settings, db or settings.db)


@contextmanager
def opened(settings: "RagSettings", db: Path) -> Iterator[Retriever]:
    """An open store that has been asked once, so that no question waits for embedder or index.

    Raises:
        Web4Error: It is missing, damaged, or made with another embedder.
    """
    from web4mlx.rag.embedder_source import open_embedder
    from web4mlx.rag.retrieve import Retriever as StoreRetriever
    from web4mlx.rag.store import open_store

    with open_store(db, open_embedder(settings.embedder), settings.chroma_url or None) as store:
        retriever = StoreRetriever(store)
        retriever.retrieve(Query("ready", limit=1))
        yield retriever


class Lazily:
    """A store that is opened by the first question, in the thread that asks it.

    Args:
        opening: Opens it.
    """

    def __init__(self, opening: AbstractContextManager[Retriever]) -> None:
        self._opening = opening
        self._stack = ExitStack()
        self._retriever: Retriever | None = None

    def retrieve(self, query: Query) -> list[Hit]:
        """The hits of a query, best first.

        Raises:
            Web4Error: The store cannot be opened or read.
        """
        if self._retriever is None:
            self._retriever = self._stack.enter_context(self._opening)
        return self._retriever.retrieve(query)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
