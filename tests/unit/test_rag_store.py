"""A store is built as a whole, brought up to date by its difference, and refuses what does not fit."""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.rag_sources import (
    BUS,
    FILES,
    OLD,
    RULES,
    START,
    VERSION,
    WordEmbedder,
    build,
    write_files,
    write_tools,
)
from web4mlx.errors import MissingPrerequisite, StageCrashed, UsageError
from web4mlx.events import EventLog
from web4mlx.rag import sync, unchanged
from web4mlx.rag.build import BuildRequest, build_store
from web4mlx.rag.chroma_file import KNOWN_MIGRATIONS
from web4mlx.rag.folder import current_generation
from web4mlx.rag.retrieve import Query, Retriever
from web4mlx.rag.store import open_store
from web4mlx.rag.sync import Difference
from web4mlx.rag.vectors import add_records


def ids(db: Path) -> set[str]:
    """All ids in ChromaDB."""
    with open_store(db, WordEmbedder()) as store:
        return {one for collection in store.collections.values() for one in collection.get(include=[])["ids"]}


def test_a_second_build_embeds_and_changes_nothing(tmp_path: Path) -> None:
    source, db = write_files(tmp_path / "repo"), tmp_path / "db"
    first, second = build(source, db), build(source, db)
    assert first.embedded == first.difference.added > 30
    assert second.embedded == 0
    assert second.difference == Difference(unchanged=first.difference.added)


def test_a_source_that_has_not_changed_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unchanged, "SETTLED_S", 0.0)
    source, db = write_files(tmp_path / "repo", {**FILES, "pdca/empty.md": " "}), tmp_path / "db"
    first = build(source, db, tools=write_tools(tmp_path / "tools"))
    again = build(source, db, tools=tmp_path / "tools")
    assert again.unchanged
    assert again.generation == first.generation
    assert (again.counts, again.rules, again.failures) == (first.counts, first.rules, first.failures)
    assert again.difference == Difference(unchanged=first.difference.added)
    assert not build(source, db).unchanged
    assert build(source, db).unchanged
    assert not build(source, db, WordEmbedder("other")).unchanged


def test_a_change_that_keeps_size_and_time_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unchanged, "SETTLED_S", 0.0)
    source, db = write_files(tmp_path / "repo"), tmp_path / "db"
    build(source, db)
    before = (source / START).stat()
    write_files(source, {START: OLD.replace("unicorn", "narwhal")})
    os.utime(source / START, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (source / START).stat().st_size == before.st_size
    assert build(source, db).embedded > 0
    (source / "docs/release.md").unlink()
    assert build(source, db).difference.removed > 0


def test_files_written_just_now_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unchanged, "SETTLED_S", 3600.0)
    source, db = write_files(tmp_path / "repo"), tmp_path / "db"
    build(source, db)
    assert not build(source, db).unchanged


def test_an_unchanged_source_repairs_a_store_that_is_not_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unchanged, "SETTLED_S", 0.0)
    source, db = write_files(tmp_path / "repo"), tmp_path / "db"
    first = build(source, db)
    shutil.rmtree(first.generation / "chroma_db")
    report = build(source, db)
    assert not report.unchanged
    assert (report.embedded, report.difference.added) == (0, first.difference.added)


def test_an_index_that_finds_nothing_is_not_switched_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgetful(collection: Any, ids: Any, vectors: Any, texts: Any, metadata: Any) -> None:
        add_records(collection, ids, -vectors, texts, metadata)

    source, db = write_files(tmp_path / "repo"), tmp_path / "db"
    before = build(source, db).generation
    write_files(source, {"pdca/new.md": OLD.replace("unicorn", "walrus")})
    monkeypatch.setattr(sync, "add_records", forgetful)
    with pytest.raises(StageCrashed, match="records are not found by their own vectors"):
        build(source, db, WordEmbedder("other"))
    assert current_generation(db) == before


def test_changed_files_cost_their_chunks_and_removed_ones_disappear(tmp_path: Path) -> None:
    source, db = write_files(tmp_path / "repo"), tmp_path / "db"
    build(source, db)
    (source / "docs/release.md").unlink()
    write_files(source, {START: OLD.replace("Manuals help.", "Manuals help a lot.")})
    report = build(source, db)
    assert report.embedded == 1
    assert report.difference.added == 1
    assert report.difference.removed == 3
    with open_store(db, WordEmbedder()) as store:
        assert store.collections["process_docs"].count() == 0
        hits = Retriever(store).retrieve(Query("manuals help a lot", limit=1))
    assert "Manuals help a lot." in hits[0].text


def test_chroma_is_rebuilt_from_the_database_without_embedding(tmp_path: Path) -> None:
    source, db = write_files(tmp_path / "repo"), tmp_path / "db"
    build(source, db)
    before = ids(db)
    generation = current_generation(db)
    assert generation is not None
    for file in (generation / "chroma_db").rglob("*"):
        if file.is_file():
            file.write_bytes(b"damaged")
    with pytest.raises(StageCrashed, match="damaged"):
        ids(db)
    with pytest.raises(StageCrashed, match="damaged"):
        build(source, db)
    embedder = WordEmbedder()
    build_store(BuildRequest(source, db, rebuild=True), RULES, embedder, EventLog(None, "test", "rag"))
    assert embedder.encoded == 0
    assert ids(db) == before


def test_a_killed_embedding_goes_on_where_it_was(tmp_path: Path) -> None:
    class Dies(WordEmbedder):
        def encode(self, texts, progress=None):  # type: ignore[no-untyped-def]
            raise KeyboardInterrupt

    source, db = write_files(tmp_path / "repo"), tmp_path / "db"
    build(source, db)
    write_files(source, {"pdca/new.md": OLD.replace("unicorn", "walrus")})
    before = current_generation(db)
    with pytest.raises(KeyboardInterrupt):
        build(source, db, Dies())
    assert current_generation(db) == before
    assert build(source, db).embedded > 0


def test_the_empty_and_the_one_document_store_can_be_asked(tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    build(tmp_path / "repo", tmp_path / "db")
    with open_store(tmp_path / "db", WordEmbedder()) as store:
        assert Retriever(store).retrieve(Query("unicorn", collections=["pdca_historical"], hops=3)) == []
    write_files(tmp_path / "repo", {START: OLD})
    build(tmp_path / "repo", tmp_path / "db")
    with open_store(tmp_path / "db", WordEmbedder()) as store:
        hits = Retriever(store).retrieve(Query("unicorn importer", collections=["pdca_historical"], hops=3))
    assert hits[0].metadata["pdca_id"] == START


def test_a_store_of_another_embedder_is_refused(tmp_path: Path) -> None:
    build(write_files(tmp_path / "repo"), tmp_path / "db")
    with (
        open_store(tmp_path / "db", WordEmbedder("other")) as store,
        pytest.raises(UsageError, match="another embedder: embedder words instead of other"),
    ):
        Retriever(store).retrieve(Query("unicorn"))


def test_another_embedder_makes_all_vectors_anew(tmp_path: Path) -> None:
    source, db = write_files(tmp_path / "repo"), tmp_path / "db"
    first = build(source, db)
    second = build(source, db, WordEmbedder("other"))
    assert second.embedded == second.difference.added == first.embedded


def test_vectors_of_another_size_are_named(tmp_path: Path) -> None:
    import chromadb

    build(write_files(tmp_path / "repo"), tmp_path / "db")
    foreign = tmp_path / "foreign"
    generation = current_generation(tmp_path / "db")
    assert generation is not None
    foreign.mkdir()
    (foreign / "pdca_timeline.db").write_bytes((generation / "pdca_timeline.db").read_bytes())
    with closing(chromadb.PersistentClient(str(foreign / "chroma_db"))) as client:
        one = client.create_collection("pdca_historical", embedding_function=None)
        one.add(ids=["a"], embeddings=[[1.0, 0.0]], documents=["x"], metadatas=[{"pdca_id": START}])
    with (
        open_store(foreign, WordEmbedder()) as store,
        pytest.raises(UsageError, match="vectors of another size"),
    ):
        Retriever(store).retrieve(Query("unicorn"))


def test_missing_parts_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingPrerequisite, match="no RAG store"):
        open_store(tmp_path / "db", WordEmbedder())
    build(write_files(tmp_path / "repo"), tmp_path / "db")
    generation = current_generation(tmp_path / "db")
    assert generation is not None
    (generation / "chroma_db").rename(tmp_path / "elsewhere")
    with (
        open_store(tmp_path / "db", WordEmbedder()) as store,
        pytest.raises(MissingPrerequisite, match="chroma_db"),
    ):
        Retriever(store).retrieve(Query("unicorn"))
    (generation / "pdca_timeline.db").unlink()
    with pytest.raises(MissingPrerequisite, match="timeline and graph are missing"):
        open_store(tmp_path / "db", WordEmbedder())


def test_damaged_and_newer_databases_are_named(tmp_path: Path) -> None:
    build(write_files(tmp_path / "repo"), tmp_path / "db")
    generation = current_generation(tmp_path / "db")
    assert generation is not None
    timeline = generation / "pdca_timeline.db"
    with closing(sqlite3.connect(timeline)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(UsageError, match="schema version 99"):
        open_store(tmp_path / "db", WordEmbedder())
    timeline.write_bytes(b"not a database, but long enough to be taken for one" * 50)
    with pytest.raises(StageCrashed, match="damaged"):
        open_store(tmp_path / "db", WordEmbedder())


def test_a_store_of_a_newer_chroma_is_named(tmp_path: Path) -> None:
    build(write_files(tmp_path / "repo"), tmp_path / "db")
    generation = current_generation(tmp_path / "db")
    assert generation is not None
    with closing(sqlite3.connect(generation / "chroma_db" / "chroma.sqlite3")) as connection:
        found = dict(connection.execute("SELECT dir, max(version) FROM migrations GROUP BY dir").fetchall())
        assert found == KNOWN_MIGRATIONS, "the pinned Chroma has other migrations: correct KNOWN_MIGRATIONS"
        connection.execute("INSERT INTO migrations VALUES ('sysdb', 99, '00099-new.sqlite.sql', '', '')")
        connection.commit()
    with (
        open_store(tmp_path / "db", WordEmbedder()) as store,
        pytest.raises(UsageError, match="newer Chroma"),
    ):
        Retriever(store).retrieve(Query("unicorn"))


def test_a_reader_keeps_its_generation_while_a_new_one_is_written(tmp_path: Path) -> None:
    source, db = write_files(tmp_path / "repo"), tmp_path / "db"
    build(source, db)
    with open_store(db, WordEmbedder()) as store:
        (source / VERSION).unlink()
        build(source, db)
        hits = Retriever(store).retrieve(Query("version conflict", collections=["pdca_historical"]))
        assert VERSION in {hit.metadata["pdca_id"] for hit in hits}
    build(source, db)
    assert len(list(db.glob("generation-*"))) == 2


def test_leftovers_of_killed_writers_are_removed(tmp_path: Path) -> None:
    source, db = write_files(tmp_path / "repo"), tmp_path / "db"
    build(source, db)
    (db / ".writing-999999999").mkdir()
    (db / f".writing-{os.getpid()}").mkdir()
    build(source, db)
    assert not list(db.glob(".writing-*"))


def test_links_and_scores_stand_in_the_published_tables(tmp_path: Path) -> None:
    build(write_files(tmp_path / "repo"), tmp_path / "db", tools=write_tools(tmp_path / "tools"))
    with open_store(tmp_path / "db", WordEmbedder()) as store:
        rows = store.connection.execute(
            "SELECT from_pdca_id, to_pdca_id, relationship_type FROM pdca_relationships"
        )
        assert set(rows) == {(START, VERSION, "PRECEDES"), (VERSION, BUS, "PRECEDES")}
        score = dict(store.connection.execute("SELECT id, quality_score FROM pdcas").fetchall())
    assert score == {START: 70, VERSION: 80, BUS: 70}
    assert set(FILES) >= set(score)
