"""`web4mlx plan`, and the trainer keeping to its plan."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.training_project import write_project
from web4mlx.cli.main import app, load_commands
from web4mlx.config import load_config
from web4mlx.errors import CheckFailed
from web4mlx.events import Metric, Warned, read_events
from web4mlx.train import supervise, worker

load_commands()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_project(tmp_path, recompute="auto", epochs=1)


def plan(*options: str) -> dict[str, Any]:
    """The plan as JSON."""
    result = CliRunner().invoke(app, ["plan", "-c", "config.toml", "--json", *options])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    report: dict[str, Any] = json.loads(result.stdout)
    return report


def chosen_way(report: dict[str, Any]) -> object:
    """How the plan's choice recomputes."""
    return report["chosen"]["recompute"]


def too_little_for_none() -> float:
    """GB between the peaks of keeping everything and of selective recomputation."""
    peaks = {way["recompute"]: way["peak_bytes"] for way in plan()["strategies"]}
    assert peaks["selective"] < peaks["none"]
    return float(peaks["selective"] + peaks["none"]) / 2e9


def test_a_plan_names_the_fastest_way_that_fits(project: Path) -> None:
    report = plan()
    chosen, ways = report["chosen"], report["strategies"]
    assert isinstance(chosen, dict)
    assert isinstance(ways, list)
    assert {"none", "selective", "full"} <= {way["recompute"] for way in ways}
    assert chosen["train_s"] == min(way["train_s"] for way in ways if way["fits"])
    for way in ways:
        assert sum(way["memory"].values()) == way["peak_bytes"]
    assert report["samples"] == 30
    assert report["proposal"] is None


def test_leaner_ways_are_chosen_for_less_memory(project: Path) -> None:
    assert chosen_way(plan("--memory", str(too_little_for_none()))) != "none"


@pytest.mark.parametrize(("layers", "way"), [(0, "selective"), (1, 1), (2, "full"), (99, "full")])
def test_any_number_of_recomputed_layers_is_planned(in_tmp: Path, layers: int, way: object) -> None:
    """The model has two layers."""
    write_project(in_tmp, recompute=layers)
    report = plan()
    assert chosen_way(report) == way
    measured = plan("--measure")
    assert chosen_way(measured) == way
    assert measured["measured"]


def test_a_plan_that_does_not_fit_says_so(project: Path) -> None:
    with pytest.raises(CheckFailed, match="no way to train fits"):
        plan("--memory", "0.000001")


def test_measuring_runs_what_was_chosen(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from web4mlx.train.prepare import load_training_model

    ways = []

    def recorded(*args: Any) -> Any:
        loaded: Any = load_training_model(*args)
        ways.append(loaded.network.recompute)
        return loaded

    monkeypatch.setattr("web4mlx.plan.measure.load_training_model", recorded)
    assert plan("--measure", "--memory", str(too_little_for_none()))["measured"]
    assert len(ways) == 1
    assert ways[0] != ("none", "none")


def test_each_size_of_rows_is_laid_out_once(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from web4mlx.plan.work import work_of_run

    laid_out = []

    def recorded(rows: Any, sampler: Any, layout: Any) -> Any:
        laid_out.append(layout.row_tokens)
        return work_of_run(rows, sampler, layout)

    monkeypatch.setattr("web4mlx.plan.report.work_of_run", recorded)
    plan("--measure")
    assert laid_out == [2048, 1024, 512]


def test_measuring_corrects_the_plan(project: Path) -> None:
    report = plan("--measure")
    measured = report["measured"]
    assert isinstance(measured, dict)
    assert measured["peak_bytes"] > 0
    assert measured["step_s"] > 0
    assert set(report["precisions"]) == {"float32", "float16", "bfloat16"}


def test_hours_write_a_configuration_that_trains_what_fits(project: Path) -> None:
    whole = plan()
    hours = whole["total_s"] / 3600 / 2
    proposal = plan("--hours", f"{hours:.9f}", "--out", "half.toml")["proposal"]
    assert isinstance(proposal, dict)
    assert 0 < proposal["samples"] < 30
    config = load_config(Path("half.toml"))
    assert config.training.recompute == "auto"
    run = supervise.new_run(config)
    supervise.supervise(run, lambda event: None)
    stats = json.loads((run / "training_stats.json").read_text())
    assert stats["total_samples"] == proposal["samples"]


def test_a_run_over_its_limit_recomputes_more_and_says_so(project: Path) -> None:
    config = load_config(project, {"hardware.memory_limit_gb": 0.000001})
    run = supervise.new_run(config)
    supervise.supervise(run, lambda event: None)
    events = [event for event, _ in read_events(run / worker.EVENTS)]
    plans = [event for event in events if isinstance(event, Warned) and event.code == "memory-plan"]
    assert json.loads((run / "plan.json").read_text()) == {"recompute": "full"}
    assert all("full" in event.advice or "recompute" in event.advice for event in plans)
    names = {event.name for event in events if isinstance(event, Metric)}
    assert {"predicted peak memory", "peak memory of the largest row"} <= names


def test_a_resumed_run_keeps_its_way(project: Path) -> None:
    config = load_config(project)
    run = supervise.new_run(config)
    (run / "plan.json").write_text('{"recompute": "selective"}')
    supervise.supervise(run, lambda event: None)
    assert json.loads((run / "plan.json").read_text()) == {"recompute": "selective"}
    assert os.path.isdir(run / "checkpoints")
