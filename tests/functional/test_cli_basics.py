"""The command line: help everywhere, exit codes, errors without tracebacks, results on stdout alone."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from web4mlx.cli import main
from web4mlx.cli.output import duration
from web4mlx.errors import CheckFailed, ExitCode, StageCrashed

BROKEN = '[data]\ntrain = ["a.jsonl"]\neval = "a.jsonl"\n'


def run(
    *arguments: str, cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the program as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "web4mlx", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **(env or {})},
    )


def command_paths() -> list[tuple[str, ...]]:
    """Every command and group of the program."""
    app = typer.Typer()
    app.callback()(main.options)
    original, main.app = main.app, app
    try:
        main.load_commands()
    finally:
        main.app = original
    return list(walk(get_command(app), ()))


def walk(command: object, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if path:
        yield path
    for name, inner in getattr(command, "commands", {}).items():
        yield from walk(inner, (*path, name))


COMMANDS = command_paths()


def in_process(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the program in this process, for speed."""
    if not main.app.registered_commands:
        main.load_commands()
    with pytest.raises(SystemExit) as ended:
        main.run_program(lambda: main.app(list(arguments)))
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


def test_the_documented_commands_are_there() -> None:
    wanted = {"doctor", "download", "train", "verify", "fuse", "export", "ask", "run"}
    groups = {("data", "check"), ("data", "preview"), ("data", "sample"), ("modelfile", "check")}
    assert {(name,) for name in wanted} | groups <= set(COMMANDS)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_every_command_has_help(path: tuple[str, ...], flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = in_process(capsys, *path, flag)
    assert (code, err) == (0, "")
    assert " ".join(path) in out


@pytest.mark.parametrize("path", [path for path in COMMANDS if len(path) > 1 or path[0] not in
                                  ("data", "modelfile", "models", "evals", "rag")], ids=" ".join)  # fmt: skip
def test_every_command_shows_an_example_and_has_json(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = in_process(capsys, *path, "-h")
    assert f"Example: web4mlx {' '.join(path)}" in " ".join(out.split())
    assert "--json" in out


def test_help_lists_all_commands() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert all(path[0] in done.stdout for path in COMMANDS)


def test_the_version_is_printed() -> None:
    from web4mlx import __version__

    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"web4mlx {__version__}\n")


@pytest.mark.parametrize(
    "arguments",
    [("nonsense",), ("data", "nonsense"), ("doctor", "--nonsense"), ("modelfile", "check", "a", "b", "c")],
    ids=" ".join,
)
def test_a_wrong_command_line_is_a_usage_error(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = in_process(capsys, *arguments)
    assert (code, out) == (ExitCode.USAGE, "")
    assert "Error" in err
    assert "Traceback" not in err


def test_a_broken_configuration_is_explained_on_stderr_without_a_traceback(in_tmp: Path) -> None:
    (in_tmp / "run.toml").write_text(BROKEN)
    done = run("train", "--config", "run.toml", "--dry-run", cwd=in_tmp)
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    assert done.stderr.startswith("error: run.toml: 1 problem\n")
    assert "\nhint: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_configuration_is_a_missing_prerequisite(in_tmp: Path) -> None:
    done = run("train", "--config", "nix", cwd=in_tmp)
    assert done.returncode == ExitCode.MISSING_PREREQUISITE
    assert done.stderr.startswith("error: no configuration 'nix'\nhint: Give a file, or one of: ")


def test_the_traceback_is_shown_when_asked_for(in_tmp: Path) -> None:
    done = run("--traceback", "train", "--config", "nix", cwd=in_tmp)
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert "MissingPrerequisite" in done.stderr


def ending(program: Callable[[], None], capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    with pytest.raises(SystemExit) as ended:
        main.run_program(program)
    return ended.value.code, capsys.readouterr().err


def raising(error: BaseException) -> Callable[[], None]:
    def program() -> None:
        raise error

    return program


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (CheckFailed("no", "try"), 1, "error: no\nhint: try\n"),
        (StageCrashed("broke"), 4, "error: broke\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (PermissionError(13, "Permission denied", "/a"), 4, "error: /a: Permission denied\nhint: "),
        (ZeroDivisionError("division by zero"), 4, "error: unexpected ZeroDivisionError: division by zero\n"),
    ],
)
def test_each_error_has_its_exit_code_and_one_message(
    error: BaseException, code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ended, err = ending(raising(error), capsys)
    assert ended == code
    assert err.startswith(message)
    assert "Traceback" not in err


def test_an_unforeseen_error_shows_its_traceback_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB4MLX_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        main.run_program(raising(ZeroDivisionError()))


def test_a_reader_that_goes_away_is_no_error() -> None:
    program = f"{sys.executable} -m web4mlx --help | true"
    done = subprocess.run(["sh", "-c", program], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr


def test_the_doctor_reports_as_table_and_as_json(in_tmp: Path) -> None:
    table, plain = run("doctor", cwd=in_tmp), run("doctor", "--json", cwd=in_tmp)
    assert table.returncode == plain.returncode == ExitCode.MISSING_PREREQUISITE
    checkup = json.loads(plain.stdout)
    assert checkup["exit_code"] == ExitCode.MISSING_PREREQUISITE
    names = [item["name"] for item in checkup["items"]]
    assert all(name in table.stdout for name in names)
    assert {"device", "chip", "BLAS", "memory", "swap", "disk", "packages", "llama.cpp tools", "config",
            "base model", "data files", "Modelfile", "outputs", "Ollama port"} <= set(names)  # fmt: skip
    assert all(item["fix"] for item in checkup["items"] if item["verdict"] != "ok")
    assert "fix: Run `web4mlx download" in table.stdout
    assert table.stderr.endswith("problem\n")


def test_an_exposed_ollama_is_a_problem_for_the_doctor(in_tmp: Path) -> None:
    done = run("doctor", "--json", cwd=in_tmp, env={"OLLAMA_HOST": "0.0.0.0"})
    (item,) = [item for item in json.loads(done.stdout)["items"] if item["name"] == "Ollama settings"]
    assert (item["verdict"], item["exit_code"]) == ("problem", ExitCode.CHECK_FAILED)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (185, "3 min 05 s"), (7620, "2 h 07 min")]
)
def test_durations_are_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text
