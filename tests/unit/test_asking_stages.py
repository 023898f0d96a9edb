"""Baseline, evaluation and import: each is a process, and its exit code decides how the line goes."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.micro_models import write_micro_qwen2
from tests.training_project import write_project
from web4mlx import asking_stages, stages
from web4mlx.config import load_config
from web4mlx.errors import CheckFailed, MissingPrerequisite, StageCrashed, UsageError, Web4Error
from web4mlx.events import Event, Finished, Progress, Warned


class Line(stages.Line):
    """A line that collects its events; `commands` are the processes it started."""

    commands: list[list[str]]
    events: list[Event]


@pytest.fixture
def line(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> Line:
    config_file = write_project(in_tmp)
    events: list[Event] = []
    made = Line(load_config(config_file), config_file, events.append, gguf=Path("outputs/web4-agent.gguf"))
    made.commands, made.events = [], events
    return made


def answer_with(code: int, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        line.commands.append(command[1:])
        return subprocess.CompletedProcess(command, code)

    monkeypatch.setattr(asking_stages.subprocess, "run", run)


def test_the_base_is_recorded_and_the_gguf_evaluated_with_the_lines_own_configuration(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_with(0, line, monkeypatch)
    line.base = write_micro_qwen2(Path("models/base"))
    assert asking_stages.record_baseline(line, line.log("baseline")).name == "baseline_metrics.json"
    assert asking_stages.evaluate_model(line, line.log("evaluate")).name == "eval_report_final.json"
    config = ["--config", str(line.config_file)]
    assert line.commands == [
        ["-m", "evals", "run", "outputs/base.gguf", "--baseline", *config],
        ["-m", "evals", "run", "outputs/web4-agent.gguf", *config],
    ]
    ends = [event for event in line.events if not isinstance(event, Progress)]
    assert [type(event) for event in ends] == [Finished, Finished]


@pytest.mark.parametrize(
    ("code", "error"), [(1, CheckFailed), (2, UsageError), (3, MissingPrerequisite), (4, StageCrashed)]
)
def test_a_blocked_or_failed_evaluation_ends_the_line(
    line: Line, monkeypatch: pytest.MonkeyPatch, code: int, error: type[Web4Error]
) -> None:
    answer_with(code, line, monkeypatch)
    with pytest.raises(error, match=f"code {code}"):
        asking_stages.evaluate_model(line, line.log("evaluate"))


def test_no_ollama_server_is_said_and_is_no_failure(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with(3, line, monkeypatch)
    assert asking_stages.import_model(line, line.log("import")) == line.gguf
    assert [type(event) for event in line.events] == [Warned]


@pytest.mark.parametrize(("code", "error"), [(1, CheckFailed), (4, StageCrashed)])
def test_a_refused_import_ends_the_line(
    line: Line, monkeypatch: pytest.MonkeyPatch, code: int, error: type[Web4Error]
) -> None:
    answer_with(code, line, monkeypatch)
    with pytest.raises(error):
        asking_stages.import_model(line, line.log("import"))


def test_the_import_asks_for_what_the_suite_has() -> None:
    from evals.decision import TARGET
    from evals.harnesses import CANARY, GATED, load_harness
    from web4mlx.deploy import required

    def as_required(name: str) -> required.Required:
        harness = load_harness(name)
        return required.Required(harness.planned, harness.threshold, harness.gate_type, harness.measure)

    assert {name: as_required(name) for name in GATED} == required.HARNESSES
    assert as_required(CANARY) == required.CANARY
    assert required.TARGET == TARGET
