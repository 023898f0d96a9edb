import json
from pathlib import Path

import pytest
import typer

from web4mlx.cli import modelfile
from web4mlx.cli.main import run_program
from web4mlx.modelfile import parse_modelfile, read_modelfile

ROOT = Path(__file__).parents[2]


def program(*arguments: str) -> int:
    """Run `web4mlx modelfile …` in this process; returns the exit code."""
    app = typer.Typer()
    app.callback()(lambda: None)
    modelfile.register(app)
    try:
        run_program(lambda: app(["modelfile", *arguments]))
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_show_prints_what_parses_back_to_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    path = ROOT / "Modelfile"
    assert program("show", str(path)) == 0
    assert parse_modelfile(capsys.readouterr().out) == read_modelfile(path)
    assert program("show", str(path), "--json") == 0
    assert json.loads(capsys.readouterr().out)["parameters"]["num_ctx"] == 4096


@pytest.mark.parametrize("name", ["Modelfile", "configs/demo.Modelfile"])
def test_check_passes_the_shipped_modelfiles(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert program("check", str(ROOT / name)) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "valid" in err


def test_check_prints_every_problem_with_its_line_and_fails(
    in_tmp: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("Modelfile").write_text("FROM x\nPARAMETER top_k 1.5\nFORM y\nPARAMETER mirostat 1\n")
    assert program("check") == 1
    out, err = capsys.readouterr()
    assert "Modelfile:2: error: invalid int value [1.5]" in out
    assert "Modelfile:3: error: command must be one of" in out
    assert "Modelfile:4: warning: parameter mirostat is deprecated" in out
    assert "2 errors" in err
    assert program("check", "--json") == 1
    problems = json.loads(capsys.readouterr().out)
    assert problems[1]["line"] == 3
    assert problems[1]["ollama"].startswith("(line 3): command must be")


def test_check_looks_for_the_model_only_when_told(in_tmp: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("Modelfile").write_text("FROM ./none.gguf\n")
    assert program("check") == 0
    assert program("check", "--need-model") == 3
    assert "none.gguf does not exist" in capsys.readouterr().err


def test_what_is_no_modelfile_has_its_own_codes(in_tmp: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("binary").write_bytes(b"\xff\x00\xff")
    assert program("check", "none") == 3
    assert program("check", "binary") == 2
    assert program("show", "binary") == 2
    assert "Traceback" not in capsys.readouterr().err
