"""Marks what an adapter was trained on, in SQLite and ChromaDB together: all or nothing, and repeatable.

A marking is a new generation of the store: a copy in which both databases are changed and compared. It counts
when it is complete; if anything goes wrong before, nothing has changed. With a Chroma server, whose
collections cannot be copied, they are changed in place and a failed marking is taken back; a killed one is
not, and is mended by the next marking.
"""

import json
import shutil
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from web4mlx.artifacts import MANIFEST
from web4mlx.errors import UsageError, Web4Error
from web4mlx.events import EventLog, Finished, Started
from web4mlx.rag.documents import COLLECTIONS, PDCA, Scalar
from web4mlx.rag.embedder import Embedder
from web4mlx.rag.folder import CHROMA, new_generation, only_writer, require_generation
from web4mlx.rag.retrieve import require_day
from web4mlx.rag.schema import DATABASE, create_database, explain_sqlite_errors, read_database, read_fact
from web4mlx.rag.sync import sync_store
from web4mlx.rag.vector_cache import VectorCache
from web4mlx.rag.vectors import open_client


@dataclass(frozen=True, slots=True)
class MarkRequest:
    """What is to be marked.

    Args:
        db: The store's folder.
        batch: The training's name; empty to take marks away.
        date: Its day (YYYY-MM-DD); empty for today, or with an empty batch for none.
        where: Metadata of the chunks that are meant; empty for all.
        collections: Where they are.
        paths: Only what stands at these places (ids of PDCAs, files, tool examples); None for all.
        chroma_url: A Chroma server; None for what the store records.
        wait_s: How long to wait for another writer.
    """

    db: Path
    batch: str
    date: str = ""
    where: Mapping[str, Scalar] | None = None
    collections: Sequence[str] = COLLECTIONS
    paths: Sequence[str] | None = None
    chroma_url: str | None = None
    wait_s: float = 600.0


@dataclass(frozen=True, slots=True)
class MarkReport:
    """What a marking did: chunks and PDCAs that now carry the marks, and chunks that were changed."""

    matched: int
    changed: int
    pdcas: int
    batch: str
    date: str
    duration_s: float


def mark_store(
    request: MarkRequest, embedder: Embedder, log: EventLog, *, dry_run: bool = False
) -> MarkReport:
    """Set the markers of all chunks that match, and of the PDCAs they belong to.

    Raises:
        MissingPrerequisite: There is no store, or another writer is not done in time.
        UsageError: The day is none, or a collection is unknown.
        StageCrashed: The databases could not be brought to the same state; nothing has changed.
    """
    began = time.monotonic()
    if request.date:
        require_day(request.date)
    unknown = [name for name in request.collections if name not in COLLECTIONS]
    if unknown:
        raise UsageError(f"no collection {', '.join(unknown)}", f"Known: {', '.join(COLLECTIONS)}.")
    old = require_own_generation(request.db)
    date = request.date or (time.strftime("%Y-%m-%d") if request.batch else "")
    log.write(Started, plan={"store": str(request.db), "batch": request.batch or "(none)", "date": date})
    with only_writer(request.db, log, request.wait_s):
        old = require_own_generation(request.db)
        if dry_run:
            with closing(read_database(old / DATABASE)) as reader:
                matched = matching_chunks(reader, request)
                return MarkReport(len(matched), 0, 0, request.batch, date, time.monotonic() - began)
        report = write_marks(request, old, date, embedder, began)
    log.write(Finished, duration_s=report.duration_s, artifact=str(request.db))
    return report


def require_own_generation(db: Path) -> Path:
    """The present generation.

    Raises:
        MissingPrerequisite: There is none.
        UsageError: Others made the store: its texts are not in the database.
    """
    folder = require_generation(db)
    if folder == db:
        raise UsageError(
            f"{db}: not made by `web4mlx rag build`, so its markers cannot be set safely",
            "Build a store from the sources first; this one can be checked and asked as it is.",
        )
    return folder


def write_marks(request: MarkRequest, old: Path, date: str, embedder: Embedder, began: float) -> MarkReport:
    """Make the new generation; on a server, take back what was written there if anything fails."""
    with new_generation(request.db, start_from_current=not request.chroma_url) as folder:
        copy_database(old / DATABASE, folder / DATABASE)
        if (old / MANIFEST).is_file():
            shutil.copy2(old / MANIFEST, folder / MANIFEST)
        path = folder / DATABASE
        with (
            explain_sqlite_errors(path),
            closing(create_database(path)) as connection,
            VectorCache(request.db / "embeddings.db", embedder.identity) as cache,
        ):
            matched = matching_chunks(connection, request)
            changed, pdcas = set_marks(connection, matched, request.batch, date)
            url = server_of(connection, request)
            try:
                with closing(open_client(folder / CHROMA, url)) as client:
                    sync_store(client, connection, cache)
            except Web4Error:
                if url:
                    restore_server(url, old, cache)
                raise
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    duration_s = time.monotonic() - began
    return MarkReport(len(matched), changed, pdcas, request.batch, date, duration_s)


def copy_database(source: Path, target: Path) -> None:
    """Copy a database, what stands in its log included."""
    with closing(read_database(source)) as reader, closing(sqlite3.connect(target)) as writer:
        reader.backup(writer)


def server_of(connection: sqlite3.Connection, request: MarkRequest) -> str:
    """The Chroma server of a store; empty for none."""
    return read_fact(connection, "chroma_url") if request.chroma_url is None else request.chroma_url


def restore_server(url: str, old: Path, cache: VectorCache) -> None:
    """Bring a server back to what the old generation says."""
    with closing(read_database(old / DATABASE)) as connection, closing(open_client(None, url)) as client:
        sync_store(client, connection, cache)


def matching_chunks(connection: sqlite3.Connection, request: MarkRequest) -> list[tuple[str, str, str]]:
    """Id, collection and path of the chunks that are meant."""
    rows = connection.execute("SELECT id, collection, path, metadata FROM chunks ORDER BY collection, path")
    wanted = set(request.paths) if request.paths is not None else None
    found = []
    for identity, collection, path, text in rows:
        if collection not in request.collections or (wanted is not None and path not in wanted):
            continue
        metadata: dict[str, Any] = json.loads(text)
        if all(metadata.get(key) == value for key, value in (request.where or {}).items()):
            found.append((identity, collection, path))
    return found


def set_marks(
    connection: sqlite3.Connection, chunks: Sequence[tuple[str, str, str]], batch: str, date: str
) -> tuple[int, int]:
    """Mark chunks and the PDCAs they belong to; returns changed chunks and PDCAs that carry the marks."""
    marks = (int(bool(batch)), batch, date)
    pdcas = sorted({path for _, collection, path in chunks if collection == PDCA})
    setting = (
        "SET trained_in_adapter = ?, training_batch = ?, training_date = ? WHERE id = ?"
        " AND (trained_in_adapter, training_batch, training_date) IS NOT (?, ?, ?)"
    )
    connection.execute("BEGIN")
    with connection:
        changed = connection.executemany(
            f"UPDATE chunks {setting}", [(*marks, identity, *marks) for identity, _, _ in chunks]
        ).rowcount
        connection.executemany(f"UPDATE pdcas {setting}", [(*marks, one, *marks) for one in pdcas])
    return changed, len(pdcas)
