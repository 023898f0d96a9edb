"""`web4mlx ask` and `evals preview` through their command lines, on a scripted model."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.micro_gguf import alphabet, babble, write_micro_gguf
from tests.micro_models import write_micro_llama
from web4mlx.artifacts import new_manifest, write_manifest
from web4mlx.cli import ask
from web4mlx.cli.main import run_program
from web4mlx.engines.base import Response
from web4mlx.engines.llamacpp_call import Call

MODELFILE = (
    "FROM ./model.gguf\nSYSTEM Spell.\nPARAMETER temperature 0\nPARAMETER num_ctx 256\n"
    'PARAMETER num_predict 6\nPARAMETER stop "xyz"\n'
)
CONFIG = (
    'outputs = "outputs"\nmodelfile = "Modelfile"\n[data]\ntrain = ["data/a.jsonl"]\neval = "data/e.jsonl"\n'
)


def program(*arguments: str) -> int:
    """Run `web4mlx ask …` in this process; returns the exit code."""
    app = typer.Typer()
    app.callback()(lambda: None)
    ask.register(app)
    try:
        run_program(lambda: app(["ask", *arguments]))
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.fixture
def workplace(in_tmp: Path) -> Path:
    """A folder with a Modelfile, a configuration and a scripted model."""
    write_micro_gguf(in_tmp / "model.gguf", alphabet())
    (in_tmp / "Modelfile").write_text(MODELFILE)
    (in_tmp / "config.toml").write_text(CONFIG)
    return in_tmp


def test_an_answer_goes_to_stdout_and_the_rest_to_stderr(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program("Hello", "-m", "model.gguf", "-c", "config.toml") == 0
    out, err = capsys.readouterr()
    assert out == "abcdef\n"
    assert "model: model.gguf" in err
    assert "6 tokens" in err
    assert "ended by length" in err


def test_the_answer_is_streamed_piece_by_piece(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr(sys.stdout, "write", written.append)
    program("Hello", "-m", "model.gguf", "-c", "config.toml")
    assert [piece for piece in written if piece.strip()] == list("abcdef")


def test_json_carries_text_options_and_model(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        program(
            "Hello", "-m", "model.gguf", "-c", "config.toml", "--json", "--max-tokens", "2", "--seed", "5"
        )
        == 0
    )
    answer = json.loads(capsys.readouterr().out)
    assert (answer["text"], answer["finish_reason"]) == ("ab", "length")
    assert (answer["options"]["seed"], answer["options"]["stop"]) == (5, ["xyz"])
    assert answer["engine"] == "llama.cpp"
    assert answer["prompt_tokens"] == len("?system\nSpell.?\n?user\nHello?\n?assistant\n")


def test_the_newest_exported_gguf_is_the_default_and_is_named(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workplace / "outputs").mkdir()
    exported = write_micro_gguf(workplace / "outputs" / "web4-agent.gguf", alphabet())
    write_manifest(exported, new_manifest("export"))
    assert program("Hello", "-c", "config.toml", "--no-stream") == 0
    out, err = capsys.readouterr()
    assert out == "abcdef\n"
    assert "model: outputs/web4-agent.gguf" in err


def test_a_model_folder_is_answered_by_mlx(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_micro_llama(workplace / "folder")
    assert program("Hello", "-m", "folder", "-c", "config.toml", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["engine"] == "mlx"
    assert answer["completion_tokens"] == 6


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["-m", "missing.gguf"], 3, "missing.gguf: no such GGUF file"),
        ([], 3, "no exported GGUF in outputs"),
        (["-m", "model.gguf", "--modelfile", "none"], 3, "none: no such Modelfile"),
        (["-m", "Modelfile"], 2, "neither a .gguf file nor a model folder"),
        (["-m", "model.gguf", "--adapter", "run"], 2, "an adapter needs a model folder"),
        (["-m", "model.gguf", "--max-tokens", "0"], 2, "max_tokens = 0"),
        (["-m", "bad.gguf"], 4, "llama.cpp cannot load it"),
    ],
    ids=[
        "no model",
        "nothing exported",
        "no modelfile",
        "no gguf",
        "adapter on gguf",
        "max tokens",
        "damaged",
    ],
)
def test_bad_input_gets_one_message_a_hint_and_its_code(
    workplace: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, said: str
) -> None:
    (workplace / "bad.gguf").write_bytes((workplace / "model.gguf").read_bytes()[:5000])
    assert program("Hello", "-c", "config.toml", *arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert f"error: {said}" in err or said in err
    assert "Traceback" not in err


def test_an_over_long_question_is_refused_not_cut(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program("x" * 400, "-m", "model.gguf", "-c", "config.toml") == 2
    assert "the context holds 256" in capsys.readouterr().err


def test_interrupting_ends_with_130_and_no_traceback(workplace: Path) -> None:
    write_micro_gguf(workplace / "model.gguf", babble(), context=32768)
    (workplace / "Modelfile").write_text("FROM x\nPARAMETER num_ctx 32768\nPARAMETER num_predict 32000\n")
    code = (
        # a shell that runs the tests in the background has made them ignore the signal
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import typer; from web4mlx.cli import ask; from web4mlx.cli.main import run_program\n"
        "app = typer.Typer(); app.callback()(lambda: None); ask.register(app)\n"
        "run_program(lambda: app(['ask', 'Hello', '-m', 'model.gguf', '-c', 'config.toml']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=child_environment()
    ) as child:
        assert child.stdout is not None
        assert child.stdout.read(5)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=300)
    assert child.returncode == 130
    assert b"Traceback" not in err


def child_environment() -> dict[str, str]:
    """This environment, with this repository importable."""
    import os

    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


def preview(*arguments: str) -> int:
    """Run `evals preview …` in this process; returns the exit code."""
    from evals.cli.main import app, load_commands

    load_commands()
    try:
        run_program(lambda: app(["preview", *arguments]))
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_preview_shows_both_answers_to_every_shipped_question(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workplace / "Modelfile").write_text(MODELFILE.replace("256", "512"))
    write_micro_gguf(workplace / "tuned.gguf", {**alphabet(), "\n": {"x": 20.0}})
    assert preview("model.gguf", "tuned.gguf") == 0
    out, _ = capsys.readouterr()
    assert "empty constructor" in out
    assert "abcdef" in out
    assert "xyz" not in out
    assert "tokens/s" in out


def test_preview_as_json_has_each_models_answers_by_id(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workplace / "few.toml").write_text('version = "1"\n[[prompt]]\nid = "a"\nsource = "s"\ntext = "Spell"\n')
    assert preview("model.gguf", "model.gguf", "--prompts", "few.toml", "--max-tokens", "3", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert [model["answers"]["a"]["text"] for model in result["models"]] == ["abc", "abc"]
    assert result["models"][0]["engine"]["sha256"] == result["models"][1]["engine"]["sha256"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('version = "1"\n', "prompt"),
        ('version = "1"\n[[prompt]]\nid = "a"\ntext = "t"\n', "prompt.0.source"),
        (
            'version = "1"\n' + '[[prompt]]\nid = "a"\nsource = "s"\ntext = "t"\n' * 2,
            "used more than once: a",
        ),
        ("version = \n", "not valid TOML"),
    ],
    ids=["empty", "no source", "same id", "no toml"],
)
def test_wrong_prompt_files_are_refused_by_field(
    workplace: Path, capsys: pytest.CaptureFixture[str], content: str, said: str
) -> None:
    (workplace / "bad.toml").write_text(content)
    assert preview("model.gguf", "model.gguf", "--prompts", "bad.toml") == 2
    assert said in capsys.readouterr().err


def test_preview_of_a_missing_model_is_a_missing_prerequisite(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert preview("model.gguf", "none.gguf") == 3
    assert "none.gguf: no such model" in capsys.readouterr().err


def test_an_answer_is_generated_once(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    original = Call.run

    def counted(self: Call, *arguments: Any) -> Response:
        asked.append(self.request.id)
        return original(self, *arguments)

    monkeypatch.setattr(Call, "run", counted)
    assert program("Hello", "-m", "model.gguf", "-c", "config.toml") == 0
    assert asked == ["ask"]


def test_the_route_is_said_and_stands_in_the_json(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("-m", "model.gguf", "-c", "config.toml")
    assert program("How did we solve this in the past?", *arguments, "--json") == 0
    out, err = capsys.readouterr()
    assert (json.loads(out)["route"], json.loads(out)["sources"]) == ("history", [])
    assert "route: history; no store is open: answered from trained knowledge" in err


def test_a_question_that_does_not_fit_is_refused(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert program("x" * 300, "-m", "model.gguf", "-c", "config.toml") == 2
    assert "the context holds 256" in capsys.readouterr().err
