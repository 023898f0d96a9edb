"""Snapshots of screens: what stands where, and in which colours, as text that a reviewer can read.

A snapshot holds the lines of the screen, then for each line its runs of style (`12a 3b`: twelve cells of
style a, three of b), then what the letters mean. `make snapshots` writes them anew; look at the difference
before it is committed. Sizes, clock, machine and time zone are fixed: see `still_world`.
"""

import asyncio
import difflib
import json
import os
import re
import time
from collections.abc import Awaitable, Callable
from itertools import groupby
from pathlib import Path

import pytest
from rich.style import Style
from textual.pilot import Pilot

from tests.dashboards import PATIENCE_S, drive, screen_lines, wait_for, write_job_folder
from tui.app import Dashboard
from tui.feed.machine import MachineReadings
from tui.jobs.process import mark_process
from tui.place import Place

RENEW = os.environ.get("RENEW_SNAPSHOTS") == "1"
FOLDER = Path(__file__).parent / "snapshots"
SIZES = ((80, 24), (120, 40))
NOW = 1_795_736_065.0  # an hour after the recorded training in tests/recordings ended
QUIET_S = 1.0
STATES = ("empty", "running", "passed", "failed", "error")
MACHINE = MachineReadings(
    chip="Apple M1 Max", cores=10, device="gpu", memory=32 * 10**9, memory_used=21 * 10**9, swap=4 * 10**9,
    swap_used=10**9, disk=10**12, disk_used=6 * 10**11, cpu=0.42, working_set=22 * 10**9,
    thermal="no throttling", lease="",
)  # fmt: skip


def still_world(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Fix clock, time zone, machine and working folder, so that a screen shows the same every time."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr(time, "time", lambda: NOW)
    monkeypatch.setattr("tui.screens.overview.read_machine", lambda outputs: MACHINE)
    monkeypatch.setattr("web4mlx.machine.awake.lease_holder", lambda: "")
    monkeypatch.setattr("tui.jobs.start.lease_holder", lambda: "")
    monkeypatch.chdir(folder)


def set_times(folder: Path, when: float = NOW - 3600) -> None:
    """Give all files below a folder the same time of change."""
    for path in [folder, *folder.rglob("*")]:
        os.utime(path, (when, when))


def job(outputs: Path, state: str, log: str, kind: str = "run", title: str = "web4mlx run demo") -> Path:
    """A job in a state; one that runs is this very process."""
    name = f"20261126_233000_00_{kind.replace(' ', '_')}"
    folder = write_job_folder(outputs, name, log, title=title, kind=kind, created=NOW - 260)
    me = mark_process(os.getpid())
    assert me
    mark = me if state == "running" else me.model_copy(update={"started": "another time"})
    (folder / "pid.json").write_text(mark.model_dump_json(), "utf-8")
    if state != "running":
        end_job(folder, 0 if state == "done" else 4)
    set_times(folder, NOW - 250)
    return folder


def end_job(folder: Path, code: int) -> None:
    """Let a job be ended."""
    (folder / "exit.json").write_text(json.dumps({"code": code, "ended": NOW - 10}), "utf-8")


def compare_screens(
    place: Place,
    screen: str,
    state: str,
    expected: tuple[str, ...],
    prepare: Callable[[Pilot[int]], Awaitable[object]] | None = None,
    hides: str = "",
) -> None:
    """Compare a screen in one state, in both sizes and both themes, with its stored snapshots.

    Args:
        place: What the dashboard shows.
        screen: Its name.
        state: What the snapshots are called: `SCREEN-STATE-WIDTHxHEIGHT-THEME.txt`.
        expected: Texts that must stand there before anything is compared.
        prepare: Brings the screen into its state.
        hides: A pattern of texts that are never the same twice, such as digests; dots stand for them.
    """
    differences: list[str] = []

    async def steps(pilot: Pilot[int]) -> None:
        app = pilot.app
        assert isinstance(app, Dashboard)
        await wait_for(pilot, *expected)
        if prepare is not None:
            await prepare(pilot)
        for theme in ("dark", "light"):
            for width, height in SIZES:
                await pilot.resize_terminal(width, height)
                file = FOLDER / f"{screen}-{state}-{width}x{height}-{theme}.txt"
                differences.append(await _compare(pilot, app, file, hides))
            app.do_theme()

    drive(place, steps, SIZES[-1], first=screen)
    assert not any(differences), "\n".join([*filter(None, differences), "`make snapshots` writes them anew."])


async def _compare(pilot: Pilot[int], app: Dashboard, file: Path, hides: str) -> str:
    """Wait for the stored snapshot to appear; returns the difference when it does not."""
    stored = file.read_text("utf-8") if file.is_file() else ""
    if RENEW or not stored:
        file.parent.mkdir(exist_ok=True)
        shown = await _when_quiet(pilot, app, hides)
        file.write_text(shown, "utf-8")
        return "" if RENEW else f"{file.name} was not there and has been written"
    end = time.monotonic() + PATIENCE_S / 4
    while (shown := take_snapshot(app, hides)) != stored:
        if time.monotonic() > end:
            before, now = stored.splitlines(), shown.splitlines()
            return "\n".join(difflib.unified_diff(before, now, file.name, "now", lineterm=""))
        await pilot.pause()
        await asyncio.sleep(0.05)
    return ""


async def _when_quiet(pilot: Pilot[int], app: Dashboard, hides: str) -> str:
    """The screen when it has not changed for a while."""
    shown, since = "", time.monotonic()
    while time.monotonic() - since < QUIET_S:
        await pilot.pause()
        await asyncio.sleep(0.05)
        if (now := take_snapshot(app, hides)) != shown:
            shown, since = now, time.monotonic()
    return shown


def take_snapshot(app: Dashboard, hides: str = "") -> str:
    """The screen as a snapshot file, dots for what a pattern matches."""
    letters: dict[str, str] = {}
    texts, styles = [], []
    for line in screen_lines(app):
        whole = "".join(text for text, _ in line).rstrip()
        texts.append(re.sub(hides, lambda found: "·" * len(found[0]), whole) if hides else whole)
        cells = [_describe(style) for text, style in line for _ in text]
        runs = [(name, len(list(run))) for name, run in groupby(cells)]
        for name, _ in runs:
            letters.setdefault(name, _letter(len(letters)))
        styles.append(" ".join(f"{count}{letters[name]}" for name, count in runs))
    meanings = [f"{letter} {name}" for name, letter in letters.items()]
    return "\n".join([*texts, "", "styles", *styles, "", *meanings, ""])


def _letter(number: int) -> str:
    return chr(ord("a") + number) if number < 26 else f"a{_letter(number - 26)}"


def _describe(style: Style | None) -> str:
    if style is None:
        return "plain"
    words = [word for word in ("bold", "dim", "italic", "reverse", "underline") if getattr(style, word)]
    colours = [colour.name if colour else "default" for colour in (style.color, style.bgcolor)]
    return " ".join([*words, " on ".join(colours)])
