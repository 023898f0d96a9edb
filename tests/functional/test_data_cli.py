"""`web4mlx data check` and `data preview` through the program, as a user calls them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data_files import make_config, make_eval_row, make_row, make_text, micro_folder, write_rows
from web4mlx.config import write_config

PROGRAM = """
import sys, typer
from web4mlx.cli import data
from web4mlx.cli.main import run_program
app = typer.Typer()
app.callback()(lambda: None)
data.register(app)
run_program(app)
"""


def web4mlx(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration file over clean data with a tiny base."""
    settings = make_config(tmp_path)
    model = settings.model.model_copy(update={"base": str(micro_folder())})
    write_config(settings.model_copy(update={"model": model}), tmp_path / "run.toml")
    return tmp_path / "run.toml"


def test_clean_data_exit_0_with_table_histogram_and_picture(config: Path, tmp_path: Path) -> None:
    done = web4mlx("data", "check", "-c", config, "--plot", tmp_path / "lengths.svg")
    assert done.returncode == 0, done.stderr
    assert "data check passed" in done.stdout
    assert "█" in done.stdout
    assert "[data] read 100%" in done.stderr
    assert (tmp_path / "lengths.svg").read_text("utf-8").startswith("<svg")
    assert (tmp_path / "outputs" / "data_report.json").is_file()


def test_bad_rows_exit_1_and_are_all_listed_on_stderr_while_stdout_is_json(
    config: Path, tmp_path: Path
) -> None:
    write_rows(tmp_path / "train.jsonl", [make_row("a"), b"broken", make_row("b", input=None)])
    done = web4mlx("data", "check", "-c", config, "--json")
    assert done.returncode == 1
    assert [one["line"] for one in json.loads(done.stdout)["findings"]] == [2, 3]
    assert "train.jsonl:2: not valid JSON" in done.stderr
    assert "train.jsonl:3: input: expected a string" in done.stderr
    assert "--quarantine" in done.stderr


def test_a_leak_blocks_until_it_is_quarantined(config: Path, tmp_path: Path) -> None:
    text = make_text("answer", 200)
    ask = make_text("ask", 9)
    write_rows(tmp_path / "train.jsonl", [make_row("a"), make_row("t", instruction=ask, output=text)])
    write_rows(tmp_path / "eval.jsonl", [make_eval_row("e", instruction=ask, output=text)])
    blocked = web4mlx("data", "check", "-c", config)
    assert blocked.returncode == 1
    assert "exact copy of the held-out row" in blocked.stderr
    dry = web4mlx("data", "check", "-c", config, "--quarantine", "--dry-run")
    assert (dry.returncode, "would move 1 row of" in dry.stderr) == (1, True)
    assert not (tmp_path / "train.quarantine.jsonl").exists()
    moved = web4mlx("data", "check", "-c", config, "--quarantine")
    assert moved.returncode == 0, moved.stderr
    assert "moved 1 row of" in moved.stderr
    assert (tmp_path / "train.quarantine.jsonl").is_file()


def test_a_dry_run_writes_nothing(config: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert web4mlx("data", "check", "-c", config, "--dry-run", "--plot", tmp_path / "a.svg").returncode == 0
    assert sorted(tmp_path.rglob("*")) == before


def test_chosen_files_are_checked_alone(config: Path, tmp_path: Path) -> None:
    done = web4mlx("data", "check", tmp_path / "more.jsonl", "-c", config, "--json")
    assert [file["role"] for file in json.loads(done.stdout)["files"]] == ["train"]


def test_wrong_arguments_exit_2_and_a_missing_base_3(config: Path, tmp_path: Path) -> None:
    assert web4mlx("data", "check", "-c", config, "--plot", "a.png").returncode == 2
    assert web4mlx("data", "preview", "0", "-c", config).returncode == 2
    bare = make_config(tmp_path)
    model = bare.model.model_copy(update={"folder": tmp_path / "models"})
    write_config(bare.model_copy(update={"model": model}), tmp_path / "bare.toml")
    assert web4mlx("data", "check", "-c", tmp_path / "bare.toml").returncode == 3


def test_preview_shows_brackets_and_counts_without_colour(config: Path) -> None:
    done = web4mlx("data", "preview", "2", "-c", config, "--no-color")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("⟦") == 4
    assert "train-0" in done.stdout
    assert "more-0" in done.stdout
    assert "supervised tokens" in done.stdout
    assert "\x1b" not in done.stdout


def test_preview_as_json_gives_tokens_ids_and_mask_of_equal_length(config: Path, tmp_path: Path) -> None:
    done = web4mlx("data", "preview", "1", "-c", config, "--sample-id", "eval-1", "--json")
    (one,) = json.loads(done.stdout)
    assert one["sample_id"] == "eval-1"
    assert len(one["tokens"]) == len(one["ids"]) == len(one["mask"])
    assert sum(one["mask"]) == one["supervised_tokens"]
    file = web4mlx("data", "preview", "1", "-c", config, "--file", tmp_path / "nothing.jsonl")
    assert (file.returncode, "no such file" in file.stderr) == (3, True)
