"""A store that is opened, asked and closed in one thread: what SQLite and embedders want, whoever asks."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from web4mlx.assistant.context import Hit, Query, Retriever


class OneThread:
    """A retriever for several threads; questions are answered one after another.

    Args:
        opening: Opens the store; entered and left in the thread.
    """

    def __init__(self, opening: AbstractContextManager[Retriever]) -> None:
        self._opening = opening
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._retriever: Retriever | None = None

    def __enter__(self) -> Self:
        """Open the store.

        Raises:
            Web4Error: It cannot be opened.
        """
        try:
            self._retriever = self._worker.submit(self._opening.__enter__).result()
        except BaseException:
            self._worker.shutdown()
            raise
        return self

    def retrieve(self, query: Query) -> list[Hit]:
        """The hits of a query, best first; waits for its turn."""
        if self._retriever is None:
            raise RuntimeError("the store is not open")
        return self._worker.submit(self._retriever.retrieve, query).result()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._worker.submit(self._opening.__exit__, None, None, None).result()
        self._worker.shutdown()
