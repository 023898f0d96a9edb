"""`web4mlx fuse` and `web4mlx export` as a user types them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data_files import make_config
from tests.merged_models import write_random_adapter
from tests.micro_models import write_micro_llama, write_micro_qwen2
from web4mlx.artifacts import describe_input, new_manifest, write_manifest
from web4mlx.config import write_config

ROOT = Path(__file__).parents[2]
PROGRAM = (
    "import typer; from web4mlx.cli import export, fuse; from web4mlx.cli.main import run_program;"
    "app = typer.Typer(); fuse.register(app); export.register(app); run_program(app)"
)


@pytest.fixture
def project(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration, a base and a finished training run in the current folder."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    base = write_micro_llama(in_tmp / "base", shards=2)
    config = make_config(in_tmp)
    model = config.model.model_copy(update={"base": str(base)})
    write_config(config.model_copy(update={"model": model}), in_tmp / "run.toml")
    run = write_random_adapter(in_tmp / "outputs" / "web4_lora_1", base)
    write_manifest(run, new_manifest("train", inputs={"base": describe_input(base)}))
    return in_tmp


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", PROGRAM, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


def test_fuse_takes_the_newest_run_says_so_and_prints_the_folder(project: Path) -> None:
    done = run("fuse", "-c", "run.toml")
    assert done.returncode == 0, done.stderr
    merged = Path(done.stdout.strip())
    assert (merged / "model.safetensors.index.json").is_file()
    assert merged.name.startswith("web4_merged_")
    assert "fusing the newest run:" in done.stderr
    assert "web4_lora_1" in done.stderr
    assert "merge 100%" in done.stderr


def test_fuse_as_json_reports_the_parity(project: Path) -> None:
    done = run("fuse", "-c", "run.toml", "--json", "--out", "merged")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["merged"] == "merged"
    assert result["modules"] == 14
    assert result["parity_max_logit_difference_fp32"] < 1e-3


@pytest.mark.parametrize("command", ["fuse", "export"])
def test_dry_run_writes_nothing(project: Path, command: str) -> None:
    if command == "export":
        assert run("fuse", "-c", "run.toml", "--no-verify").returncode == 0
    before = sorted(path for path in project.rglob("*") if "cache" not in path.parts)
    done = run(command, "-c", "run.toml", "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["base"].endswith("base")
    assert sorted(path for path in project.rglob("*") if "cache" not in path.parts) == before


def test_a_tokenizer_llama_cpp_does_not_know_is_explained_without_a_traceback(project: Path) -> None:
    assert run("fuse", "-c", "run.toml", "--no-verify").returncode == 0
    done = run("export", "-c", "run.toml")
    assert done.returncode == 1
    assert "tokenizer differs from the base" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((project / "outputs").glob("*.gguf"))


def test_missing_things_are_named_with_the_exit_code_of_a_prerequisite(project: Path) -> None:
    done = run("export", "-c", "run.toml")
    assert done.returncode == 3
    assert "no finished fuse artifact" in done.stderr
    done = run("fuse", "nowhere", "-c", "run.toml")
    assert done.returncode == 3
    assert "nowhere" in done.stderr


def test_an_unknown_type_is_a_usage_error(project: Path) -> None:
    assert run("fuse", "-c", "run.toml", "--no-verify").returncode == 0
    done = run("export", "-c", "run.toml", "--type", "Q3_K")
    assert done.returncode == 2
    assert "Q4_K_M, Q5_K_M, Q6_K, Q8_0" in done.stderr


def test_a_quantized_base_is_refused(project: Path) -> None:
    config = project / "base" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"quantization": {"bits": 4}}))
    done = run("fuse", "-c", "run.toml")
    assert done.returncode == 2
    assert "quantized" in done.stderr


@pytest.mark.parametrize("command", ["fuse", "export"])
def test_help_has_an_example(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    done = run(command, "--help")
    assert done.returncode == 0
    assert f"web4mlx {command} outputs/" in done.stdout


def test_the_base_is_exported_as_it_is(project: Path) -> None:
    unknown = run("export", "--base", "--config", "run.toml")
    assert unknown.returncode == 1
    assert "llama.cpp does not know it" in unknown.stderr
    shutil.rmtree(project / "base")
    write_micro_qwen2(project / "base")
    done = run("export", "--base", "--config", "run.toml", "--type", "q8_0", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["config"]["type"] == "Q8_0"
    assert (project / "outputs" / "base.gguf").is_file()
    refused = run("export", "--base", "--dry-run", "--config", "run.toml")
    assert refused.returncode == 2
    assert "--base does not go with --dry-run" in refused.stderr
