"""Commands of the Gates screen: asking, scoring again, comparing, as real jobs."""

from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests import gate_runs
from tests.dashboards import drive, wait_for, wait_so, wait_until
from tests.eval_place import fill, run
from tests.gate_places import place_with
from tests.gate_runs import WRONG
from tui.jobs.record import Job, list_jobs
from tui.place import find_place


def ended(outputs: Path, kind: str) -> Job | None:
    jobs = [job for job in list_jobs(outputs) if job.order.kind == kind and job.ended]
    return jobs[0] if jobs else None


def test_two_runs_are_compared_by_the_command_and_a_changed_case_opens(tmp_path: Path) -> None:
    place = place_with(tmp_path, "blocked")
    gate_runs.cleared(place.outputs)

    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "✓ cleared: every gate holds")
        await pilot.press("c")
        await wait_for(pilot, "Compare run_20260102_120000 with which?")
        await pilot.press("enter")
        await wait_for(pilot, "▲ better", "18 better", "Changed cases", "▲ pdca_template/template-create-01")
        job = wait_until(lambda: ended(place.outputs, "evals compare"), "the job's end")
        assert job.order.command[-1] == "--json"
        await pilot.press("enter")
        await wait_for(pilot, "template-create-01", "run_20260101_120000", WRONG, "✓ passed")
        await pilot.press("escape", "escape")
        await wait_for(pilot, "Changed cases")
        await pilot.press("escape")
        await wait_for(pilot, "every gate holds")

    drive(place, steps, first="gates")


def test_scoring_again_shows_what_the_suite_of_now_says_and_writes_when_told(tmp_path: Path) -> None:
    place = place_with(tmp_path, "unscored")

    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "r scores the stored answers")
        await pilot.press("r")
        await wait_for(pilot, "Score run_1 again?")
        await pilot.press("enter")
        await wait_for(pilot, "run_1, scored now", "CLEARED FOR DEPLOYMENT", "Nothing was written.")
        assert not (place.outputs / "evals" / "run_1" / "eval_report_final.json").exists()
        await pilot.press("escape", "r")
        await wait_for(pilot, "Score run_1 again?")
        await pilot.press("down", "enter")
        await wait_for(pilot, "✓ cleared: every gate holds")

    drive(place, steps, first="gates")


@pytest.fixture
def workplace(in_tmp: Path) -> Path:
    """A folder in which evaluations really run, on a scripted model that the outputs folder has exported.

    Three cases of one harness have been asked.
    """
    fill(in_tmp)
    run("--harness", "tron_format", "--limit", "3")
    return in_tmp


def test_one_harness_then_the_failing_cases_then_the_canaries_are_asked(workplace: Path) -> None:
    outputs = workplace / "outputs"

    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "? a look at 3 of 720 questions")
        await pilot.press("x")
        await wait_for(pilot, "Ask the failing cases again?", "3 cases of run_", "--failed-in")
        await pilot.press("down", "enter")
        await wait_for(pilot, "evals run --failed-in run_")
        await wait_so(pilot, lambda _: ended(outputs, "evals run"), "the job's end")
        assert len(list((outputs / "evals").glob("run_*"))) in (1, 2)  # the same cases are the same run
        await pilot.press("escape", "h")
        await wait_for(pilot, "Ask only TRON format?", "--harness tron_format")
        await pilot.press("escape", "k")
        await wait_for(pilot, "? a look at 20 of 720 questions", "✗ failed")

    place = find_place("config.toml")
    drive(place, steps, first="gates")
    assert not (outputs / "eval_report_final.json").exists()


def test_the_whole_suite_runs_as_a_job_and_its_bars_move(workplace: Path) -> None:
    outputs = workplace / "outputs"

    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "? a look at 3")
        await pilot.press("s")
        await wait_for(pilot, "Evaluate the model?", "evals run model.gguf --config config.toml")
        await pilot.press("down", "enter")
        await wait_for(pilot, "of 720 answers")
        await wait_for(pilot, "✗ blocked:", "import: reads this decision")

    drive(find_place("config.toml"), steps, first="gates")
    assert wait_until(lambda: ended(outputs, "evals run"), "the job's end").code == 1
