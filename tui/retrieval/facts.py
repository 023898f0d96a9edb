"""What a store holds, read from its own database in milliseconds; nothing is embedded or opened for it.

ChromaDB is not opened here: a damaged index can end the process that reads it. Whether both agree is what
`rag check` finds out.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from web4mlx.rag.documents import COLLECTIONS
from web4mlx.rag.folder import current_generation
from web4mlx.rag.schema import DATABASE, explain_sqlite_errors, read_database


@dataclass(frozen=True)
class CollectionFacts:
    """Documents and chunks of a collection, and how many chunks are marked as trained."""

    name: str
    documents: int
    chunks: int
    trained: int


@dataclass(frozen=True)
class Batch:
    """What one training marked."""

    name: str
    date: str
    chunks: int
    pdcas: int


@dataclass(frozen=True)
class StoreFacts:
    """A store. `written` is when its database was; `collections` is empty in stores that others made.

    `scale` names the sample it was made from, `chroma_url` a Chroma server; both are empty for none.
    """

    generation: Path
    written: float
    collections: tuple[CollectionFacts, ...] = ()
    pdcas: int = 0
    links: int = 0
    dangling: int = 0
    failures: int = 0
    first_day: str = ""
    last_day: str = ""
    agents: tuple[str, ...] = ()
    batches: tuple[Batch, ...] = ()
    scale: str = ""
    embedder: str = ""
    chroma_url: str = ""

    @property
    def chunks(self) -> int:
        """Chunks in all collections."""
        return sum(one.chunks for one in self.collections)

    @property
    def trained(self) -> int:
        """Chunks that are marked as trained."""
        return sum(one.trained for one in self.collections)


class StoreFeed:
    """Reads a store's facts again only when another generation is there.

    Args:
        folder: The store's folder, as given to `rag build`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: tuple[tuple[Path, int, int], StoreFacts] | None = None

    def read(self) -> StoreFacts | None:
        """The facts; None when there is no store.

        Raises:
            MissingPrerequisite: A part of the store is missing.
            StageCrashed: Its database is damaged.
            UsageError: It was made by a later version.
        """
        generation = current_generation(self.folder)
        if generation is None:
            return None
        path = generation / DATABASE
        stat = path.stat() if path.is_file() else None
        key = (generation, stat.st_mtime_ns if stat else 0, stat.st_size if stat else 0)
        if self._known is None or self._known[0] != key:
            with explain_sqlite_errors(path), closing(read_database(path)) as connection:
                facts = read_facts(connection, StoreFacts(generation, key[1] / 1e9))
            self._known = key, facts
        return self._known[1]


def read_facts(connection: sqlite3.Connection, facts: StoreFacts) -> StoreFacts:
    """The facts of an open database: of the published tables and, in our own stores, of the others."""
    days = connection.execute("SELECT count(*), min(nullif(date, '')), max(date) FROM pdcas").fetchone()
    agents = connection.execute(
        "SELECT agent_name FROM pdcas WHERE agent_name <> '' GROUP BY 1 ORDER BY count(*) DESC"
    )
    facts = replace(
        facts, pdcas=days[0], first_day=days[1] or "", last_day=days[2] or "",
        links=count(connection, "pdca_relationships"), agents=tuple(row[0] for row in agents),
    )  # fmt: skip
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not {"chunks", "dangling_links", "failures", "store"} <= tables:
        return facts
    known = dict(connection.execute("SELECT key, value FROM store").fetchall())
    return replace(
        facts, collections=read_collections(connection), batches=read_batches(connection),
        dangling=count(connection, "dangling_links"), failures=count(connection, "failures"),
        scale=known.get("sample_scale", ""), chroma_url=known.get("chroma_url", ""),
        embedder=known.get("embedder", ""),
    )  # fmt: skip


def count(connection: sqlite3.Connection, table: str) -> int:
    """Rows of a table."""
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def read_collections(connection: sqlite3.Connection) -> tuple[CollectionFacts, ...]:
    """Each collection in its usual order; those that hold nothing too."""
    rows = connection.execute(
        "SELECT collection, count(DISTINCT path), count(*), sum(trained_in_adapter) FROM chunks GROUP BY 1"
    )
    found = {row[0]: CollectionFacts(row[0], row[1], row[2], row[3] or 0) for row in rows}
    names = dict.fromkeys([*COLLECTIONS, *found])
    return tuple(found.get(name, CollectionFacts(name, 0, 0, 0)) for name in names)


def read_batches(connection: sqlite3.Connection) -> tuple[Batch, ...]:
    """The trainings that marked something, the newest first."""
    rows = connection.execute(
        "SELECT training_batch, max(training_date), count(*) FROM chunks WHERE trained_in_adapter"
        " GROUP BY 1 ORDER BY 2 DESC, 1 DESC"
    ).fetchall()
    pdcas = dict(
        connection.execute(
            "SELECT training_batch, count(*) FROM pdcas WHERE trained_in_adapter GROUP BY 1"
        ).fetchall()
    )
    return tuple(Batch(name, day, chunks, pdcas.get(name, 0)) for name, day, chunks in rows)
