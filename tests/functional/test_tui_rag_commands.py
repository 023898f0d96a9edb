"""Commands of the RAG screen: check, build, mark, as the program's own jobs."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.dashboards import drive, only_sleepers, wait_for
from tests.stores import store_place, write_store
from tui.jobs.record import list_jobs

SIZES = [(80, 24), (120, 40)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_store(tmp_path_factory.mktemp("store"))


@pytest.fixture
def own(made: Path, tmp_path: Path) -> Path:
    """A store of its own, for what changes it."""
    return Path(shutil.copytree(made, tmp_path / "made"))


@pytest.fixture
def sleeping(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Let every command of this screen be a sleeper, and stop them in the end."""
    with only_sleepers(monkeypatch, tmp_path / "outputs", "rag "):
        yield


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.usefixtures("sleeping")
def test_check_build_and_marks_start_the_commands_of_the_program(
    tmp_path: Path, made: Path, size: tuple[int, int]
) -> None:
    place = store_place(tmp_path, made)
    db = ["--db", str(made / "rag"), "--config", str(made / "passed.toml")]

    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "pdca_historical")
        await pilot.press("c")
        await wait_for(pilot, "● running rag check", "asleep")
        await pilot.press("b")
        await wait_for(pilot, "Build the store?")
        await pilot.press("down", "enter")
        await wait_for(pilot, "waits: something heavy is running")
        await pilot.press("m")
        await wait_for(pilot, "Mark what was trained")
        await pilot.press("ctrl+s")
        await wait_for(pilot, "the training needs a name")
        for key, value in (("batch", "b 1"), ("date", "2026-01-02"), ("where", "is_negative=false")):
            pilot.app.screen.query_one(f"#field-{key}", Input).value = value
        await pilot.press("ctrl+s")
        await wait_for(pilot, "● running rag mark")
        await pilot.press("M")
        await wait_for(pilot, "Take marks away?")
        await pilot.press("ctrl+s")
        await wait_for(pilot, "Take these marks away?", "all of them")
        await pilot.press("enter")  # the harmless answer stands first

    drive(place, steps, size, first="rag")
    mark, build, check = (list(job.order.command[3:]) for job in list_jobs(place.outputs))
    assert check == [*db, "--record", str(place.outputs / "rag_check.json")]
    assert build == [
        str(made / "repo"),
        "--tools",
        str(made / "tools"),
        *db,
        "--record",
        str(place.outputs / "rag_build.json"),
        "--rebuild",
    ]
    assert mark == ["--batch", "b 1", "--date", "2026-01-02", "--where", "is_negative=false", *db]


def test_the_real_commands_check_mark_and_unmark(tmp_path: Path, own: Path) -> None:
    place = store_place(tmp_path, own)

    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "not checked yet")
        await pilot.press("c")
        await wait_for(pilot, "✓ passed", "known items", "semantic")
        await pilot.press("1")
        await wait_for(pilot, "rag_check.json")
        await pilot.press("5", "m")
        await wait_for(pilot, "Mark what was trained")
        pilot.app.screen.query_one("#field-batch", Input).value = "batch_001"
        pilot.app.screen.query_one("#field-collections", Input).value = "tool_examples"
        await pilot.press("ctrl+s")
        await wait_for(pilot, "6 trained", "batch_001", "written since")
        await pilot.press("M")
        await wait_for(pilot, "Take marks away?")
        await pilot.press("ctrl+s")
        await wait_for(pilot, "Take these marks away?")
        await pilot.press("down", "enter")
        await wait_for(pilot, "0 trained", "no training has been marked")

    drive(place, steps, first="rag")


@pytest.mark.usefixtures("sleeping")
def test_a_missing_sample_is_generated_and_an_unnamed_source_asked_for(tmp_path: Path, made: Path) -> None:
    place = store_place(
        tmp_path, made, db=tmp_path / "none", source=tmp_path / "s" / "repo", sample_scale="demo"
    )

    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "generated")
        await pilot.press("b")
        await wait_for(pilot, "Generate the sample repository?")
        await pilot.press("down", "enter")
        await wait_for(pilot, "● running rag sample")

    drive(place, steps, first="rag")
    (job,) = list_jobs(place.outputs)
    assert job.order.command[3:] == ("--scale", "demo", "--seed", "7", "--folder", str(tmp_path / "s"))
    nameless = store_place(tmp_path, made, db=tmp_path / "none", source=None, tools=None)

    async def name_it(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "rag.source.")
        await pilot.press("b")
        await wait_for(pilot, "Build the store from what?")
        await pilot.press(*"nowhere", "enter", "enter")
        await wait_for(pilot, "nowhere is no folder")
        pilot.app.screen.query_one("#field-source", Input).value = str(made / "repo")
        await pilot.press("ctrl+s")
        await wait_for(pilot, "Build the store?")
        await pilot.press("enter")
        await wait_for(pilot, "rag build")

    drive(nameless, name_it, first="rag")
    assert list_jobs(place.outputs)[0].order.command[3] == str(made / "repo")
