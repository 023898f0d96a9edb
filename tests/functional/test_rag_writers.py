"""Several writers of one store, and those that are killed: the command meets them as processes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rag_command import run
from tests.rag_sources import OLD, START, write_files
from web4mlx.errors import MissingPrerequisite

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
    tmp_path: Path, program: str
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


def test_a_second_writer_waits_for_the_first_and_both_are_served(tmp_path: Path) -> None:
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
