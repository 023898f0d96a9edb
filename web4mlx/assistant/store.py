"""The store that the assistant asks: which one, and its opening; the store itself is in `web4mlx.rag`."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from web4mlx.assistant.context import Hit, Query, Retriever

if TYPE_CHECKING:
    from web4mlx.rag.settings import RagSettings
    from web4mlx.rag.store import Store

CONFIG = "rag"


def find_store(
    db: Path | None, config: str = CONFIG, default: Path | None = None
) -> AbstractContextManager[Retriever] | None:
    """The store to ask, not yet opened.

    Args:
        db: Its folder; None takes the default one if it has been built.
        config: The store's configuration: a file or a shipped name.
        default: The run's store; None takes the one that the store's configuration names.

    Returns:
        What opens it; None when none was named and the default one has not been built.

    Raises:
        MissingPrerequisite: The configuration does not exist.
        Problems: It is not valid.
    """
    from web4mlx.rag.folder import current_generation

    settings = load_store_settings(config)
    usual = default or settings.db
    if db is None and current_generation(usual) is None:
        return None
    return opened(settings, db or usual)


def load_store_settings(config: str) -> "RagSettings":
    """The store's configuration: a file or a shipped name.

    Raises:
        MissingPrerequisite: It does not exist.
        Problems: It is not valid.
    """
    from web4mlx.config import find_config
    from web4mlx.rag.settings import load_settings

    return load_settings(find_config(config))


def describe_store(db: Path | None, default: Path) -> str:
    """Which store is asked, for people; says so when there is none."""
    from web4mlx.rag.folder import current_generation

    if db is None and current_generation(default) is None:
        return f"none: {default} has not been built (`web4mlx rag build SOURCE --db {default}`)"
    return str(db or default)


@contextmanager
def opened(settings: "RagSettings", db: Path) -> Iterator[Retriever]:
    """What finds pieces in an open store that has been asked once, so that no question waits for an index.

    Raises:
        Web4Error: It is missing, damaged, or made with another embedder.
    """
    from web4mlx.rag.retrieve import Retriever as StoreRetriever

    with opened_store(settings, db) as store:
        retriever = StoreRetriever(store)
        retriever.retrieve(Query("ready", limit=1))
        yield retriever


@contextmanager
def opened_store(settings: "RagSettings", db: Path) -> Iterator["Store"]:
    """An open store; its embedder is loaded by the first question.

    Raises:
        Web4Error: It is missing, damaged, or made with another embedder.
    """
    from web4mlx.rag.embedder_source import open_embedder
    from web4mlx.rag.store import open_store

    with open_store(db, open_embedder(settings.embedder), settings.chroma_url or None) as store:
        yield store


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
