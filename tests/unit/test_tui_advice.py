"""What Overview advises: the next stage that makes sense, in folders made by the line and filled by hand."""

import json
from pathlib import Path

import pytest

from tests.dashboards import place_in, record_run, step_fields, write_job_folder
from tui.feed.advice import Advice, what_next
from tui.feed.run import RunReadings
from tui.feed.stages import StageFeed, StageRow
from tui.jobs.record import list_jobs
from tui.screens.overview import stage_line, with_steps
from web4mlx.events import EventLog, Failed, Finished, Progress, Started, Step

FILES = {
    "data": "data_report.json", "verify": "verified_1.json", "fuse": "web4_merged_1/manifest.json",
    "export": "web4-agent.gguf", "evaluate": "eval_report_final.json", "rag build": "rag_build.json",
    "rag check": "rag_check.json", "smoke": "smoke_test_report.json",
}  # fmt: skip


def fill(outputs: Path, *stages: str, **content: object) -> None:
    """Put what stages leave into an outputs folder, as somebody does who copies it there."""
    for stage in stages:
        if stage == "train":
            (record_run(outputs) / "manifest.json").write_text("{}", "utf-8")
            continue
        path = outputs / FILES[stage]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), "utf-8")


def stages_of(folder: Path) -> dict[str, StageRow]:
    place = place_in(folder)
    return {row.name: row for row in StageFeed(place.settings, place.outputs).read(False)}


def advise(folder: Path) -> Advice:
    return what_next(list(stages_of(folder).values()), [])


@pytest.mark.parametrize(
    ("there", "kind", "named"),
    [
        ((), "run", "Nothing has been made here yet"),
        (("data",), "run", "Next: Training"),
        (("data", "train"), "run", "Next: Verification"),
        (("train",), "verify", "Next: Verification, of tiny_lora_20260101_120000. Samples was not"),
        (("train", "verify"), "fuse", "Next: Fused model"),
        (("fuse",), "export", "Next: GGUF, of web4_merged_1. Samples, Training and Verification were not"),
        (("export",), "evals run", "Next: Gates, of web4-agent.gguf."),
        (("data", "train", "verify", "fuse", "export"), "run", "Next: Gates. The line"),
    ],
)
def test_the_next_stage_follows_the_furthest_one(
    tmp_path: Path, there: tuple[str, ...], kind: str, named: str
) -> None:
    fill(place_in(tmp_path).outputs, *there)
    advice = advise(tmp_path)
    assert (advice.kind, advice.screen) == (kind, "")
    assert advice.text.startswith(named)
    assert advice.label


@pytest.mark.parametrize(
    ("there", "screen", "named"),
    [
        ((), "rag", "Next: RAG store."),
        (("rag build",), "rag", "Next: RAG check."),
        (("rag build", "rag check"), "smoke", "Next: Smoke tests."),
        (("rag build", "rag check", "smoke"), "smoke", "Next: Import."),
    ],
)
def test_after_the_decision_come_store_smoke_tests_and_import(
    tmp_path: Path, there: tuple[str, ...], screen: str, named: str
) -> None:
    fill(place_in(tmp_path).outputs, "export", "evaluate", *there)
    advice = advise(tmp_path)
    assert (advice.kind, advice.screen) == ("", screen)
    assert named in advice.text


def test_a_report_that_says_no_is_no_finished_stage(tmp_path: Path) -> None:
    outputs = place_in(tmp_path).outputs
    fill(outputs, "evaluate", cleared=False, reasons=["tron: 40 % of 90 %", "1 canary failed"])
    fill(outputs, "smoke", verdict="failed", tests=[{"name": "trained", "verdict": "failed"}])
    fill(outputs, "rag check", findings=[{"name": "index", "verdict": "failed"}])
    rows = stages_of(tmp_path)
    assert [rows[name].state for name in ("evaluate", "smoke", "rag check")] == ["failed"] * 3
    assert rows["evaluate"].note == "tron: 40 % of 90 %; 1 canary failed"
    assert rows["smoke"].note == "failed: trained"
    assert rows["rag check"].note == "failed: index"
    advice = advise(tmp_path)
    assert (advice.screen, "blocked" in advice.text) == ("gates", True)
    (outputs / FILES["evaluate"]).write_text("{", "utf-8")
    assert "cannot be read" in stages_of(tmp_path)["evaluate"].note


def test_a_stage_that_failed_is_done_when_its_artifact_is_made_afterwards(tmp_path: Path) -> None:
    import os
    import time

    outputs = place_in(tmp_path).outputs
    with EventLog(outputs / "pipeline.jsonl", "tiny", "export") as log:
        log.write(Started)
        log.write(Failed, message="no room", hint="Make some.")
    assert stages_of(tmp_path)["export"].state == "failed"
    assert advise(tmp_path).text == "GGUF failed: no room. Make some."
    fill(outputs, "export")
    later = time.time() + 100
    os.utime(outputs / FILES["export"], (later, later))
    assert stages_of(tmp_path)["export"].state == "done"


def test_a_stage_that_was_stopped_goes_on(tmp_path: Path) -> None:
    outputs = place_in(tmp_path).outputs
    with EventLog(outputs / "pipeline.jsonl", "tiny", "data") as log:
        log.write(Started)
        log.write(Finished, duration_s=1.0)
    fill(outputs, "data")
    with EventLog(outputs / "pipeline.jsonl", "tiny", "train") as log:
        log.write(Started)
    advice = advise(tmp_path)
    assert (advice.kind, advice.label) == ("run", "go on")


def test_a_stage_that_has_said_only_how_long_it_takes_runs_while_the_line_does(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    with EventLog(place.outputs / "pipeline.jsonl", "tiny", "train") as log:
        log.write(Progress, done=0, message="the whole line: about", eta_s=60.0)
    feed = StageFeed(place.settings, place.outputs)
    live = {row.name: row for row in feed.read(is_live=True)}["train"]
    assert (live.state, live.share, live.note) == ("running", None, "")
    assert "for 5 s" in stage_line(live, 70, (live.when or 0) + 5)
    assert {row.name: row.state for row in feed.read(is_live=False)}["train"] == "stopped"

    step = Step(ts=1.0, run="tiny", stage="train", **step_fields(25))
    steps = with_steps(live, RunReadings(Path(), step=step, state="running"))
    assert (steps.share, steps.note) == (0.25, "step 25 of 100")
    assert with_steps(live, RunReadings(Path(), step=step, state="finished")) == live


def test_a_model_that_found_no_ollama_server_is_still_to_be_imported(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    with EventLog(place.outputs / "pipeline.jsonl", "tiny", "import") as log:
        log.write(Progress, done=0, message="the whole line: about", eta_s=60.0)
        log.warn("not-imported", "web4-agent.gguf is cleared and not imported")
    row = stages_of(tmp_path)["import"]
    assert (row.state, row.note) == ("todo", "cleared; no Ollama server was there")


def test_what_runs_or_waits_comes_first(tmp_path: Path) -> None:
    outputs = place_in(tmp_path).outputs
    assert what_next([], [], "training x").screen == "training"
    write_job_folder(outputs, "20260101_120000_00_train", title="a held one")
    assert what_next([], list_jobs(outputs)).text.startswith("a held one was queued by an earlier")
