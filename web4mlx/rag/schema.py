"""The SQLite database of a store: its schema, step by step, and how it is opened.

`pdcas` and `pdca_relationships` are the published schema; stores that others made hold just these. The other
tables are ours: the texts of all chunks, so that ChromaDB can be rebuilt, and what became of each file.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from web4mlx.errors import MissingPrerequisite, StageCrashed, UsageError

DATABASE = "pdca_timeline.db"
BUSY_TIMEOUT_S = 10.0
MIGRATIONS = (
    """
    CREATE TABLE pdcas (
        id TEXT PRIMARY KEY, agent_name TEXT NOT NULL DEFAULT '', agent_role TEXT NOT NULL DEFAULT '',
        date TEXT NOT NULL DEFAULT '', timestamp INTEGER NOT NULL DEFAULT 0,
        session_id TEXT NOT NULL DEFAULT '', branch TEXT NOT NULL DEFAULT '', sprint TEXT NOT NULL DEFAULT '',
        cmm_level INTEGER NOT NULL DEFAULT 0, task_type TEXT NOT NULL DEFAULT '',
        objective TEXT NOT NULL DEFAULT '', quality_score INTEGER NOT NULL DEFAULT 0,
        verification_status TEXT NOT NULL DEFAULT '', file_path TEXT NOT NULL,
        trained_in_adapter INTEGER NOT NULL DEFAULT 0, training_batch TEXT NOT NULL DEFAULT '',
        training_date TEXT NOT NULL DEFAULT ''
    );
    CREATE TABLE pdca_relationships (
        id INTEGER PRIMARY KEY, from_pdca_id TEXT NOT NULL REFERENCES pdcas(id) ON DELETE CASCADE,
        to_pdca_id TEXT NOT NULL REFERENCES pdcas(id) ON DELETE CASCADE,
        relationship_type TEXT NOT NULL DEFAULT 'PRECEDES', weight REAL NOT NULL DEFAULT 1.0,
        metadata TEXT NOT NULL DEFAULT '{}', created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
        UNIQUE (from_pdca_id, to_pdca_id, relationship_type)
    );
    CREATE INDEX pdcas_date ON pdcas(date);
    CREATE INDEX pdcas_timestamp ON pdcas(timestamp);
    CREATE INDEX pdcas_agent_name ON pdcas(agent_name);
    CREATE INDEX pdcas_cmm_level ON pdcas(cmm_level);
    CREATE INDEX pdcas_trained_in_adapter ON pdcas(trained_in_adapter);
    CREATE INDEX relationships_from ON pdca_relationships(from_pdca_id);
    CREATE INDEX relationships_to ON pdca_relationships(to_pdca_id);
    """,
    """
    CREATE TABLE chunks (
        id TEXT PRIMARY KEY, collection TEXT NOT NULL, path TEXT NOT NULL, chunk_index INTEGER NOT NULL,
        text TEXT NOT NULL, tokens INTEGER NOT NULL, metadata TEXT NOT NULL,
        trained_in_adapter INTEGER NOT NULL DEFAULT 0, training_batch TEXT NOT NULL DEFAULT '',
        training_date TEXT NOT NULL DEFAULT ''
    );
    CREATE INDEX chunks_place ON chunks(collection, path);
    CREATE INDEX chunks_trained_in_adapter ON chunks(trained_in_adapter);
    CREATE TABLE pdca_texts (
        pdca_id TEXT PRIMARY KEY REFERENCES pdcas(id) ON DELETE CASCADE, title TEXT NOT NULL,
        tron_feedback TEXT NOT NULL, content_sha256 TEXT NOT NULL
    );
    CREATE TABLE source_files (
        path TEXT NOT NULL, collection TEXT NOT NULL, rule TEXT NOT NULL, sha256 TEXT NOT NULL,
        copy_of TEXT NOT NULL DEFAULT '', PRIMARY KEY (collection, path)
    );
    CREATE TABLE dangling_links (pdca_id TEXT NOT NULL, target TEXT NOT NULL, reason TEXT NOT NULL);
    CREATE TABLE failures (path TEXT NOT NULL, reason TEXT NOT NULL);
    CREATE TABLE store (key TEXT PRIMARY KEY, value TEXT NOT NULL);
    """,
)


def create_database(path: Path) -> sqlite3.Connection:
    """Open a database for writing; make it or bring it to the present schema."""
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA foreign_keys = ON")
    migrate(connection, path)
    return connection


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Apply the missing steps, each in a transaction of its own.

    Raises:
        UsageError: The database is of a newer version.
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    require_known_version(version, path)
    for number, script in enumerate(MIGRATIONS[version:], version + 1):
        connection.executescript(f"BEGIN; {script} PRAGMA user_version = {number}; COMMIT;")


def require_known_version(version: int, path: Path) -> None:
    """Refuse a database of a later version.

    Raises:
        UsageError: It is.
    """
    if version > len(MIGRATIONS):
        raise UsageError(
            f"{path}: schema version {version}; this web4mlx knows versions up to {len(MIGRATIONS)}",
            "Update web4mlx, or build the store again with `web4mlx rag build`.",
        )


def read_database(path: Path) -> sqlite3.Connection:
    """Open a database for reading.

    Raises:
        MissingPrerequisite: It does not exist.
        StageCrashed: It is damaged, or is no database.
    """
    if not path.is_file():
        raise MissingPrerequisite(
            f"{path}: the timeline and graph are missing", "`web4mlx rag build SOURCE` makes a store."
        )
    with explain_sqlite_errors(path):
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S)
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        require_known_version(connection.execute("PRAGMA user_version").fetchone()[0], path)
    missing = {"pdcas", "pdca_relationships"} - tables
    if missing:
        connection.close()
        raise MissingPrerequisite(
            f"{path}: no table {' and no table '.join(sorted(missing))}",
            "This is not the timeline of a store; `web4mlx rag build SOURCE` makes one.",
        )
    return connection


def read_fact(connection: sqlite3.Connection, key: str) -> str:
    """What a database records about its store; empty when it records nothing, as stores of others."""
    try:
        row = connection.execute("SELECT value FROM store WHERE key = ?", (key,)).fetchone()
    except sqlite3.OperationalError:
        return ""
    return str(row[0]) if row else ""


@contextmanager
def explain_sqlite_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours.

    Raises:
        StageCrashed: The file is damaged, locked for too long, or no database.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        hint = "Another process may be writing: try again. Otherwise check the file's permissions."
        raise StageCrashed(f"{path}: {error}", hint) from error
    except sqlite3.DatabaseError as error:
        raise StageCrashed(
            f"{path}: damaged: {error}",
            "Build the store again with `web4mlx rag build SOURCE`: the vectors that are known cost nothing.",
        ) from error
