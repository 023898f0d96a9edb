"""Collections on a real Chroma server instead of the store's own ChromaDB."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.rag_command import run
from tests.rag_sources import OLD, RULES, START, VERSION, WordEmbedder, write_files
from web4mlx.errors import MissingPrerequisite, UsageError
from web4mlx.events import EventLog
from web4mlx.rag.build import BuildRequest, build_store
from web4mlx.rag.documents import COLLECTIONS
from web4mlx.rag.on_server import FACT, next_end
from web4mlx.rag.retrieve import Query, Retriever
from web4mlx.rag.store import open_store
from web4mlx.rag.vectors import open_client

LOG = EventLog(None, "test", "rag")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A Chroma server on loopback."""
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


def test_a_chroma_server_stands_in_for_the_stores_own(tmp_path: Path, server: str) -> None:
    db = str(tmp_path / "db")
    run("build", str(write_files(tmp_path / "repo")), "--db", db, "--chroma-url", server)
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


def test_a_build_on_a_server_is_switched_over_as_a_whole(tmp_path: Path, server: str) -> None:
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


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    db = str(tmp_path / "db")
    run("build", str(write_files(tmp_path / "repo")), "--db", db)
    with pytest.raises(MissingPrerequisite, match="server cannot be reached"):
        run("query", "x", "--db", db, "--chroma-url", "http://127.0.0.1:9")
    with pytest.raises(UsageError, match="not a URL of a server"):
        run("query", "x", "--db", db, "--chroma-url", "localhost:8000")
