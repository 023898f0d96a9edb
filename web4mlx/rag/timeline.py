"""Writes a corpus into the database, and answers what lies between two days and who wrote it."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from web4mlx.rag.documents import MARKERS, Chunk, Corpus, Pdca, Scalar
from web4mlx.rag.stamps import fold_agent

MARKER_COLUMNS = tuple(MARKERS)
_MARKS = ", ".join(MARKER_COLUMNS)
PDCA_COLUMNS = (
    "id", "agent_name", "agent_role", "date", "timestamp", "session_id", "branch", "sprint", "cmm_level",
    "task_type", "objective", "quality_score", "verification_status",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A chunk as the database has it: its metadata includes the markers."""

    id: str
    collection: str
    path: str
    index: int
    text: str
    metadata: dict[str, Scalar]


def write_corpus(connection: sqlite3.Connection, corpus: Corpus, facts: Mapping[str, str]) -> None:
    """Fill an empty database in one transaction; `facts` go to the table `store`."""
    connection.execute("BEGIN")
    with connection:
        write_pdcas(connection, corpus.pdcas)
        connection.executemany(
            "INSERT INTO pdca_relationships (from_pdca_id, to_pdca_id, metadata) VALUES (?, ?, ?)",
            [
                (one.earlier, one.later, json.dumps({"origin": one.origin}, ensure_ascii=False))
                for one in corpus.relationships
            ],
        )
        write_chunks(connection, corpus.chunks)
        write_findings(connection, corpus)
        write_facts(connection, facts)


def write_facts(connection: sqlite3.Connection, facts: Mapping[str, str]) -> None:
    """Record facts about the store as a whole; those of known keys are replaced."""
    connection.executemany("INSERT OR REPLACE INTO store VALUES (?, ?)", sorted(facts.items()))


def write_pdcas(connection: sqlite3.Connection, pdcas: list[Pdca]) -> None:
    """Insert the rows of the timeline."""
    slots = ", ".join("?" * (len(PDCA_COLUMNS) + 1))
    connection.executemany(
        f"INSERT INTO pdcas ({', '.join(PDCA_COLUMNS)}, file_path) VALUES ({slots})",
        [(*(getattr(one, column) for column in PDCA_COLUMNS), one.id) for one in pdcas],
    )
    connection.executemany(
        "INSERT INTO pdca_texts VALUES (?, ?, ?, ?)",
        [(one.id, one.title, one.tron_feedback, one.content_sha256) for one in pdcas],
    )


def write_chunks(connection: sqlite3.Connection, chunks: list[Chunk]) -> None:
    """Insert the chunks, unmarked."""
    connection.executemany(
        "INSERT INTO chunks (id, collection, path, chunk_index, text, tokens, metadata)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                one.id,
                one.collection,
                one.path,
                one.index,
                one.text,
                one.tokens,
                json.dumps(one.metadata, ensure_ascii=False),
            )
            for one in chunks
        ],
    )


def write_findings(connection: sqlite3.Connection, corpus: Corpus) -> None:
    """Insert what became of the files and of the links."""
    connection.executemany(
        "INSERT INTO source_files VALUES (?, ?, ?, ?, ?)",
        [(one.path, one.collection, one.rule, one.sha256, one.copy_of) for one in corpus.files],
    )
    connection.executemany(
        "INSERT INTO dangling_links VALUES (?, ?, ?)",
        [(one.pdca_id, one.target, one.reason) for one in corpus.dangling],
    )
    connection.executemany(
        "INSERT INTO failures VALUES (?, ?)", [(one.path, one.reason) for one in corpus.failures]
    )


def copy_marks(connection: sqlite3.Connection, old: sqlite3.Connection) -> int:
    """Carry the markers of what has not changed over from the previous database; returns marked chunks."""
    marked = old.execute(f"SELECT {_MARKS}, id FROM chunks WHERE trained_in_adapter").fetchall()
    rows = old.execute(
        f"SELECT {_MARKS}, id, content_sha256 FROM pdcas JOIN pdca_texts ON pdca_id = id"
        " WHERE trained_in_adapter"
    ).fetchall()
    settings = ", ".join(f"{column} = ?" for column in MARKER_COLUMNS)
    connection.execute("BEGIN")
    with connection:
        connection.executemany(f"UPDATE chunks SET {settings} WHERE id = ?", marked)
        connection.executemany(
            f"UPDATE pdcas SET {settings} WHERE id = ? AND EXISTS"
            " (SELECT 1 FROM pdca_texts WHERE pdca_id = pdcas.id AND content_sha256 = ?)",
            rows,
        )
    count: int = connection.execute("SELECT count(*) FROM chunks WHERE trained_in_adapter").fetchone()[0]
    return count


def read_chunks(connection: sqlite3.Connection, collection: str) -> Iterator[StoredChunk]:
    """The chunks of a collection in the order of their places."""
    rows = connection.execute(
        f"SELECT id, collection, path, chunk_index, text, metadata, {_MARKS} FROM chunks"
        " WHERE collection = ? ORDER BY path, chunk_index",
        (collection,),
    )
    for identity, name, path, index, text, metadata, trained, batch, date in rows:
        marks: dict[str, Scalar] = {
            "trained_in_adapter": bool(trained),
            "training_batch": batch,
            "training_date": date,
        }
        yield StoredChunk(identity, name, path, index, text, json.loads(metadata) | marks)


def pdcas_between(
    connection: sqlite3.Connection, start: str | None = None, end: str | None = None, agent: str | None = None
) -> list[str]:
    """Ids of the documents from one day to another, both included, oldest first.

    Args:
        connection: The timeline.
        start: First day as YYYY-MM-DD; None for no bound.
        end: Last day.
        agent: Who wrote it, in any spelling; None for all.
    """
    conditions, values = ["1"], []
    if start is not None:
        conditions.append("date >= ?")
        values.append(start)
    if end is not None:
        conditions.append("date <= ? AND date <> ''")
        values.append(end)
    if agent is not None:
        names = [name for name in agents(connection) if fold_agent(name) == fold_agent(agent)]
        conditions.append(f"agent_name IN ({', '.join('?' * len(names))})")
        values += names
    rows = connection.execute(
        f"SELECT id FROM pdcas WHERE {' AND '.join(conditions)} ORDER BY date, timestamp, id", values
    )
    return [row[0] for row in rows]


def agents(connection: sqlite3.Connection) -> dict[str, int]:
    """How many documents each agent wrote."""
    rows = connection.execute(
        "SELECT agent_name, count(*) FROM pdcas GROUP BY agent_name ORDER BY count(*) DESC, agent_name"
    )
    return dict(rows.fetchall())
