"""A document of the store with its links: what precedes it, what follows it, and its whole text."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from web4mlx.rag.folder import require_generation
from web4mlx.rag.graph import predecessors, successors
from web4mlx.rag.schema import DATABASE, explain_sqlite_errors, read_database


@dataclass(frozen=True)
class Neighbour:
    """A linked PDCA: its id, its day and its objective; both may be empty."""

    id: str
    date: str
    objective: str


@dataclass(frozen=True)
class Document:
    """A document. Only PDCAs have a day, an agent and links; `batch` is empty while it is untrained.

    `text` is all of its chunks, empty in stores that others made.
    """

    id: str
    title: str = ""
    date: str = ""
    agent: str = ""
    role: str = ""
    batch: str = ""
    text: str = ""
    is_pdca: bool = False
    before: tuple[Neighbour, ...] = ()
    after: tuple[Neighbour, ...] = ()
    dangling: tuple[str, ...] = ()

    @property
    def neighbours(self) -> tuple[tuple[str, Neighbour], ...]:
        """All neighbours with `before` or `after`, in the order in which they are shown."""
        return (*(("before", one) for one in self.before), *(("after", one) for one in self.after))


def read_document(folder: Path, identity: str) -> Document:
    """A document by its PDCA's id, its path, or the id of one of its chunks.

    Raises:
        MissingPrerequisite: There is no store.
        StageCrashed: Its database is damaged.
    """
    path = require_generation(folder) / DATABASE
    with explain_sqlite_errors(path), closing(read_database(path)) as connection:
        identity = place_of(connection, identity)
        text, batch = read_text(connection, identity)
        row = connection.execute(
            "SELECT date, agent_name, agent_role, objective, training_batch FROM pdcas WHERE id = ?",
            (identity,),
        ).fetchone()
        if row is None:
            return Document(identity, batch=batch, text=text)
        return Document(
            identity, row[3], row[0], row[1], row[2], row[4], text or row[3], is_pdca=True,
            before=tuple(neighbours(connection, predecessors(connection, identity))),
            after=tuple(neighbours(connection, successors(connection, identity))),
            dangling=read_dangling(connection, identity),
        )  # fmt: skip


def place_of(connection: sqlite3.Connection, identity: str) -> str:
    """The place of a chunk's document; what is no chunk's id is taken for a place."""
    try:
        row = connection.execute("SELECT path FROM chunks WHERE id = ?", (identity,)).fetchone()
    except sqlite3.OperationalError:  # a store that others made has no such table
        return identity
    return str(row[0]) if row else identity


def neighbours(connection: sqlite3.Connection, ids: Iterable[str]) -> list[Neighbour]:
    """The neighbours of some ids, by day."""
    found = []
    for one in ids:
        row = connection.execute("SELECT date, objective FROM pdcas WHERE id = ?", (one,)).fetchone()
        found.append(Neighbour(one, *(row or ("", ""))))
    return sorted(found, key=lambda one: (one.date, one.id))


def read_text(connection: sqlite3.Connection, identity: str) -> tuple[str, str]:
    """The text of all chunks of a document, and the training that marked it."""
    try:
        rows = connection.execute(
            "SELECT text, training_batch FROM chunks WHERE path = ? ORDER BY chunk_index", (identity,)
        ).fetchall()
    except sqlite3.OperationalError:
        return "", ""
    return "\n\n".join(row[0] for row in rows), next((row[1] for row in rows if row[1]), "")


def read_dangling(connection: sqlite3.Connection, identity: str) -> tuple[str, ...]:
    """Where the document's links lead nowhere."""
    try:
        rows = connection.execute(
            "SELECT target FROM dangling_links WHERE pdca_id = ?", (identity,)
        ).fetchall()
    except sqlite3.OperationalError:
        return ()
    return tuple(row[0] for row in rows)
