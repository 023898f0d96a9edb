"""`web4mlx rag` as a user meets it, with the real embedder and the real ChromaDB on a small store."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tests.rag_sources import OLD, RULES, START, VERSION, WordEmbedder, write_files, write_tools
from tests.unit.test_rag_markers import trained_run
from web4mlx.cli.rag import register
from web4mlx.errors import CheckFailed, MissingPrerequisite, UsageError
from web4mlx.events import EventLog
from web4mlx.rag.build import BuildRequest, build_store
from web4mlx.rag.documents import COLLECTIONS
from web4mlx.rag.on_server import FACT, next_end
from web4mlx.rag.retrieve import Query, Retriever
from web4mlx.rag.store import open_store
from web4mlx.rag.vectors import open_client

LOG = EventLog(None, "test", "rag")


def run(*arguments: str) -> str:
    """The command's stdout; errors for the user are raised as they reach the program's edge."""
    app = typer.Typer()
    register(app)
    result = CliRunner().invoke(app, ["rag", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


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


SLOW_BUILD = """
import sys
from pathlib import Path
from tests.rag_sources import WordEmbedder, build
class Slow(WordEmbedder):
    def encode(self, texts, progress=None):
        print("encoding", flush=True)
        sys.stdin.readline()
        return super().encode(texts, progress)
build(Path(sys.argv[1]), Path(sys.argv[2]), Slow())
"""
SLOW_WRITE = """
import sys
from pathlib import Path
from tests.rag_sources import WordEmbedder, build
from web4mlx.rag import sync
add = sync.add_records
def slowly(*arguments):
    add(*arguments)
    print("encoding", flush=True)
    sys.stdin.readline()
sync.add_records = slowly
build(Path(sys.argv[1]), Path(sys.argv[2]), WordEmbedder("other"))
"""


def start_slow_build(source: Path, db: Path, program: str = SLOW_BUILD) -> subprocess.Popen[str]:
    """A writer that holds the store's lock while it works, until it is sent a line; returns when it does."""
    command = [sys.executable, "-c", program, str(source), str(db)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "encoding\n"
    return process


@pytest.mark.parametrize("program", [SLOW_BUILD, SLOW_WRITE], ids=["embedding", "writing"])
def test_killed_builds_leave_the_old_store_serving_and_second_writers_are_told(
    place: Path, tmp_path: Path, program: str
) -> None:
    source, db = write_files(tmp_path / "repo"), str(tmp_path / "db")
    run("build", str(source), "--db", db)
    write_files(source, {"pdca/new.md": OLD.replace("unicorn", "walrus")})
    writer = start_slow_build(source, tmp_path / "db", program)
    with pytest.raises(MissingPrerequisite, match="another process is still writing"):
        run("build", str(source), "--db", db, "--wait", "0.2")
    assert "walrus" not in run("query", "walrus importer", "--db", db)
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    assert START in run("query", "unicorn importer", "--db", db)
    run("build", str(source), "--db", db)
    assert "walrus" in run("query", "walrus importer", "--db", db)


def test_a_second_writer_waits_for_the_first_and_both_are_served(place: Path, tmp_path: Path) -> None:
    source, db = write_files(tmp_path / "repo"), tmp_path / "db"
    first = start_slow_build(source, db)
    write_files(source, {"pdca/new.md": OLD.replace("unicorn", "walrus")})
    command = [sys.executable, "-m", "web4mlx", "rag", "build", str(source), "--db", str(db)]
    second = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert second.stderr is not None
    assert any("another process is writing" in line for line in second.stderr)
    assert second.poll() is None
    assert not (db / "CURRENT").exists()
    first.communicate("go on\n")
    assert first.returncode == 0
    out, _ = second.communicate()
    assert second.returncode == 0, out
    assert "walrus" in run("query", "walrus importer", "--db", str(db))
    assert len(list(db.glob("generation-*"))) == 2


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A Chroma server on loopback."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = str(Path(sys.executable).parent / "chroma")
    command = [program, "run", "--path", str(tmp_path / "served"), "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait()


def test_a_chroma_server_stands_in_for_the_stores_own(place: Path, tmp_path: Path, server: str) -> None:
    db = str(tmp_path / "db")
    run("build", str(place / "repo"), "--db", db, "--chroma-url", server)
    assert not list((tmp_path / "db").glob("generation-*/chroma_db"))
    assert VERSION in run("query", "version conflict", "--db", db)
    assert "marked as b1" in run("mark", "--batch", "b1", "--where", f"pdca_id={START}", "--db", db)
    assert START not in run(
        "query", "unicorn importer", "--db", db, "--untrained", "--collection", "pdca_historical"
    )
    report = json.loads(run("check", "--db", db, "--expect", "none", "--json"))
    assert all(one["verdict"] == "passed" for one in report["findings"])


def collections_at(url: str) -> set[str]:
    """The names of all collections of a server."""
    with closing(open_client(None, url)) as client:
        return {str(one.name) for one in client.list_collections()}


def test_a_build_on_a_server_is_switched_over_as_a_whole(place: Path, tmp_path: Path, server: str) -> None:
    source, other = write_files(tmp_path / "repo"), write_files(tmp_path / "other", {"pdca/only.md": OLD})
    db = tmp_path / "db"

    def write() -> None:
        build_store(BuildRequest(source, db, chroma_url=server), RULES, WordEmbedder(), LOG)

    build_store(BuildRequest(other, tmp_path / "db2", chroma_url=server), RULES, WordEmbedder(), LOG)
    others = collections_at(server)
    write()
    with open_store(db, WordEmbedder()) as reader:
        before = reader.collections["pdca_historical"].get(include=[])["ids"]
        write_files(source, {"pdca/new.md": OLD.replace("unicorn", "walrus")})
        write()
        assert reader.collections["pdca_historical"].get(include=[])["ids"] == before
    with open_store(db, WordEmbedder()) as reader:
        assert reader.collections["pdca_historical"].count() > len(before)
        end = reader.fact(FACT)
    assert len(collections_at(server) - others) == 2 * len(COLLECTIONS)
    with closing(open_client(None, server)) as client:
        client.create_collection("pdca_historical" + next_end(end))  # as a killed build leaves it
    (source / "pdca/new.md").unlink()
    write()
    assert len(collections_at(server) - others) == 2 * len(COLLECTIONS)
    assert others <= collections_at(server)
    with open_store(tmp_path / "db2", WordEmbedder()) as reader:
        assert Retriever(reader).retrieve(Query("unicorn importer", limit=1))[0].text


def test_a_server_that_is_not_there_is_named(place: Path) -> None:
    with pytest.raises(MissingPrerequisite, match="server cannot be reached"):
        run("query", "x", "--db", str(place / "db"), "--chroma-url", "http://127.0.0.1:9")
    with pytest.raises(UsageError, match="not a URL of a server"):
        run("query", "x", "--db", str(place / "db"), "--chroma-url", "localhost:8000")
