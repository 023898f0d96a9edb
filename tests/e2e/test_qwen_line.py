"""A micro Qwen2 with the real Qwen tokenizer through train, verify, fuse, export and ask."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.micro_models import write_micro_qwen2
from tests.training_project import write_project
from web4mlx.artifacts import read_manifest
from web4mlx.cli.main import app, load_commands
from web4mlx.config import load_config
from web4mlx.events import EventLog
from web4mlx.export.plan import ExportOptions
from web4mlx.export.stage import export_model
from web4mlx.fuse.merge import fuse_adapter
from web4mlx.train import supervise
from web4mlx.verify import verify_run


def test_untied_head_biases_and_pre_tokenizer_survive_the_whole_line(in_tmp: Path) -> None:
    config_file = write_project(in_tmp, base=write_micro_qwen2, epochs=6, learning_rate=0.003)
    with config_file.open("a") as file:
        file.write("[export]\nmin_perplexity_retention = 0.0\nmin_gain_kept = 0.0\nretention_rows = 4\n")
    config = load_config(config_file)
    run = supervise.new_run(config)
    supervise.supervise(run, lambda event: None)
    assert {c.name for c in verify_run(run) if c.verdict != "passed"} == set()
    merged, gguf = Path("outputs/web4_merged_x"), Path("outputs/web4-agent.gguf")
    with EventLog(None, "e2e", "e2e") as log:
        fuse_adapter(run, Path("base"), merged, log)
        export_model(merged, config, gguf, log, ExportOptions(check_answers=False))
    manifest = read_manifest(gguf)
    assert manifest is not None
    assert pre_tokenizer(gguf) == "qwen2"
    load_commands()
    answer = CliRunner().invoke(
        app,
        [
            "ask",
            "Hello?",
            "--model",
            str(gguf),
            "--modelfile",
            "Modelfile",
            "--max-tokens",
            "4",
            "--seed",
            "1",
        ],
    )
    assert answer.exit_code == 0, answer.output


def pre_tokenizer(gguf: Path) -> str:
    from gguf import GGUFReader

    field = GGUFReader(gguf).get_field("tokenizer.ggml.pre")
    assert field is not None
    return str(field.contents())


@pytest.mark.slow
def test_the_demo_answers_better_than_its_base(tmp_path: Path) -> None:
    """The whole demo for real: `make demo` in a fresh folder ends with a GGUF and exit code 0."""
    import os
    import shutil
    import subprocess
    import sys

    root = Path(__file__).parents[2]
    shutil.copytree(root / "configs", tmp_path / "configs")
    environment = {**os.environ, "PYTHONPATH": str(root), "WEB4MLX_THREADS": ""}
    done = subprocess.run(
        [sys.executable, "-m", "web4mlx", "run", "configs/demo.toml"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "outputs" / "demo" / "web4-agent.gguf").is_file()
