"""A folder in which the smoke tests can run: configuration, Modelfile, a scripted model, a small store."""

from pathlib import Path

import pytest
import typer

from tests.micro_gguf import sentence, write_micro_gguf
from tests.rag_sources import build, write_files, write_tools
from web4mlx.artifacts import new_manifest, write_manifest
from web4mlx.cli import smoke
from web4mlx.cli.main import run_program
from web4mlx.smoke.report import SmokeReport

MODELFILE = """\
FROM ./m.gguf
SYSTEM Spell.
PARAMETER temperature 0
PARAMETER num_ctx 8192
PARAMETER num_predict 12
"""
CONFIG = """\
outputs = "outputs"
modelfile = "Modelfile"
[data]
train = ["data/a.jsonl"]
eval = "data/e.jsonl"
[assistant]
document_similarity = 0.01
example_similarity = 0.01
[smoke]
trained_first_token_ms = 1e9
history_first_token_ms = 1e9
tools_total_ms = 1e9
"""
CALL = '{"name": "read_file", "arguments": {"path": "Button.tsx"}}'
WORDS = ("The constructor", " is empty,", " init", " sets the state.", CALL)


def build_smoke_store(folder: Path) -> Path:
    """A store that words alone are enough to search."""
    build(write_files(folder / "repo"), folder / "db", tools=write_tools(folder / "tools"))
    return folder / "db"


def write_smoke_project(folder: Path) -> Path:
    """A configuration and a scripted model that answers every question with everything that is expected."""
    (folder / "Modelfile").write_text(MODELFILE)
    (folder / "config.toml").write_text(CONFIG)
    (folder / "outputs").mkdir()
    gguf = write_micro_gguf(folder / "outputs" / "m.gguf", sentence(*WORDS), words=WORDS, context=8192)
    write_manifest(gguf, new_manifest("export"))
    return folder


def program(*arguments: str) -> int:
    """Run `web4mlx smoke …` in this process; returns the exit code."""
    app = typer.Typer()
    app.callback()(lambda: None)
    smoke.register(app)
    with pytest.raises(SystemExit) as ended:
        run_program(lambda: app(["smoke", "-c", "config.toml", *arguments]))
    return int(ended.value.code or 0)


def read_report() -> SmokeReport:
    return SmokeReport.model_validate_json(Path("outputs/smoke_test_report.json").read_text("utf-8"))
