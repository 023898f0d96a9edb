"""An open store: graph and timeline in SQLite, collections in ChromaDB, and the embedder that fits."""

import sqlite3
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from web4mlx.errors import MissingPrerequisite, UsageError
from web4mlx.rag.embedder import Embedder
from web4mlx.rag.embedder_source import open_embedder
from web4mlx.rag.folder import CHROMA, require_generation
from web4mlx.rag.on_server import read_end
from web4mlx.rag.schema import DATABASE, read_database, read_fact
from web4mlx.rag.settings import EmbedderSettings
from web4mlx.rag.vectors import list_collections, open_client

if TYPE_CHECKING:
    from web4mlx.rag.embedder import Vectors


class Store:
    """A store that is open for reading; use it in a `with` block.

    Args:
        folder: The generation's folder.
        embedder: What queries are embedded with.
        chroma_url: A Chroma server; empty for the folder's own ChromaDB.
    """

    def __init__(self, folder: Path, embedder: Embedder, chroma_url: str = "") -> None:
        self.folder = folder
        self.embedder = embedder
        self.chroma_url = chroma_url
        self.connection: sqlite3.Connection = read_database(folder / DATABASE)

    @cached_property
    def client(self) -> Any:
        """The Chroma client, opened when it is first needed."""
        if not self.chroma_url and not (self.folder / CHROMA).is_dir():
            raise MissingPrerequisite(
                f"{self.folder / CHROMA}: the collections are missing",
                "`web4mlx rag build SOURCE --rebuild` makes them; known vectors cost nothing.",
            )
        return open_client(self.folder / CHROMA, self.chroma_url)

    @cached_property
    def collections(self) -> dict[str, Any]:
        """The collections by name; each is of the embedder's kind.

        Raises:
            UsageError: A collection was made with another embedder.
        """
        found = list_collections(self.client, read_end(self.connection) if self.chroma_url else "")
        for name, collection in found.items():
            require_same_embedder(name, collection.metadata or {}, self.embedder)
        return found

    def encode_query(self, text: str) -> "Vectors":
        """The vector of a question, of shape (dimension,); what exceeds the window is left out at the end."""
        words = text.split() or [text]
        while self.embedder.count_tokens(" ".join(words)) > self.embedder.window and len(words) > 1:
            words = words[: len(words) * 3 // 4]
        query = " ".join(words)
        if self.embedder.count_tokens(query) > self.embedder.window:
            query = query[: self.embedder.window]
        vector: Vectors = self.embedder.encode([query])[0]
        return vector

    def fact(self, key: str) -> str:
        """What the database records about the store; empty when it records nothing, as stores of others."""
        return read_fact(self.connection, key)

    def close(self) -> None:
        """Close both databases."""
        self.connection.close()
        if "client" in self.__dict__:
            self.client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_store(folder: Path, embedder: Embedder | None = None, chroma_url: str | None = None) -> Store:
    """Open a store for reading.

    Args:
        folder: The folder given to `rag build`, or one that holds `chroma_db/` and `pdca_timeline.db`.
        embedder: None for the packaged one.
        chroma_url: A Chroma server; None for what the store records, which is mostly its own ChromaDB.

    Raises:
        MissingPrerequisite: There is no store, or a part of it is missing.
        StageCrashed: A database is damaged.
        UsageError: It was made by a later version.
    """
    store = Store(require_generation(folder), embedder or open_embedder(EmbedderSettings()))
    store.chroma_url = store.fact("chroma_url") if chroma_url is None else chroma_url
    return store


def require_same_embedder(name: str, metadata: dict[str, Any], embedder: Embedder) -> None:
    """Refuse a collection whose vectors another model made; what it does not record is not compared.

    Raises:
        UsageError: It was made with another model, revision, dimension or normalisation.
    """
    ours = embedder.identity.as_metadata()
    different = [key for key, value in ours.items() if key in metadata and metadata[key] != value]
    if different:
        details = ", ".join(f"{key} {metadata[key]} instead of {ours[key]}" for key in different)
        raise UsageError(
            f"collection {name} was made with another embedder: {details}",
            "Name that embedder in the configuration, or build the store again with `web4mlx rag build`.",
        )
