"""Fills a store from a source: read, embed what is new, write both databases, verify, then switch over."""

import time
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from web4mlx.artifacts import write_manifest
from web4mlx.errors import StageCrashed
from web4mlx.events import EventLog, Finished, Metric, Progress, Started
from web4mlx.rag.build_report import BuildReport, describe_build, store_manifest
from web4mlx.rag.collect import collect
from web4mlx.rag.documents import Corpus
from web4mlx.rag.embedder import Embedder, Report
from web4mlx.rag.folder import CHROMA, current_generation, new_generation, only_writer, require_generation
from web4mlx.rag.on_server import FACT, next_end, read_end, remove_others
from web4mlx.rag.sample_mark import read_sample_scale
from web4mlx.rag.schema import DATABASE, create_database, explain_sqlite_errors, read_database
from web4mlx.rag.settings import SourceRules
from web4mlx.rag.sync import sync_store
from web4mlx.rag.timeline import copy_marks, write_corpus, write_facts
from web4mlx.rag.unchanged import find_unchanged, kept_facts, source_state
from web4mlx.rag.vector_cache import VectorCache
from web4mlx.rag.vectors import open_client

CACHE = "embeddings.db"
WAIT_S = 600.0


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What is to be built.

    Args:
        source: The repository.
        db: The store's folder.
        tools: Folder of tool examples; None for none.
        chroma_url: A Chroma server instead of the folder's own ChromaDB.
        rebuild: Whether ChromaDB is written anew instead of brought up to date.
        wait_s: How long to wait for another writer.
    """

    source: Path
    db: Path
    tools: Path | None = None
    chroma_url: str = ""
    rebuild: bool = False
    wait_s: float = WAIT_S


def build_store(request: BuildRequest, rules: SourceRules, embedder: Embedder, log: EventLog) -> BuildReport:
    """Build a store, or bring it up to date.

    Unchanged text costs no embedding; what left the source leaves the store; markers of unchanged text stay.
    A source in which nothing has changed is not read, unless a rebuild is asked for.

    Raises:
        MissingPrerequisite: The source or the embedder is missing, or another writer is not done in time.
        StageCrashed: The new store does not hold what was written; the old one goes on serving.
    """
    began = time.monotonic()
    log.write(Started, plan={"source": str(request.source), "store": str(request.db)})
    with only_writer(request.db, log, request.wait_s):
        state = source_state(request.source, request.tools, rules, embedder.identity, request.chroma_url)
        if not request.rebuild:
            old = current_generation(request.db)
            same = find_unchanged(old, state, embedder.identity, request.chroma_url)
            if same is not None:
                log.write(Finished, duration_s=time.monotonic() - began, artifact=str(same.generation))
                return replace(same, duration_s=time.monotonic() - began)
        corpus = collect(request.source, request.tools, rules, embedder, reporter(log, "reading", "files"))
        timings = {"reading": time.monotonic() - began}
        with VectorCache(request.db / CACHE, embedder.identity) as cache:
            started = time.monotonic()
            texts = [chunk.text for chunk in corpus.chunks]
            embedded = cache.fill(texts, embedder, reporter(log, "embedding", "chunks"))
            timings["embedding"] = time.monotonic() - started
            report = write_generation(request, corpus, cache, embedded, timings, state)
            cache.keep_only(texts)
    log.write(Metric, name="embedded", value=embedded, unit=f"of {len(texts)} chunks")
    log.write(Finished, duration_s=time.monotonic() - began, artifact=str(report.generation))
    return report


def write_generation(
    request: BuildRequest,
    corpus: Corpus,
    cache: VectorCache,
    embedded: int,
    timings: dict[str, float],
    state: str,
) -> BuildReport:
    """Write both databases into a new generation, verify them, and switch over."""
    started = time.monotonic()
    old = current_generation(request.db)
    keeps_chroma = not request.rebuild and not request.chroma_url and is_ours(old)
    with new_generation(request.db, start_from_current=keeps_chroma) as folder:
        path = folder / DATABASE
        with explain_sqlite_errors(path), closing(create_database(path)) as connection:
            old_end = end_of(old) if request.chroma_url else ""
            end = next_end(old_end) if request.chroma_url else ""
            write_corpus(connection, corpus, store_facts(request, cache) | {FACT: end})
            marked = copy_old_marks(connection, old)
            with closing(open_client(folder / CHROMA, request.chroma_url)) as client:
                if end:
                    remove_others(client, end, keep=(old_end,))
                difference = sync_store(client, connection, cache)
            timings["writing"] = time.monotonic() - started
            report = describe_build(request.db, corpus, embedded, marked, difference, timings)
            write_facts(connection, kept_facts(state, report))
            verify_database(connection, path)
        model = cache.identity.model
        write_manifest(folder, store_manifest(request.source, request.tools, model, report))
    return replace(report, generation=require_generation(request.db))


def store_facts(request: BuildRequest, cache: VectorCache) -> dict[str, str]:
    """What the database records about the store as a whole."""
    facts = {key: str(value) for key, value in cache.identity.as_metadata().items()}
    return facts | {"chroma_url": request.chroma_url, "sample_scale": read_sample_scale(request.source)}


def reporter(log: EventLog, message: str, unit: str) -> Report:
    """Turns counts into progress events with the time that is left."""
    began = time.monotonic()

    def report(done: int, total: int) -> None:
        eta_s = (time.monotonic() - began) * (total - done) / done if done and total else None
        log.write(Progress, done=done, total=total, unit=unit, message=message, eta_s=eta_s)

    return report


def is_ours(old: Path | None) -> bool:
    """Whether a generation holds a database of ours beside its ChromaDB, so that its ids are known."""
    if old is None or not (old / DATABASE).is_file():
        return False
    try:
        with closing(read_database(old / DATABASE)) as connection:
            return bool(connection.execute("PRAGMA user_version").fetchone()[0])
    except StageCrashed:
        return False


def end_of(old: Path | None) -> str:
    """What the names of the previous generation's collections on a server end with; empty for none."""
    if not is_ours(old) or old is None:
        return ""
    with closing(read_database(old / DATABASE)) as connection:
        return read_end(connection)


def copy_old_marks(connection: Any, old: Path | None) -> int:
    """Carry markers over from the previous generation, if it can be read."""
    if not is_ours(old) or old is None:
        return 0
    with closing(read_database(old / DATABASE)) as previous:
        return copy_marks(connection, previous)


def verify_database(connection: Any, path: Path) -> None:
    """Check the database's pages and references, and move everything from its log into it.

    Raises:
        StageCrashed: Something is wrong.
    """
    verdict = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    broken = connection.execute("PRAGMA foreign_key_check").fetchall()
    if verdict != "ok" or broken:
        raise StageCrashed(f"{path}: not written as it should be: {verdict}, {len(broken)} broken references")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
