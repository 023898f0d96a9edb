"""Markers are set in both databases together, as often as one likes, and outlive what does not change."""

import json
from pathlib import Path

import pytest

from tests.rag_sources import (
    BUS,
    FILES,
    START,
    TEMPLATE,
    VERSION,
    WordEmbedder,
    build,
    write_files,
    write_tools,
)
from web4mlx.artifacts import Input, new_manifest, sha256_file, write_manifest
from web4mlx.errors import CheckFailed, StageCrashed, UsageError
from web4mlx.events import EventLog
from web4mlx.rag import markers
from web4mlx.rag.folder import current_generation
from web4mlx.rag.markers import MarkReport, MarkRequest, mark_store
from web4mlx.rag.retrieve import Query, Retriever
from web4mlx.rag.store import open_store
from web4mlx.rag.training_sources import find_trained_sources

LOG = EventLog(None, "test", "rag")


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """A small store."""
    build(write_files(tmp_path / "repo"), tmp_path / "db", tools=write_tools(tmp_path / "tools"))
    return tmp_path / "db"


def mark(db: Path, **fields: object) -> MarkReport:
    """Mark as batch b1 of a day."""
    request = {"batch": "b1", "date": "2025-01-01", **fields}
    return mark_store(MarkRequest(db, **request), WordEmbedder(), LOG)  # type: ignore[arg-type]


def marked(db: Path) -> tuple[set[str], set[str]]:
    """Ids that are marked in ChromaDB, and PDCAs that are marked in SQLite."""
    with open_store(db, WordEmbedder()) as store:
        found = {
            one
            for collection in store.collections.values()
            for one in collection.get(where={"trained_in_adapter": True}, include=[])["ids"]
        }
        rows = store.connection.execute("SELECT id FROM pdcas WHERE trained_in_adapter").fetchall()
    return found, {row[0] for row in rows}


def test_both_databases_carry_the_marks(db: Path) -> None:
    report = mark(db, where={"pdca_id": START})
    chunks, pdcas = marked(db)
    assert pdcas == {START}
    assert len(chunks) == report.matched == report.changed == 5
    with open_store(db, WordEmbedder()) as store:
        one = store.collections["pdca_historical"].get(ids=[min(chunks)])["metadatas"][0]
    assert (one["training_batch"], one["training_date"]) == ("b1", "2025-01-01")


def test_marking_again_changes_nothing_and_unmarking_takes_everything_back(db: Path) -> None:
    first = mark(db)
    assert mark(db).changed == 0
    assert mark(db, batch="", date="").changed == first.changed
    assert marked(db) == (set(), set())


def test_queries_filter_by_the_marks(db: Path) -> None:
    mark(db, where={"pdca_id": START})
    with open_store(db, WordEmbedder()) as store:
        every = Retriever(store).retrieve(Query("unicorn importer", collections=["pdca_historical"]))
        fresh = Retriever(store).retrieve(
            Query("unicorn importer", collections=["pdca_historical"], untrained=True)
        )
    assert START in {hit.metadata["pdca_id"] for hit in every}
    assert START not in {hit.metadata["pdca_id"] for hit in fresh}


def test_a_failure_half_way_changes_nothing(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = current_generation(db)

    def fails(*_: object) -> None:
        raise StageCrashed("Chroma says no")

    monkeypatch.setattr(markers, "sync_store", fails)
    with pytest.raises(StageCrashed):
        mark(db)
    monkeypatch.undo()
    assert current_generation(db) == before
    assert marked(db) == (set(), set())


def test_marks_outlive_a_build_and_leave_with_changed_text(db: Path, tmp_path: Path) -> None:
    mark(db)
    write_files(tmp_path / "repo", {BUS: TEMPLATE.replace("Verified.", "Verified twice.")})
    build(tmp_path / "repo", db, tools=tmp_path / "tools")
    chunks, pdcas = marked(db)
    assert pdcas == {one for one in FILES if one.endswith(".md") and one not in (BUS, "docs/release.md")}
    with open_store(db, WordEmbedder()) as store:
        found = store.collections["pdca_historical"].get(where={"pdca_id": BUS}, include=["metadatas"])
    fresh = [one["chunk_type"] for one in found["metadatas"] if not one["trained_in_adapter"]]
    assert fresh == ["pdca_check"]
    assert len(chunks) > 20


def test_a_dry_run_and_wrong_requests_change_nothing(db: Path) -> None:
    report = mark_store(MarkRequest(db, "b1", where={"pdca_id": START}), WordEmbedder(), LOG, dry_run=True)
    assert report.matched == 5
    assert marked(db) == (set(), set())
    with pytest.raises(UsageError, match="2025-13-01: not a day"):
        mark(db, date="2025-13-01")
    with pytest.raises(UsageError, match="no collection nothing"):
        mark(db, collections=("nothing",))


def trained_run(folder: Path, rows: list[dict[str, object]]) -> Path:
    """A finished training on these samples' metadata."""
    data, run = folder / "train.jsonl", folder / "web4_lora_20250101_000000"
    data.write_text("".join(json.dumps({"metadata": row}) + "\n" for row in rows))
    run.mkdir()
    inputs = {"data:train.jsonl": Input(path=str(data), sha256=sha256_file(data))}
    write_manifest(run, new_manifest("train", inputs=inputs))
    return run


def test_the_sources_of_a_training_are_found_by_path_and_by_unique_name(db: Path, tmp_path: Path) -> None:
    run = trained_run(
        tmp_path,
        [
            {"pdca_id": START},
            {"pdca_id": "20251028-101500-Ada.Developer"},
            {"source": "docs/release.md", "sample_id": "t1"},
            {"pdca_id": "2025-10-27-UTC-1415-version", "never_train": True},
        ],
    )
    with open_store(db, WordEmbedder()) as store:
        found = find_trained_sources(run, store.connection)
    assert found.paths == ("docs/release.md", START, BUS, "tool_core.jsonl#t1")
    mark(db, paths=found.paths)
    assert marked(db)[1] == {START, BUS}


def test_held_out_samples_and_those_left_out_are_not_marked(db: Path, tmp_path: Path) -> None:
    rows = [{"pdca_id": START, "sample_id": "s1"}, {"pdca_id": BUS, "sample_id": "s2"}]
    run = trained_run(tmp_path, rows)
    chosen, held_out = tmp_path / "chosen.ids", tmp_path / "held_out.jsonl"
    chosen.write_text("s2\n")
    held_out.write_text(json.dumps({"metadata": {"pdca_id": VERSION, "sample_id": "s2"}}) + "\n")
    (run / "config.toml").write_text('[data]\ntrain = ["train.jsonl"]\neval = "held_out.jsonl"\n')
    files = {
        "data:train.jsonl": tmp_path / "train.jsonl",
        "data:held_out.jsonl": held_out,
        "selection": chosen,
    }
    inputs = {name: Input(path=str(file), sha256=sha256_file(file)) for name, file in files.items()}
    write_manifest(run, new_manifest("train", inputs=inputs))
    with open_store(db, WordEmbedder()) as store:
        assert find_trained_sources(run, store.connection).paths == (BUS,)


def test_data_that_changed_since_the_training_is_refused(db: Path, tmp_path: Path) -> None:
    run = trained_run(tmp_path, [{"pdca_id": START}])
    (tmp_path / "train.jsonl").write_text("{}\n")
    with (
        open_store(db, WordEmbedder()) as store,
        pytest.raises(CheckFailed, match="changed since the training"),
    ):
        find_trained_sources(run, store.connection)
