"""The benchmarks start; those of the store and the server run to their end on something small."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
PROGRAMS = sorted(file.stem for file in FOLDER.glob("*.py") if "__main__" in file.read_text("utf-8"))


def run(name: str, *arguments: str) -> str:
    """The stdout of a benchmark that ended well."""
    command = [sys.executable, str(FOLDER / f"{name}.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_benchmark_starts(name: str) -> None:
    assert "usage: " in run(name, "--help")


def test_detection_and_injection_are_measured() -> None:
    result = json.loads(run("tool_examples", "--rounds", "1", "--json"))
    assert result["halves"]["test"]["accuracy"] >= 0.95
    assert result["prompt with examples, query excluded"]["median_ms"] > 0


@pytest.mark.slow
def test_the_store_is_built_checked_and_marked_at_demo_scale(tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    run("rag_full_scale", "--scale", "demo", "--reference", "32", "--out", str(out))
    result = json.loads(out.read_text())
    assert result["passed"]
    assert result["embedded"] == result["chunks"] > 500
    assert result["marked"] > 150
