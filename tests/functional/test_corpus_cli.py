"""`web4mlx data sample` as a user meets it."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from web4mlx.cli.data_sample import sample
from web4mlx.data.corpus import corpus_counts
from web4mlx.errors import UsageError


def run(*arguments: str) -> str:
    """The command's stdout; errors for the user are raised as they reach the program's edge."""
    app = typer.Typer()
    app.command()(sample)
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_it_writes_nine_files_and_prints_their_counts(in_tmp: Path) -> None:
    report = json.loads(run("--folder", "data/demo", "--json"))
    assert report["counts"] == corpus_counts("demo")
    for name, count in report["counts"].items():
        assert len((in_tmp / "data/demo" / f"{name}.jsonl").read_text("utf-8").splitlines()) == count


def test_a_dry_run_writes_nothing(in_tmp: Path) -> None:
    assert "12000" in run("--scale", "full", "--dry-run")
    assert not list(in_tmp.iterdir())


def test_the_users_own_data_is_not_overwritten_without_force(in_tmp: Path) -> None:
    own = in_tmp / "data" / "style_core.jsonl"
    own.parent.mkdir()
    own.write_text('{"instruction": "mine"}\n')
    with pytest.raises(UsageError, match="style_core.jsonl"):
        run()
    assert own.read_text() == '{"instruction": "mine"}\n'
    run("--force")
    assert len(own.read_text().splitlines()) == corpus_counts("demo")["style_core"]


def test_its_own_files_are_replaced_without_asking(in_tmp: Path) -> None:
    run("--seed", "1")
    before = (in_tmp / "data/eval.jsonl").read_bytes()
    run("--seed", "2")
    assert (in_tmp / "data/eval.jsonl").read_bytes() != before


def test_an_unknown_scale_is_named(in_tmp: Path) -> None:
    with pytest.raises(UsageError, match="medium"):
        run("--scale", "medium")
