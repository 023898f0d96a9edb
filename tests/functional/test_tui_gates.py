"""The gates screen, driven by keys: every state, two sizes, both themes; every action with its command."""

import shutil
from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests import gate_runs
from tests.complete_runs import first_ids
from tests.dashboards import drive, place_in, screen_text, wait_for
from tests.gate_places import make, place_with, rows
from tests.gate_runs import WRONG
from tui.app import Dashboard
from tui.jobs.record import list_jobs
from tui.screens.gates import Gates
from tui.widgets.case_browser import CaseBrowser

SIZES = [(80, 24), (120, 40)]
STATES = {
    "empty": ("No evaluation is here yet", "s asks the newest GGUF"),
    "running": ("● running 240 of 720 answers, about 7 min left", "● 40/100", "◌ waiting", "◔ holds"),
    "cleared": (
        "✓ cleared: every gate holds",
        "import: reads this decision",
        "✓ passed",
        "✓ 20 of 20 canaries",
    ),
    "blocked": ("✗ blocked: pdca_template failed: 88 % is below 95 %", "✗ failed", "80.2–93", "97.56 %"),
    "partial": ("? a look at 100 of 720 questions", "clears nothing", "mean of what was asked"),
    "interrupted": ("■ interrupted", "◌ not asked", "■ cut short"),
    "unscored": ("r scores the stored answers",),
    "outdated": ("asked with suite 1.0123456789ab",),
    "damaged": ("it cannot be read", "! run.json: damaged: format"),
    "base": ("it decides nothing",),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("state", STATES)
def test_each_state_says_in_words_what_it_is(tmp_path: Path, state: str, size: tuple[int, int]) -> None:
    place = place_with(tmp_path, state)

    async def steps(pilot: Pilot[int]) -> None:
        dark = await wait_for(pilot, *STATES[state])
        for line in dark.splitlines()[: size[1]]:
            assert len(line) <= size[0], line
        await pilot.press("t")
        light = await wait_for(pilot, *STATES[state])
        assert rows(light) == rows(dark)

    drive(place, steps, size, first="gates")


@pytest.mark.parametrize("size", SIZES)
def test_a_line_has_score_threshold_interval_base_and_verdict(tmp_path: Path, size: tuple[int, int]) -> None:
    place = place_with(tmp_path, "blocked")

    async def steps(pilot: Pilot[int]) -> None:
        shown = await wait_for(pilot, "✗ failed")
        told = {line.split()[0] + line.split()[1]: line for line in rows(shown)}
        line = next(line for name, line in told.items() if name.startswith(("refusal", "Refusal")))
        for text in ("┃", "97.56 %", "98", "94.3–98.9", "✗ failed"):
            assert text in line
        assert ("ship" in line and "0 of 25" in line) == (size[0] > 100)
        assert "██" not in line

    drive(place, steps, size, first="gates")


def test_the_decision_stands_in_large_letters(tmp_path: Path) -> None:
    from tui.widgets.letters import large

    async def steps(pilot: Pilot[int]) -> None:
        shown = await wait_for(pilot, "✗ blocked:")
        for line in large("DEPLOYMENT BLOCKED", 118):
            assert line.strip() in shown

    drive(place_with(tmp_path, "blocked"), steps, first="gates")


@pytest.mark.parametrize("size", SIZES)
def test_from_a_harness_to_a_case_and_back(tmp_path: Path, size: tuple[int, int]) -> None:
    place = place_with(tmp_path, "blocked")

    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "✗ failed")
        await pilot.press("enter")  # the first gate that did not pass is highlighted
        await wait_for(pilot, "PDCA template", "88 of 100 passed", "✗ template-create-01")
        await pilot.press("enter")
        await wait_for(pilot, "• no ## Objective", "Asked", "Answered", WRONG, "Base model", "b Back")
        await pilot.press("n")
        await wait_for(pilot, "template-create-02", WRONG)
        await pilot.press("p")
        await wait_for(pilot, "template-create-01")
        await pilot.press("escape", "escape")
        await wait_for(pilot, "✗ blocked:", "x Failing")
        assert pilot.app.query_one(Gates).view == "main"

    drive(place, steps, size, first="gates")


def test_the_base_models_answer_stands_beside(tmp_path: Path) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "✗ failed")
        await pilot.press("end", "enter", "enter")
        await wait_for(pilot, WRONG, "Base model", "Sure, I will help with that.", "expected:")

    drive(place_with(tmp_path, "blocked"), steps, first="gates")


def test_cases_are_filtered_and_searched(tmp_path: Path) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        browser = pilot.app.query_one(CaseBrowser)
        await wait_for(pilot, "✗ failed")
        await pilot.press("enter")
        await wait_for(pilot, "all shown")
        await pilot.press("f")
        await wait_for(pilot, "only the 12 that did not pass")
        assert {case.verdict for case in browser.shown} == {"failed"}
        await pilot.press("f", "slash")
        await pilot.press(*"create-07", "enter")
        await wait_for(pilot, "with “create-07”", "1 shown")
        assert [case.id for case in browser.shown] == ["template-create-07"]
        await pilot.press("slash")
        browser.query_one("#case-search").value = "nowhere"  # type: ignore[attr-defined]
        await pilot.press("enter")
        await wait_for(pilot, "No case is like that")
        await pilot.press("slash", "escape")
        assert not browser.query_one("#case-search").display
        await pilot.press("b")
        await wait_for(pilot, "✗ blocked:")

    drive(place_with(tmp_path, "blocked"), steps, first="gates")


def test_a_mouse_opens_a_harness_and_a_case(tmp_path: Path) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "✗ failed")
        await pilot.click("#gates-list", offset=(4, 1))
        await wait_for(pilot, "88 of 100 passed")
        await pilot.click("#case-list", offset=(4, 2))
        await wait_for(pilot, "template-create-03", WRONG)

    drive(place_with(tmp_path, "blocked"), steps, first="gates")


def test_earlier_runs_are_chosen_from_the_list(tmp_path: Path) -> None:
    place = place_with(tmp_path, "blocked")
    gate_runs.cleared(place.outputs)

    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "✓ cleared: every gate holds")
        await pilot.press("o")
        await wait_for(
            pilot, "Show which evaluation?", "whole suite", "720/720", "import reads it", "base model"
        )
        await pilot.press("down", "down", "enter")
        await wait_for(pilot, "✗ blocked:", "import: reads run_20260102_120000, ✓ cleared")
        await pilot.press("o", "enter")
        await wait_for(pilot, "✓ cleared: every gate holds")

    drive(place, steps, first="gates")


def test_incidents_are_read_one_after_the_other(tmp_path: Path) -> None:
    place = place_with(tmp_path, "blocked")
    gate_runs.finished_run(
        place.outputs, "run_20260102_120000", gate_runs.failing_answers(), created="2026-01-02T12:00:00+00:00"
    )

    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "✗ blocked:")
        await pilot.press("i")
        await wait_for(
            pilot, "Incident 1 of 2", "PRECEDES:", "Objective", "• Trigger:", "20260102-120000-Web4mlx.Ev"
        )
        await pilot.press("n")
        await wait_for(pilot, "Incident 2 of 2", "20260101-120000")
        await pilot.press("p", "escape")
        await wait_for(pilot, "✗ blocked:")

    drive(place, steps, first="gates")


@pytest.mark.parametrize(
    ("state", "key", "why"),
    [
        ("empty", "x", "No evaluation is here yet"), ("empty", "c", "No evaluation is here yet"),
        ("empty", "r", "No evaluation is here yet"), ("empty", "i", "has left an incident"),
        ("cleared", "x", "Nothing failed in this run"), ("running", "r", "It is still being asked"),
        ("cleared", "f", "is for another view"), ("partial", "c", "no other evaluation"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_says_why(tmp_path: Path, state: str, key: str, why: str) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, STATES[state][0])
        await pilot.press(key)
        await wait_for(pilot, why)

    drive(place_with(tmp_path, state), steps, first="gates")
    assert not list_jobs(tmp_path / "outputs")


def test_each_view_offers_its_own_keys(tmp_path: Path) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "✗ failed", "s Run all", "c Compare")
        await pilot.press("enter")
        shown = await wait_for(pilot, "f Failing only", "/ Search")
        assert "s Run all" not in shown
        await pilot.press("2")
        await wait_for(pilot, "Training")
        await pilot.press("4")
        await wait_for(pilot, "f Failing only", "88 of 100 passed")

    drive(place_with(tmp_path, "blocked"), steps, first="gates")


def test_a_run_deleted_while_its_case_is_open_stays_readable(tmp_path: Path) -> None:
    place = place_with(tmp_path, "blocked")

    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "✗ failed")
        await pilot.press("o", "down", "enter")
        await wait_for(pilot, "✗ failed")
        await pilot.press("enter", "enter")
        await wait_for(pilot, WRONG)
        shutil.rmtree(place.outputs / "evals")
        await pilot.pause(1.5)
        await wait_for(pilot, WRONG)
        await pilot.press("escape", "escape")
        await wait_for(pilot, "its folder was deleted")
        await pilot.press("o", "enter")
        await wait_for(pilot, "No evaluation is here yet")

    drive(place, steps, first="gates")


def test_rubbish_truncation_and_fifty_sizes_leave_it_up(tmp_path: Path) -> None:
    place = place_with(tmp_path, "running")
    (folder,) = (place.outputs / "evals").glob("run_2026*")

    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "240 of 720 answers")
        with (folder / "responses.jsonl").open("ab") as file:
            file.write(b"\xff\xfe rubbish\n{}\n")
        await wait_for(pilot, "2 lines of responses.jsonl are no answers")
        (folder / "events.jsonl").write_bytes(b"")
        kept = (folder / "responses.jsonl").read_bytes()[:9000]
        (folder / "responses.jsonl").write_bytes(kept)
        for step in range(50):
            await pilot.resize_terminal(40 + step * 3, 12 + step)
        await pilot.press("enter", "enter", "escape", "escape")
        await pilot.resize_terminal(120, 40)
        whole = kept.count(b"\n")
        await wait_for(pilot, f"{whole} of 720 answers")

    drive(place, steps, first="gates")


def test_what_a_model_wrote_obeys_nobody(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    evil = "[red]not markup[/] \x1b[2J\x07 [@click=app.quit]no[/]"
    gate_runs.finished_run(place.outputs, "run_20260101_120000", dict.fromkeys(first_ids("canary", 1), evil))

    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "✗ failed")
        await pilot.press("end", "enter", "enter")
        shown = await wait_for(pilot, "[red]not markup[/] ·[2J· [@click=app.quit]no[/]")
        assert "\x1b" not in shown

    drive(place, steps, first="gates")


def test_a_recording_starts_nothing(tmp_path: Path) -> None:
    place = place_in(tmp_path, replayed="a recording")
    make("blocked", place.outputs)

    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "✗ failed")
        for key in "sxhkrc":
            await pilot.press(key)
        await wait_for(pilot, "nothing is started or stopped")

    app = drive(place, steps, first="gates")
    assert isinstance(app, Dashboard)
    assert "Evaluate the model?" not in screen_text(app) if app.is_running else True
    assert not list_jobs(place.outputs)
