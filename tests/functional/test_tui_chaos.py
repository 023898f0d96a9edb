"""What goes wrong outside while the dashboard is open: files, disks, jobs, terminals, clocks."""

import asyncio
import shutil
from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.dashboards import (
    drive,
    place_in,
    record_run,
    sleeper,
    wait_for,
    wait_for_state,
    wait_so,
)  # fmt: skip
from tui.jobs.stop import stop
from tui.screens import SCREENS
from tui.screens.training import Training


def test_it_stays_up_whatever_happens_to_the_files(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    run = record_run(place.outputs, steps=20, end="")
    log = run / "events.jsonl"

    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "20 of 100")
        with log.open("ab") as file:
            file.write(b'garbage\n{"kind": "step"')
        await wait_for(pilot, "1 lines of the log are no events")
        content = log.read_bytes().splitlines(keepends=True)
        log.write_bytes(b"".join(content[:8]))
        await wait_for(pilot, "6 of 100")
        log.unlink()
        await wait_for(pilot, "it has been deleted")
        shutil.rmtree(run)
        await wait_for(pilot, "No training run is here yet")
        shutil.rmtree(place.outputs)
        for number in range(1, 9):
            await pilot.press(str(number))
            await pilot.pause()
        await wait_for(pilot, "8 Logs")

    drive(place, steps, first="training")


def test_a_disk_that_does_not_answer_is_named_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    place = place_in(tmp_path)
    record_run(place.outputs)
    answers = threading.Event()
    real = Training.read

    def hang(pane: Training) -> object:
        answers.wait()
        return real(pane)

    monkeypatch.setattr(Training, "read", hang)

    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "! the disk has not answered for")
        await pilot.press("8")
        await wait_for(pilot, "events.jsonl")
        await pilot.press("2")
        await wait_for(pilot, "! the disk has not answered for")
        answers.set()
        await wait_for(pilot, "40 of 100")
        await wait_so(pilot, lambda shown: "has not answered" not in shown, "an answer of the disk")

    drive(place, steps, first="training")


def test_a_job_killed_from_outside_is_announced_with_its_log(tmp_path: Path) -> None:
    import os
    import signal

    place = place_in(tmp_path)
    job = sleeper(tmp_path)
    job = wait_for_state(job, "running")

    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "● running sleep")
        assert job.child
        os.kill(job.child.pid, signal.SIGKILL)
        await wait_for(pilot, "✗ a sleeper: failed", "asleep", "█ Log", "no job runs")
        await pilot.press("escape")
        await wait_for(pilot, "✗ failed")

    drive(place, steps)


def test_a_job_killed_with_its_watcher_is_lost_and_said_to_be(tmp_path: Path) -> None:
    import os
    import signal

    place = place_in(tmp_path)
    job = wait_for_state(sleeper(tmp_path), "running")

    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "● running sleep")
        assert job.child
        assert job.watcher
        for mark in (job.watcher, job.child):
            os.kill(mark.pid, signal.SIGKILL)
        await wait_for(pilot, "✗ a sleeper: ended without a word", "! lost")

    drive(place, steps)


@pytest.mark.parametrize("screen", [entry.name for entry in SCREENS])
def test_it_survives_fifty_resizes_on_every_screen(tmp_path: Path, screen: str) -> None:
    place = place_in(tmp_path)
    record_run(place.outputs)

    async def steps(pilot: Pilot[int]) -> None:
        for number in range(50):
            await pilot.resize_terminal(20 + number * 37 % 190, 5 + number * 23 % 60)
        await pilot.resize_terminal(120, 40)
        expected = ("40 of 100", "Checkpoints") if screen == "training" else ()
        await wait_for(pilot, "? Help", "q Quit", *expected)

    drive(place, steps, first=screen)


def test_the_keys_fit_the_terminal_after_every_resize(tmp_path: Path) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        for width in (200, 60, 120, 80):
            await pilot.resize_terminal(width, 24)
            await wait_for(pilot, "j Jobs  q Quit")

    drive(place_in(tmp_path), steps, first="training")


def test_a_clock_that_jumps_breaks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    place = place_in(tmp_path)
    record_run(place.outputs)
    job = sleeper(tmp_path)
    real = time.time

    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "● running sleep")
        for jump in (-10 * 86400, 10 * 86400):
            monkeypatch.setattr(time, "time", lambda jump=jump: real() + jump)
            await pilot.press("2", "1")
            await asyncio.sleep(1.2)
            await wait_for(pilot, "● running sleep", "Pipeline")

    drive(place, steps)
    stop(job, at_once=True).join()
