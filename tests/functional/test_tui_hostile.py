"""Texts that look like markup, or like a terminal's commands, stand on every screen as they are."""

from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.dashboards import drive, place_in, record_run, wait_for, write_job_folder
from tui.app import Dashboard
from tui.feed.reader import Problem
from tui.screens import SCREENS
from web4mlx.events import EventLog, Failed, Started, Warned

HOSTILE = ("[=", "[ /", "[(", "[/]", "[$nothing]", "[@click=app.quit]x[/]", "end\\", "\x1b[31m", "[b][/i]")
MARK = "odd"


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """A run, a pipeline and a job all of whose texts are hostile."""
    outputs = place_in(tmp_path).outputs
    run = record_run(outputs, end="")
    text = f"{MARK} {' '.join(HOSTILE)}"
    with EventLog(run / "events.jsonl", run.name, "train") as log:
        log.write(Warned, code="[=", message=text, advice=text)
        log.write(Failed, message=text, hint=text)
    with EventLog(outputs / "pipeline.jsonl", "tiny", "train") as log:
        log.write(Started, plan={"[=": "[ /"})
        log.write(Failed, message=text, hint=text)
    (outputs / "train.log").write_text("\n".join(HOSTILE))
    job = write_job_folder(outputs, "20260101_120000_00_train", f"{text}\nerror: {text}\n", title=text)
    (job / "exit.json").write_text('{"code": 4, "ended": 2e9}')
    for name in ("data_report.json", "rag_check.json", "smoke_test_report.json", "eval_report_final.json"):
        (outputs / name).write_text(f'{{"{MARK}": "[=",')
    return outputs


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_every_screen_shows_what_others_wrote(tmp_path: Path, outputs: Path, size: tuple[int, int]) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        app = pilot.app
        assert isinstance(app, Dashboard)
        await wait_for(pilot, f"{MARK} [= [ / [( [/]")
        for number, entry in enumerate(SCREENS, 1):
            await pilot.press(str(number))
            await wait_for(pilot, entry.title)
        await wait_for(pilot, "following")
        await pilot.press("2", "w")
        await wait_for(pilot, "Warnings of", MARK)
        await pilot.press("escape", "j")
        await wait_for(pilot, f"{MARK} [= [ / [(")
        await pilot.press("enter")
        await wait_for(pilot, "Show its log")
        await pilot.press("enter")
        await wait_for(pilot, "[= [ / [(", "█ Log")

    drive(place_in(tmp_path), steps, size)


@pytest.mark.parametrize("text", HOSTILE)
def test_dialogs_panels_and_notices_show_it_too(tmp_path: Path, text: str) -> None:
    from tui.widgets.dialogs import Choice, Reading
    from tui.widgets.problem import ProblemPanel

    async def steps(pilot: Pilot[int]) -> None:
        app = pilot.app
        assert isinstance(app, Dashboard)
        app.pane.notify(f"said {text}", title=text)
        app.query_one(ProblemPanel).show(Problem(f"cause {text}", text), Path(text), (text, text))
        await wait_for(pilot, "said", "cause")
        app.push_screen(Choice(f"choose {text}", [("a", "one")]))
        await wait_for(pilot, "choose")
        app.push_screen(Reading(f"read {text}", "all"))
        await wait_for(pilot, "read ")

    drive(place_in(tmp_path), steps)
