"""`web4mlx rag` as a user meets it, with the real embedder and the real ChromaDB on a small store."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.rag_command import run
from tests.rag_sources import START, VERSION, write_files, write_tools
from tests.unit.test_rag_markers import trained_run
from web4mlx.artifacts import new_manifest, read_manifest, write_manifest
from web4mlx.errors import CheckFailed, MissingPrerequisite, UsageError
from web4mlx.rag import check_time
from web4mlx.rag.findings import CheckReport


@pytest.fixture(autouse=True)
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Queries are timed by a clock that stands, so a busy machine breaks no budget."""
    monkeypatch.setattr(check_time, "time", SimpleNamespace(perf_counter=lambda: 0.0))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small source, tools and a built store."""
    folder = tmp_path_factory.mktemp("rag")
    write_files(folder / "repo")
    write_tools(folder / "tools")
    report = json.loads(
        run(
            "build",
            str(folder / "repo"),
            "--tools",
            str(folder / "tools"),
            "--db",
            str(folder / "db"),
            "--json",
        )
    )
    assert report["counts"]["pdca_historical"]["documents"] == 3
    return folder


def test_the_same_source_again_costs_no_embedding(place: Path) -> None:
    out = run("build", str(place / "repo"), "--tools", str(place / "tools"), "--db", str(place / "db"))
    assert "0 chunks embedded; 0 added, 0 removed, 0 updated" in out
    assert "2 files" in out


def test_a_question_in_other_words_finds_the_document(place: Path) -> None:
    hits = json.loads(run("query", "clash between releases of packages", "--db", str(place / "db"), "--json"))
    assert hits[0]["metadata"]["pdca_id"] == VERSION
    text = run("query", "clash between releases of packages", "--db", str(place / "db"), "--hops", "1")
    assert f"{VERSION} § " in text
    assert f"precedes {VERSION} (1 link)" in text


def test_a_whole_store_is_checked(place: Path) -> None:
    report = json.loads(run("check", "--db", str(place / "db"), "--expect", "none", "--fresh", "--json"))
    assert {one["name"]: one["verdict"] for one in report["findings"]} == {
        "tables": "passed",
        "collections": "passed",
        "metadata": "passed",
        "markers": "passed",
        "tiers agree": "passed",
        "marking": "passed",
        "known items": "passed",
        "index": "passed",
        "graph": "passed",
        "timeline": "passed",
        "hybrid": "passed",
    }
    assert [one["kind"] for one in report["latencies"]] == ["semantic", "graph", "temporal", "hybrid"]


def test_counts_that_are_not_expected_fail_the_check(place: Path) -> None:
    with pytest.raises(CheckFailed, match="counts"):
        run("check", "--db", str(place / "db"), "--expect", "demo")
    with pytest.raises(UsageError, match="--expect nothing"):
        run("check", "--db", str(place / "db"), "--expect", "nothing")


def test_a_kept_report_is_no_longer_the_pipelines(place: Path, tmp_path: Path) -> None:
    record = tmp_path / "rag_check.json"
    record.write_text("{}")
    write_manifest(record, new_manifest("rag check"))
    with pytest.raises(CheckFailed, match="counts"):
        run("check", "--db", str(place / "db"), "--expect", "demo", "--record", str(record))
    kept = CheckReport.model_validate_json(record.read_bytes())
    assert not kept.passed
    assert read_manifest(record) is None


def test_marks_come_from_options_and_from_a_training(place: Path, tmp_path: Path) -> None:
    run_folder = trained_run(tmp_path, [{"pdca_id": START}])
    out = run("mark", "--from-training", str(run_folder), "--db", str(place / "db"))
    assert "1 PDCAs marked as web4_lora_20250101_000000" in out
    with pytest.raises(CheckFailed, match="markers"):
        run("check", "--db", str(place / "db"), "--expect", "none", "--fresh")
    assert "5 changed" in run("mark", "--unmark", "--db", str(place / "db"))
    with pytest.raises(UsageError, match="no --batch"):
        run("mark", "--db", str(place / "db"))


def test_a_store_that_others_made_is_checked_and_asked_but_not_marked(place: Path, tmp_path: Path) -> None:
    import shutil
    import sqlite3

    name = (place / "db" / "CURRENT").read_text().strip()
    foreign = tmp_path / "foreign"
    shutil.copytree(place / "db" / name, foreign)
    with sqlite3.connect(foreign / "pdca_timeline.db") as connection:
        for table in ("chunks", "store", "pdca_texts", "source_files", "dangling_links", "failures"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("PRAGMA user_version = 0")
    connection.close()
    assert json.loads(run("query", "unicorns", "--db", str(foreign), "--json"))
    report = json.loads(run("check", "--db", str(foreign), "--expect", "none", "--json"))
    assert all(one["verdict"] == "passed" for one in report["findings"])
    with pytest.raises(UsageError, match="not made by `web4mlx rag build`"):
        run("mark", "--batch", "b", "--db", str(foreign))


def test_dry_runs_and_missing_things(place: Path, in_tmp: Path) -> None:
    counts = json.loads(run("build", str(place / "repo"), "--dry-run", "--json"))
    assert counts["components"] == {"documents": 1, "chunks": 1}
    assert "1157  pdcas" in run("sample", "--scale", "full", "--dry-run")
    with pytest.raises(MissingPrerequisite, match="no RAG store"):
        run("query", "x")
    assert not list(in_tmp.iterdir())
    bad = in_tmp / "rag.toml"
    bad.write_text("[source]\npdcas = []\n[check]\nsamples = 0\n")
    with pytest.raises(UsageError, match="did you mean 'pdca'") as caught:
        run("query", "x", "--config", str(bad))
    assert "check.samples = 0" in str(caught.value)
