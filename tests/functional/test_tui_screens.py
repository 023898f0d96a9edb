"""The dashboard, driven by keys: every action of every screen, on recorded files and real jobs."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.dashboards import (
    drive,
    only_sleepers,
    place_in,
    record_run,
    screen_text,
    sleeper,
    snippet,
    wait_for,
    wait_for_state,
    write_job_folder,
)  # fmt: skip
from tui.actions import EVERYWHERE_ACTIONS
from tui.app import Dashboard
from tui.jobs.record import list_jobs
from tui.jobs.start import submit
from tui.jobs.stop import stop
from tui.screens import SCREENS, action_table, screen_class
from web4mlx.events import EventLog, Sampled

SIZES = [(80, 24), (120, 40), (200, 60)]


@pytest.fixture
def sleeping_commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Let every command that the dashboard starts be a sleeper, and stop them all in the end."""
    with only_sleepers(monkeypatch, tmp_path / "outputs"):
        yield


def test_every_action_has_a_method_a_help_and_a_key_of_its_own() -> None:
    for entry in SCREENS:
        pane = screen_class(entry.name)
        keys = [key for action in (*EVERYWHERE_ACTIONS, *pane.ACTIONS) for key in action.key.split(",")]
        assert len(keys) == len(set(keys)), entry.name
        for action in pane.ACTIONS:
            assert callable(getattr(pane, f"do_{action.id}")), action
            assert action.help.endswith("."), action
    for action in EVERYWHERE_ACTIONS:
        assert callable(getattr(Dashboard, f"do_{action.id}"))


@pytest.mark.parametrize("size", SIZES)
def test_every_screen_shows_itself_with_nothing_there(tmp_path: Path, size: tuple[int, int]) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        for number, entry in enumerate(SCREENS, 1):
            await pilot.press(str(number))
            await wait_for(pilot, entry.title)
            assert pilot.app.query_one(f"#{entry.name}").display
        await wait_for(pilot, "No log is here yet")
        await pilot.press("2")
        await wait_for(pilot, "No training run is here yet")

    drive(place_in(tmp_path), steps, size)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("end", ["finished", "failed", "stopped", ""])
def test_the_training_screen_tells_how_a_run_ended(
    tmp_path: Path, size: tuple[int, int], theme: str, end: str
) -> None:
    place = place_in(tmp_path)
    run = record_run(place.outputs, end=end)

    async def steps(pilot: Pilot[int]) -> None:
        if theme == "light":
            await pilot.press("t")
        shown = await wait_for(pilot, run.name, end or "interrupted", "loss", "tokens/s", "40 of 100")
        assert "s Start" in shown
        if end == "failed":
            await wait_for(pilot, "✗ the disk is full", "Free some space.")
            await pilot.press("escape")
            await pilot.pause()
        if size[0] >= 120:
            await wait_for(pilot, "Checkpoints", "Close programs.")

    drive(place, steps, size, first="training")


def test_help_names_every_action(tmp_path: Path) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await pilot.press("question_mark")
        await wait_for(pilot, "Everywhere", "Run line")
        await pilot.press("escape")
        await wait_for(pilot, "Pipeline")

    drive(place_in(tmp_path), steps, (120, 60))
    from tui.help import help_text

    text = help_text("training")
    assert all(action.help in text for action in action_table())


def test_the_palette_finds_an_action_of_another_screen(tmp_path: Path) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await pilot.press("ctrl+p")
        await wait_for(pilot, "Search for commands")
        await pilot.press(*"logs:level", "enter")
        await asyncio.sleep(0.3)
        await pilot.press("enter")
        await wait_for(pilot, "No log")

    drive(place_in(tmp_path), steps)


def test_tabs_can_be_clicked(tmp_path: Path) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await pilot.click("#tab-training")
        await wait_for(pilot, "No training run is here yet")

    drive(place_in(tmp_path), steps)


@pytest.mark.usefixtures("sleeping_commands")
def test_training_is_started_paused_and_resumed_with_the_commands_of_the_program(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    run = record_run(place.outputs, end="stopped")

    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, run.name)
        await pilot.press("s")
        await wait_for(pilot, "Start a new training run?", "web4mlx train --config demo")
        await pilot.press("enter")  # the harmless answer stands first
        await pilot.press("s", "down", "enter")
        await wait_for(pilot, "● running train")
        await pilot.press("p")
        await wait_for(pilot, "no trainer that could be paused")
        await pilot.press("r")
        await wait_for(pilot, "waits: something heavy is running")

    drive(place, steps, first="training")
    resumed, started = list_jobs(place.outputs)
    assert started.order.command[-2:] == ("--config", "demo")
    assert resumed.order.command[-2:] == ("--resume", str(run))
    assert resumed.state in ("queued", "held")


@pytest.mark.usefixtures("sleeping_commands")
def test_overview_runs_the_line_and_stops_it(tmp_path: Path) -> None:
    place = place_in(tmp_path)

    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "Nothing has been made here yet", "run the whole line")
        await pilot.press("enter")
        await wait_for(pilot, "● running run")
        await pilot.press("s", "enter")
        await wait_for(pilot, "Stop it")
        await pilot.press("down", "enter")
        await wait_for(pilot, "no job runs")

    drive(place, steps)
    (job,) = list_jobs(place.outputs)
    assert job.state == "stopped"
    assert job.order.command[-1] == "demo"


def test_an_earlier_run_is_laid_under_this_one(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    record_run(place.outputs, "20250101_000000", steps=30)
    newest = record_run(place.outputs, "20260101_000000")

    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, newest.name)
        await pilot.press("c")
        await wait_for(pilot, "Compare with which run?")
        await pilot.press("down", "down", "enter")
        await wait_for(pilot, "20250101_000000")
        await pilot.press("l")
        await wait_for(pilot, "loss, log")
        await pilot.press("w")
        await wait_for(pilot, "Warnings of", "Close programs.")
        await pilot.press("escape", "o", "down", "down", "enter")
        await wait_for(pilot, "tiny_lora_20250101_000000")

    drive(place, steps, first="training")


def test_a_job_that_failed_is_shown_with_cause_hint_and_log(tmp_path: Path) -> None:
    place = place_in(tmp_path)

    async def steps(pilot: Pilot[int]) -> None:
        code = "import time; time.sleep(2); print('error: it broke\\nhint: mend it'); raise SystemExit(4)"
        submit(place.outputs, snippet(), [code], "a breaker")
        await wait_for(pilot, "✗ a breaker: failed", "mend it", "█ Log")
        await pilot.press("escape")
        await pilot.pause()
        assert "a breaker: failed" not in screen_text(pilot.app)  # type: ignore[arg-type]

    drive(place, steps)


def test_logs_are_followed_searched_and_filtered(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    lines = "".join(f"line {n} {'error: bad' if n == 7 else ''}\n" for n in range(5000))
    folder = write_job_folder(place.outputs, "20260101_120000_00_train", lines)

    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "line 4999", "following", "of 5,000")
        with (folder / "output.log").open("a") as log:
            log.write("one more\n")
        await wait_for(pilot, "one more", "of 5,001")
        await pilot.press("slash", *"line 123", "enter")
        await wait_for(pilot, "line 123 ", "not following")
        await pilot.press("n")
        await wait_for(pilot, "line 1230")
        await pilot.press("v", "v")
        await wait_for(pilot, "line 7 error: bad", "of 1", "errors")
        await pilot.press("v", "f", *"999", "enter")
        await wait_for(pilot, "line 1999", "of 5 ")
        await pilot.press("o")
        await wait_for(pilot, "Which log?")
        await pilot.press("escape")

    drive(place, steps, first="logs")


@pytest.mark.parametrize(("answer", "state"), [("leave", "running"), ("stop", "stopped")])
def test_quitting_asks_what_becomes_of_jobs(tmp_path: Path, answer: str, state: str) -> None:
    place = place_in(tmp_path)
    job = sleeper(tmp_path)

    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "● running sleep")
        await pilot.press("q")
        await wait_for(pilot, "Jobs are running. Leave?")
        await pilot.press(*(["down"] if answer == "stop" else []), "enter")
        while pilot.app._exit is False:
            await asyncio.sleep(0.05)

    drive(place, steps)
    assert wait_for_state(job, state)
    if state == "running":
        stop(job, at_once=True).join()


def test_the_queue_is_visible_and_a_held_job_can_be_started_or_dropped(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    command = ["/bin/sh", "-c", "echo my turn"]
    first = write_job_folder(place.outputs, "20260101_120000_00_train", command=command, title="first")
    second = write_job_folder(place.outputs, "20260101_120001_00_train", title="second")

    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "◌ queued 2", "queued by an earlier dashboard")
        await pilot.press("j")
        await wait_for(pilot, "◌ held  first", "◌ held  second")
        await pilot.press("enter")
        await wait_for(pilot, "Drop it")
        await pilot.press("down", "down", "enter")
        await wait_for(pilot, "◌ queued 1")
        await pilot.press("j", "enter", "down", "enter")
        await wait_for(pilot, "no job runs", "✓ done")

    drive(place, steps)
    assert not second.exists()
    assert (first / "output.log").read_text() == "my turn\n"


def test_what_the_model_says_is_read_newest_first(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    run = record_run(place.outputs, end="")

    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "40 of 100")
        await pilot.press("a")
        await wait_for(pilot, "training.sample_prompts asks it")
        with EventLog(run / "events.jsonl", run.name, "train") as log:
            for step, answer in ((0, "I do not know."), (40, "A pattern [with brackets] …")):
                log.write(Sampled, step=step, prompt="What is it?", answer=answer)
        await wait_for(pilot, "It says", "at step 40", "A pattern [with brackets] …")
        await pilot.press("a")
        shown = await wait_for(pilot, "says", "step 0, the base model", "I do not know.")
        assert shown.index("A pattern [with") < shown.index("I do not know.")
        await pilot.press("down", "escape")

    drive(place, steps, first="training")


def test_a_recording_starts_nothing(tmp_path: Path) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "replay of a-run")
        await pilot.press("r")
        await wait_for(pilot, "This is a recording")

    drive(place_in(tmp_path, replayed="a-run"), steps)
    assert list_jobs(tmp_path / "outputs") == []
