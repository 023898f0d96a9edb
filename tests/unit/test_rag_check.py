"""Each check blocks what it is there for."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import chromadb
import pytest

from tests.rag_sources import OLD, START, WordEmbedder, build, write_files
from web4mlx.errors import CheckFailed, StageCrashed
from web4mlx.events import EventLog
from web4mlx.rag import check_time
from web4mlx.rag.check import check_store, require_passed
from web4mlx.rag.findings import CheckReport, Latency
from web4mlx.rag.folder import current_generation
from web4mlx.rag.settings import CheckSettings, Expectation, RagSettings
from web4mlx.rag.store import open_store

LOG = EventLog(None, "test", "rag")
# Hashed words collide more than a real model's vectors, and a shared machine is slow.
SETTINGS = RagSettings(check=CheckSettings(samples=20, recall_at_5=0.8, queries=3))


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """A small store."""
    many = {f"pdca/2025-01-{day:02d}-x.md": OLD.replace("unicorn", f"animal{day}") for day in range(1, 29)}
    build(write_files(tmp_path / "repo", many), tmp_path / "db")
    return tmp_path / "db"


def generation(db: Path) -> Path:
    """The present generation."""
    found = current_generation(db)
    assert found is not None
    return found


def failed(db: Path, **fields: object) -> list[str]:
    """Names of the findings that failed."""
    with open_store(db, WordEmbedder()) as store:
        report = check_store(store, SETTINGS.model_copy(update=fields), LOG)
    return [one.name for one in report.findings if one.verdict == "failed"]


def test_a_good_store_passes_and_links_are_inconclusive_without_any(db: Path) -> None:
    with open_store(db, WordEmbedder()) as store:
        report = check_store(store, SETTINGS, LOG)
    verdicts = {one.name: one.verdict for one in report.findings}
    assert verdicts.pop("graph") == "inconclusive"
    assert set(verdicts.values()) == {"passed"}


def test_records_that_vanished_from_chroma_are_noticed(db: Path) -> None:
    with closing(chromadb.PersistentClient(str(generation(db) / "chroma_db"))) as client:
        collection = client.get_collection("pdca_historical", embedding_function=None)
        collection.delete(ids=collection.get(limit=3, include=[])["ids"])
    assert failed(db) == ["tiers agree"]


def test_untyped_metadata_and_half_markers_are_noticed(db: Path) -> None:
    with closing(chromadb.PersistentClient(str(generation(db) / "chroma_db"))) as client:
        collection = client.get_collection("pdca_historical", embedding_function=None)
        first, second = collection.get(limit=2, include=[])["ids"]
        collection.update(ids=[first], metadatas=[{"chunk_index": "one"}])
        collection.update(ids=[second], metadatas=[{"training_batch": "b1"}])
    assert failed(db) == ["metadata", "markers"]


def test_a_missing_collection_and_unexpected_counts_are_noticed(db: Path) -> None:
    with closing(chromadb.PersistentClient(str(generation(db) / "chroma_db"))) as client:
        client.delete_collection("process_docs")
    expect = {"team": {"pdca_historical": Expectation(documents=40, tolerance=0.1)}}
    assert failed(db, expect=expect) == ["collections", "counts"]


def test_a_mark_in_one_database_only_is_noticed(db: Path) -> None:
    with closing(sqlite3.connect(generation(db) / "pdca_timeline.db")) as connection:
        connection.execute("UPDATE pdcas SET trained_in_adapter = 1 WHERE date = '2025-01-02'")
        connection.commit()
    assert failed(db) == ["tiers agree"]


def test_missing_columns_and_loose_relationships_are_noticed(db: Path) -> None:
    with closing(sqlite3.connect(generation(db) / "pdca_timeline.db")) as connection:
        connection.execute("ALTER TABLE pdcas DROP COLUMN sprint")
        connection.execute(
            "INSERT INTO pdca_relationships (from_pdca_id, to_pdca_id) VALUES ('nobody', 'gone')"
        )
        connection.commit()
    with open_store(db, WordEmbedder()) as store:
        report = check_store(store, SETTINGS, LOG)
    tables = next(one for one in report.findings if one.name == "tables")
    assert "pdcas has no column sprint" in tables.detail
    assert "1 relationships of documents that do not exist" in tables.detail


def test_an_index_that_lost_its_vectors_is_noticed(db: Path, tmp_path: Path) -> None:
    many = {
        f"docs/{number:04d}.md": f"# Guide {number}\n\nStep{number} and more.\n" for number in range(1200)
    }
    build(write_files(tmp_path / "repo", many), db)
    for folder in (generation(db) / "chroma_db").iterdir():
        if folder.is_dir():
            shutil.rmtree(folder)
    with open_store(db, WordEmbedder()) as store, pytest.raises(StageCrashed, match="damaged"):
        check_store(store, SETTINGS, LOG)


def test_an_index_that_cannot_be_read_is_said_before_it_kills_the_check(db: Path, tmp_path: Path) -> None:
    many = {
        f"docs/{number:04d}.md": f"# Guide {number}\n\nStep{number} and more.\n" for number in range(1200)
    }
    build(write_files(tmp_path / "repo", many), db)
    headers = list((generation(db) / "chroma_db").glob("*/header.bin"))
    assert headers
    for header in headers:
        header.write_bytes(b"\xab" * 100)
    with open_store(db, WordEmbedder()) as store, pytest.raises(StageCrashed, match="damaged"):
        check_store(store, SETTINGS, LOG)


def test_an_empty_store_fails(tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    build(tmp_path / "repo", tmp_path / "db")
    with closing(chromadb.PersistentClient(str(generation(tmp_path / "db") / "chroma_db"))) as client:
        topics = client.get_collection("process_framework", embedding_function=None)
        topics.delete(ids=topics.get(include=[])["ids"])
    assert {"tiers agree", "known items"} <= set(failed(tmp_path / "db"))


def test_a_slow_kind_of_query_fails_the_report() -> None:
    row = Latency(kind="graph", queries=9, median_ms=1, p95_ms=11, budget_ms=10, target_ms=2)
    report = CheckReport(store="s", expected="none", findings=(), latencies=(row,))
    with pytest.raises(CheckFailed, match="graph queries too slow"):
        require_passed(report)
    fast = row.model_copy(update={"p95_ms": 9.0})
    require_passed(report.model_copy(update={"latencies": (fast,)}))
    assert not fast.is_on_target
    assert json.loads(report.model_dump_json())["latencies"][0]["kind"] == "graph"


@pytest.mark.parametrize(("slow_queries", "is_in_budget"), [(0, True), (8, True), (16, False)])
def test_one_bad_moment_of_the_machine_is_not_the_stores(
    db: Path, monkeypatch: pytest.MonkeyPatch, slow_queries: int, is_in_budget: bool
) -> None:
    clock, asked = [0.0], [0]

    def ask(*_: object) -> None:
        asked[0] += 1
        clock[0] += 1.0 if asked[0] <= slow_queries else 0.001

    monkeypatch.setattr(check_time.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(check_time, "pdcas_between", ask)
    with open_store(db, WordEmbedder()) as store:
        rows = {row.kind: row for row in check_time.measure(store, CheckSettings(queries=5))}
    assert rows["temporal"].is_in_budget == is_in_budget


def test_a_document_that_is_alone_is_found_by_its_day(tmp_path: Path) -> None:
    build(write_files(tmp_path / "repo", {START: OLD}), tmp_path / "db")
    assert failed(tmp_path / "db") == []
