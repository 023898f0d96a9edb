"""Overview, Training and Logs as they look in each state, in two sizes and both themes.

The training is a real one: `tests/recordings/demo_lora` holds the events of 670 steps on the demo's model,
and what the model of its last checkpoints says.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.dashboards import SLEEPER, place_in, wait_for
from tests.snapshots import NOW, STATES, compare_screens, end_job, job, set_times, still_world
from tui.place import Place

RECORDING = Path(__file__).parents[1] / "recordings" / "demo_lora"
RUN = "web4_demo_lora_20261126_215355"
LINE = (
    "download", "data", "baseline", "train", "verify", "fuse", "export", "evaluate", "import",
    "rag build", "rag check", "smoke", "mark",
)  # fmt: skip


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    still_world(monkeypatch, tmp_path)
    place = place_in(tmp_path)
    return replace(place, settings=place.settings.model_copy(update={"name": "web4_demo"}))


@pytest.fixture
def trainer() -> Iterator[int]:
    """A process that looks like a trainer, asleep."""
    process = subprocess.Popen([sys.executable, "-c", SLEEPER, "web4mlx.train.worker"])
    yield process.pid
    process.kill()
    process.wait()


def recorded_run(
    outputs: Path, *, steps: int = 670, age_s: float = 3600.0, end: dict[str, Any] | None = None
) -> Path:
    """The recorded run up to a step, whose last event is so old; `end` is one more event."""
    run = outputs / RUN
    run.mkdir()
    lines = [json.loads(line) for line in (RECORDING / "events.jsonl").read_text("utf-8").splitlines()]
    beyond = (place for place, event in enumerate(lines) if event.get("step", 0) > steps)
    kept = lines[: next(beyond, len(lines))]
    if end:
        kept.append({"ts": kept[-1]["ts"], "run": RUN, "stage": "train", **end})
    later_s = NOW - age_s - kept[-1]["ts"]
    text = "".join(json.dumps({**event, "ts": event["ts"] + later_s}) + "\n" for event in kept)
    (run / "events.jsonl").write_text(text, "utf-8")
    return run


def tell(outputs: Path, stage: str, *events: tuple[str, dict[str, Any]], age_s: float = 60.0) -> None:
    """Write events of a stage of the pipeline, so old."""
    with (outputs / "pipeline.jsonl").open("a", encoding="utf-8") as log:
        for kind, fields in events:
            event = {"ts": NOW - age_s, "run": "web4_demo", "stage": stage, "kind": kind, **fields}
            log.write(json.dumps(event) + "\n")


def finish(outputs: Path, *stages: str) -> None:
    """Let stages end well, with what they leave."""
    files = {"data": "data_report.json", "baseline": "baseline_metrics.json", "export": "web4-agent.gguf",
             "evaluate": "eval_report_final.json", "rag build": "rag_build.json",
             "rag check": "rag_check.json", "smoke": "smoke_test_report.json", "mark": "rag_marks.json",
             "verify": "verified_20261126_223426.json", "fuse": "web4_merged_20261126_223426/manifest.json",
             "train": f"{RUN}/manifest.json"}  # fmt: skip
    for number, stage in enumerate(stages, 1):
        if stage in files:
            path = outputs / files[stage]
            path.parent.mkdir(exist_ok=True)
            path.write_text("{}", "utf-8")
        artifact = files.get(stage, "").removesuffix("/manifest.json")
        told = {"duration_s": 37.0 * number**2, "artifact": artifact}
        tell(outputs, stage, ("started", {}), ("finished", told), age_s=9000.0 - 600 * number)


@pytest.mark.parametrize("state", STATES)
def test_overview(place: Place, state: str) -> None:
    outputs, expected, prepare = place.outputs, ("Pipeline",), None
    if state != "empty":
        recorded_run(outputs, steps=400 if state in ("running", "error") else 670, age_s=400.0)
    if state == "running":
        finish(outputs, "download", "data", "baseline")
        tell(
            outputs,
            "train",
            ("started", {}),
            ("progress", {"done": 400, "total": 670, "message": "step 400"}),
        )
        job(outputs, "running", "step 400\n")
        expected = ("● running run", "60%", "is running. Nothing to do.")
    elif state == "passed":
        finish(outputs, *LINE)
        job(outputs, "done", "done\n")
        expected = ("Everything is made and evaluated", "✓ done")
    elif state == "failed":
        finish(outputs, *LINE[:7])
        note = "pdca_template: 88 % is below 95 %; 1 of 20 canaries failed"
        tell(outputs, "evaluate", ("started", {}), ("failed", {"message": note, "hint": "See the Gates."}))
        expected = ("Deployment is blocked", "✗ failed")
    elif state == "error":
        finish(outputs, "download", "data", "baseline")
        tell(
            outputs,
            "train",
            ("started", {}),
            ("failed", {"message": "the disk is full", "hint": "Make room."}),
        )
        folder = job(outputs, "running", "error: the disk is full\nhint: Make room.\n")
        expected = ("● running run",)

        async def prepare(pilot: Pilot[int]) -> None:
            end_job(folder, 4)
            (folder / "pid.json").write_text('{"pid": 1, "started": "another time"}', "utf-8")
            set_times(folder, NOW - 250)
            await wait_for(pilot, "✗ web4mlx run demo: failed", "Make room.", "no job runs")

    set_times(outputs, NOW - 9000)
    if (outputs / "jobs").exists():
        set_times(outputs / "jobs", NOW - 250)
    compare_screens(place, "overview", state, expected, prepare)


@pytest.mark.parametrize("state", STATES)
def test_training(place: Place, state: str, trainer: int) -> None:
    expected: tuple[str, ...] = (RUN,)
    outputs = place.outputs
    if state == "empty":
        expected = ("No training run is here yet",)
    elif state == "running":
        run = recorded_run(outputs, steps=520, age_s=5.0)
        (run / "train.pid").write_text(str(trainer), "ascii")
        expected = ("● running", "520 of 670")
    elif state == "passed":
        recorded_run(outputs)
        expected = ("✓ finished", "670 of 670")
    elif state == "failed":
        end = {"kind": "failed", "message": "5 steps in a row had no finite gradient",
               "hint": "Lower training.learning_rate, then resume."}  # fmt: skip
        recorded_run(outputs, steps=520, end=end)
        expected = ("✗ failed", "✗ 5 steps in a row")
    else:
        run = recorded_run(outputs, steps=300)
        with (run / "events.jsonl").open("ab") as log:
            log.write(b"no event\n\xff\xfe\n")
        expected = ("■ interrupted", "2 lines of the log are no events")

    async def delete_the_log(pilot: Pilot[int]) -> None:
        (outputs / RUN / "events.jsonl").unlink()
        await wait_for(pilot, "it has been deleted")

    compare_screens(place, "training", state, expected, delete_the_log if state == "error" else None)


@pytest.mark.parametrize("state", STATES)
def test_logs(place: Place, state: str) -> None:
    outputs, expected, prepare = place.outputs, ("No log is here yet",), None
    text = "".join(f"step {step}/670  loss {3 / step:.4f}\n" for step in range(5, 605, 5))
    if state != "empty":
        recorded_run(outputs, steps=100)
        bad = (
            "warning: memory is short\nerror: the disk is full\nhint: Make room.\n"
            if state == "failed"
            else ""
        )
        folder = job(outputs, {"running": "running", "failed": "failed"}.get(state, "done"), text + bad)
        set_times(outputs / RUN, NOW - 9000)
        expected = ("following", "of 12")
    if state == "failed":

        async def prepare(pilot: Pilot[int]) -> None:
            await pilot.press("v")
            await wait_for(pilot, "warnings and errors", "of 2")

    elif state == "error":

        async def prepare(pilot: Pilot[int]) -> None:
            shutil.move(folder / "output.log", outputs / "elsewhere")
            await wait_for(pilot, "! it has been deleted")

    compare_screens(place, "logs", state, expected, prepare)
