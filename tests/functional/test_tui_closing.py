"""What arrives while the dashboard closes, when its widgets have gone, is dropped in silence."""

from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.dashboards import drive, place_in, wait_for
from tui.app import Dashboard
from tui.feed.jobs import JobsReadings
from tui.feed.reader import Problem
from tui.screens import SCREENS
from tui.screens.models import Models
from tui.screens.pane import Pane
from tui.screens.rag import Rag
from tui.screens.smoke import Smoke


def test_nothing_that_still_arrives_finds_missing_widgets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late: list[Pane] = []

    async def steps(pilot: Pilot[int]) -> None:
        app = pilot.app
        assert isinstance(app, Dashboard)
        assert not app.is_closing
        for number, entry in enumerate(SCREENS, 1):
            await pilot.press(str(number))
            await wait_for(pilot, entry.title)
        panes = list(app.query(Pane))
        stop_reading = app.job_reader.close

        def let_everything_arrive() -> None:
            stop_reading()
            deliver(app, panes)
            late.extend(panes)

        monkeypatch.setattr(app.job_reader, "close", let_everything_arrive)

    drive(place_in(tmp_path), steps)
    assert len(late) == len(SCREENS)


def deliver(app: Dashboard, panes: list[Pane]) -> None:
    """Call what messages of the dashboard's threads call."""
    assert app.is_closing
    assert not app.query(Pane)
    app.on_dashboard_jobs_read(app.JobsRead(JobsReadings((), ())))
    app.on_dashboard_submitted(app.Submitted(Problem("too late")))
    app.look_around()
    for pane in panes:
        pane.on_pane_delivered(pane.Delivered(None))
        match pane:
            case Models():
                pane.on_models_answered(pane.Answered(Problem("too late")))
            case Rag():
                pane.on_rag_answered(pane.Answered(Problem("too late")))
            case Smoke():
                pane.on_smoke_servers_read(pane.ServersRead(pane._read_servers()))
