"""`web4mlx import` as a user types it: through the gate, to the double, and back."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.import_places import prepare, production, put_old_model
from tests.ollama_double import OllamaDouble
from web4mlx.engines.ollama_server import OllamaServer


def cli(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "web4mlx", "import", *arguments]
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


FAKE_SUITE = '''
import os, pathlib, sys
if sys.argv[1:2] == ["score"]:
    print(pathlib.Path(os.environ["TRUTH"]).read_text())
'''  # fmt: skip


@pytest.fixture
def workplace(tmp_path: Path) -> dict[str, str]:
    """A configuration, a cleared GGUF, and a suite that says what the file TRUTH holds."""
    _, evaluation = prepare(tmp_path / "outputs")
    (tmp_path / "config.toml").write_text(
        'outputs = "outputs"\nmodelfile = "outputs/configured.Modelfile"\n'
        '[data]\ntrain = ["a.jsonl"]\neval = "e.jsonl"\n'
    )
    package = tmp_path / "fake" / "evals"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(FAKE_SUITE)
    (package / "version.py").write_text(f"def suite_version():\n    return {evaluation.version!r}\n")
    (tmp_path / "truth.json").write_text(evaluation.final.model_dump_json())
    paths = f"{package.parent}{os.pathsep}{os.environ['PYTHONPATH']}"
    return {"PYTHONPATH": paths, "TRUTH": str(tmp_path / "truth.json")}


def test_the_command_imports_lists_and_rolls_back(
    workplace: dict[str, str], double: OllamaDouble, server: OllamaServer, tmp_path: Path
) -> None:
    before = put_old_model(server, tmp_path / "old")
    common = ("--host", double.url, "-c", "config.toml")
    dry = cli(tmp_path, "outputs/web4-agent.gguf", *common, "--dry-run", **workplace)
    assert dry.returncode == 0, dry.stderr
    assert "candidate: web4-agent:candidate-" in dry.stdout
    assert production(server) == before
    done = cli(tmp_path, "outputs/web4-agent.gguf", *common, "--json", **workplace)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outputs"] == {"web4-agent:latest": production(server)}
    assert production(server) != before
    listed = cli(tmp_path, "--list", *common, "--json", **workplace)
    assert [version["role"] for version in json.loads(listed.stdout)] == ["production", "backup"]
    back = cli(tmp_path, "--rollback", *common, **workplace)
    assert (back.returncode, back.stdout) == (0, "web4-agent:latest\n")
    assert production(server) == before


def test_a_forged_report_is_refused_with_exit_1(
    workplace: dict[str, str], double: OllamaDouble, tmp_path: Path
) -> None:
    truth = json.loads((tmp_path / "truth.json").read_text())
    (tmp_path / "truth.json").write_text(json.dumps(truth | {"cleared": False, "overall_score": 0.2}))
    refused = cli(tmp_path, "outputs/web4-agent.gguf", "--host", double.url, "-c", "config.toml", **workplace)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "the report says True, the responses make False" in refused.stderr
    assert "hint: Evaluate it" in refused.stderr
    assert not double.requests


def test_without_a_server_it_says_how_to_get_one_and_the_command(
    workplace: dict[str, str], tmp_path: Path
) -> None:
    missing = cli(
        tmp_path, "outputs/web4-agent.gguf", "-c", "config.toml", "--host", "127.0.0.1:9", **workplace
    )
    assert missing.returncode == 3
    assert "ollama.com/download" in missing.stderr
    assert "web4mlx import outputs/web4-agent.gguf" in missing.stderr
    assert "Traceback" not in missing.stderr


def test_there_is_no_way_around_the_gate(workplace: dict[str, str], tmp_path: Path) -> None:
    shown = cli(tmp_path, "--help", **workplace).stdout
    assert "--force" not in shown
    assert "--skip" not in shown
    for option in ("--force", "--override", "--skip-gates", "--yes"):
        assert cli(tmp_path, "outputs/web4-agent.gguf", option, **workplace).returncode == 2
