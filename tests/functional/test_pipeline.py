"""The line of stages: what is done is skipped, what changed is done again, what was stopped goes on."""

import json
from pathlib import Path

import pytest

from tests.training_project import write_project
from web4mlx import pipeline
from web4mlx.config import load_config
from web4mlx.errors import CheckFailed, MissingPrerequisite
from web4mlx.events import Event, Failed, Started
from web4mlx.machine.awake import line_holder, line_lease


@pytest.fixture
def short_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without export, and without what asks a model: other tests run these."""
    asking = ("baseline", "export", "ask", "evaluate", "import")
    kept = [stage for stage in pipeline.STAGES if stage.name not in asking]
    monkeypatch.setattr(pipeline, "STAGES", tuple(kept))


def run(config_file: Path) -> tuple[pipeline.Line, list[str]]:
    """Run the line; returns it and the stages that were already done."""
    events: list[Event] = []
    line = pipeline.run_pipeline(load_config(config_file), config_file, events.append)
    return line, [e.stage for e in events if isinstance(e, Started) and "already done" in e.plan]


def test_a_second_run_skips_everything_and_a_changed_sample_repeats_the_rest(
    in_tmp: Path, short_line: None
) -> None:
    config_file = write_project(in_tmp)
    first, done = run(config_file)
    assert done == ["download"]
    second, done = run(config_file)
    assert done == ["download", "data", "train", "verify", "fuse"]
    assert (second.adapter, second.merged) == (first.adapter, first.merged)
    file = in_tmp / "data" / "guardrails.jsonl"
    row = json.loads(file.read_text().splitlines()[0])
    row["output"], row["metadata"]["sample_id"] = "an answer that is new", "sample-new"
    file.write_text(file.read_text() + json.dumps(row) + "\n")
    third, done = run(config_file)
    assert done == ["download"]
    assert third.adapter != first.adapter


def test_a_line_that_is_being_worked_on_is_left_alone(in_tmp: Path, short_line: None) -> None:
    config_file = write_project(in_tmp)
    with (
        line_lease(in_tmp / "outputs"),
        pytest.raises(MissingPrerequisite, match=r"web4mlx run \(process \d+\)"),
    ):
        run(config_file)
    assert not list((in_tmp / "outputs").glob("*.json*"))
    run(config_file)
    assert not line_holder(in_tmp / "outputs")


def test_bad_data_stops_the_line_before_training(in_tmp: Path, short_line: None) -> None:
    config_file = write_project(in_tmp)
    with (in_tmp / "data" / "style_core.jsonl").open("a") as file:
        file.write("{broken\n")
    events: list[Event] = []
    with pytest.raises(CheckFailed, match=r"style_core\.jsonl:16"):
        pipeline.run_pipeline(load_config(config_file), config_file, events.append)
    assert [e.stage for e in events if isinstance(e, Failed)] == ["data"]
    assert not list((in_tmp / "outputs").glob("tiny_lora_*"))


def test_an_unfinished_run_goes_on(in_tmp: Path, short_line: None) -> None:
    config_file = write_project(in_tmp)
    line, _ = run(config_file)
    (line.adapter / "manifest.json").unlink()
    again, done = run(config_file)
    assert again.adapter == line.adapter
    assert "train" not in done
    assert len(list((in_tmp / "outputs").glob("tiny_lora_*"))) == 1


def test_a_tampered_adapter_is_verified_and_fused_again(in_tmp: Path, short_line: None) -> None:
    config_file = write_project(in_tmp)
    line, _ = run(config_file)
    (line.adapter / "tokenizer.json").write_text((line.adapter / "tokenizer.json").read_text() + " ")
    with pytest.raises(CheckFailed, match="tokenizer"):
        run(config_file)
