"""With the network switched off nothing tries to connect, compiled code included: the kernel counts."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.rag_sources import VERSION, write_files

ALONE = ["unshare", "--map-root-user", "--net"]  # a network of its own that leads nowhere
SENT = """
def sent():
    lines = [line.split() for line in open("/proc/net/snmp") if line.startswith("Ip:")]
    counts = dict(zip(*lines))
    return int(counts["OutNoRoutes"]) + int(counts["OutRequests"])
"""
TRY = """
import socket
try:
    socket.socket().connect(("192.0.2.1", 80))
except OSError:
    print("tried:", sent())
"""
WORK = """
import os, sys
from typer.testing import CliRunner
import typer
from web4mlx.cli.rag import register
os.environ.pop("HF_HUB_OFFLINE", None)
app = typer.Typer()
register(app)
for words in (
    ["build", sys.argv[1], "--db", sys.argv[2]],
    ["query", "version conflicts", "--db", sys.argv[2], "--hops", "1"],
    ["mark", "--batch", "b1", "--db", sys.argv[2]],
    ["check", "--db", sys.argv[2], "--expect", "none"],
):
    print(CliRunner().invoke(app, ["rag", *words], catch_exceptions=False).output)
print("tried:", sent())
"""


def run_alone(program: str, *arguments: str) -> str:
    """The output of a program that no network can be reached from."""
    command = [*ALONE, sys.executable, "-c", SENT + program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(autouse=True)
def _needs_own_network() -> None:
    try:
        subprocess.run([*ALONE, "true"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("NOT TESTED HERE: this system gives no process a network of its own")


def test_whoever_tries_is_counted() -> None:
    assert run_alone(TRY) == "tried: 1\n"


def test_building_asking_marking_and_checking_try_nothing(tmp_path: Path) -> None:
    out = run_alone(WORK, str(write_files(tmp_path / "repo")), str(tmp_path / "db"))
    assert f"{VERSION} § " in out
    assert "marked as b1" in out
    assert out.endswith("tried: 0\n")
