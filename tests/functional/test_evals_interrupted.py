"""A killed run and dead servers: nothing that was answered is lost, and the verdicts are the same."""

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import ollama
import pytest

from tests.chat_server import GOOD, scripted
from tests.eval_place import evals, fill, lines, run, runs, write_modelfile
from tests.ollama_double import Fault, OllamaDouble, running_double

DEAD = "http://127.0.0.1:9"


@pytest.fixture
def workplace(in_tmp: Path) -> Path:
    return fill(in_tmp)


KILLED = """
import os, signal, sys
from evals.cli.main import main
from evals.run_file import AnswerLog

append, left = AnswerLog.append, int(sys.argv.pop(1))

def append_and_die(log, answer):
    global left
    append(log, answer)
    left -= 1
    if not left:
        os.write(log._file.fileno(), b'{"harness": "tron_')  # a line in the middle of being written
        os.kill(os.getpid(), signal.SIGKILL)

AnswerLog.append = append_and_die
main()
"""


def kill_after(folder: Path, answers: int, *arguments: str) -> Path:
    """`evals run` in a process that is killed once it has kept so many answers; returns the run."""
    command = [sys.executable, "-c", KILLED, str(answers), "run", "model.gguf", "-c", "config.toml"]
    child = subprocess.run([*command, *arguments], stderr=subprocess.DEVNULL, check=False)
    assert child.returncode == -signal.SIGKILL
    (killed,) = runs(folder)
    return killed


def told(folder: Path) -> Sequence[tuple[Any, ...]]:
    """What the report of a run says of each case."""
    cases = json.loads((folder / "eval_tron_format.json").read_text("utf-8"))["cases"]
    return [(case["id"], case["response"], case["verdict"], case["reasons"]) for case in cases]


@pytest.mark.parametrize("parallel", ["1", "8"])
def test_a_run_killed_near_its_end_is_resumed_without_losing_an_answer(
    workplace: Path, parallel: str
) -> None:
    write_modelfile(workplace, tokens=20)
    arguments = ("--harness", "tron_format", "--parallel", parallel)
    folder = kill_after(workplace, 90, *arguments)
    *kept, half = lines(folder)
    assert (len(kept), half) == (90, '{"harness": "tron_')
    assert run(*arguments, "--resume") == 1
    assert runs(workplace) == [folder]
    after = lines(folder)
    assert after[:90] == kept
    assert len(after) == len({json.loads(line)["case"] for line in after}) == 100
    run(*arguments, "--no-cache")
    assert told(folder) == told(runs(workplace)[-1])


def test_an_endpoint_that_dies_half_way_is_no_verdict_and_loses_nothing(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("run", "m", "-c", "config.toml", "--harness", "tron_format", "--parallel", "1")
    with scripted(*[(200, GOOD)] * 40) as url:
        assert evals(*arguments, "--endpoint", url) in (3, 4)
    said = capsys.readouterr().err
    assert "40 of 100 answers are kept; `evals run --resume` goes on" in said
    (folder,) = runs(workplace)
    kept = lines(folder)
    assert len(kept) == 40
    with scripted(*[(200, GOOD)] * 60) as url:
        assert evals(*arguments, "--endpoint", url, "--resume") == 1
    assert runs(workplace) == [folder]
    assert lines(folder)[:40] == kept
    assert json.loads((folder / "eval_tron_format.json").read_text())["errored"] == 0


def test_a_served_model_of_the_same_name_is_asked_again(workplace: Path) -> None:
    arguments = ("run", "m", "-c", "config.toml", "--harness", "tron_format", "--limit", "5")
    with scripted(*[(200, GOOD)] * 10) as url:
        evals(*arguments, "--endpoint", url)
        evals(*arguments, "--endpoint", url)
    first, second = runs(workplace)
    assert len(lines(first)) == len(lines(second)) == 5
    assert evals(*arguments, "--endpoint", url, "--resume") in (1, 3)
    assert len(runs(workplace)) == 2


def double_with_model(stack: ExitStack, folder: Path, gguf: Path) -> OllamaDouble:
    """A server that has the model `a`."""
    double = stack.enter_context(running_double(folder))
    client = ollama.Client(double.url, timeout=20, trust_env=False)
    client.create("a", files={"m.gguf": client.create_blob(gguf)}, parameters={"num_ctx": 512})
    return double


SERVED = ("run", "a", "--engine", "ollama", "-c", "config.toml", "--harness", "tron_format", "--no-cache")


def test_the_questions_of_an_ollama_server_that_dies_go_to_the_other(workplace: Path) -> None:
    with ExitStack() as stack:
        first, second = (double_with_model(stack, workplace / n, workplace / "model.gguf") for n in "12")
        first.faults.append(Fault("/api/chat", "die", skip=10))
        assert evals(*SERVED, "--endpoint", first.url, "--endpoint", second.url) == 1
    (folder,) = runs(workplace)
    assert len({json.loads(line)["case"] for line in lines(folder)}) == len(lines(folder)) == 100
    assert json.loads((folder / "eval_tron_format.json").read_text())["errored"] == 0


@pytest.mark.parametrize("place", [0, 1])
def test_a_server_that_is_dead_at_the_start_is_named_and_the_others_are_asked(
    workplace: Path, capsys: pytest.CaptureFixture[str], place: int
) -> None:
    with ExitStack() as stack:
        urls = [double_with_model(stack, workplace / "1", workplace / "model.gguf").url]
        urls.insert(place, DEAD)
        assert evals(*SERVED, "--endpoint", urls[0], "--endpoint", urls[1]) == 1
    assert f"warning: no Ollama server there: {DEAD}" in " ".join(capsys.readouterr().err.split())
    (folder,) = runs(workplace)
    assert json.loads((folder / "eval_tron_format.json").read_text())["errored"] == 0


def test_when_no_server_answers_nothing_is_begun(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evals(*SERVED, "--endpoint", DEAD, "--endpoint", DEAD) == 3
    assert "127.0.0.1:9" in capsys.readouterr().err
    assert runs(workplace) == []
