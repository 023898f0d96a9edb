"""The RAG screen on real stores, with the real embedder in the real worker process."""

import os
import shutil
import signal
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from tests.dashboards import (
    drive,
    screen_text,
    wait_for,
    wait_until,
)
from tests.stores import store_place, write_store
from tui.screens.rag import Rag
from web4mlx.rag.folder import current_generation
from web4mlx.rag.schema import DATABASE

SIZES = [(80, 24), (120, 40)]
THEMES = ["dark", "light"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_store(tmp_path_factory.mktemp("store"))


def rag_of(pilot: Pilot[int]) -> Rag:
    return pilot.app.query_one(Rag)


async def ask(pilot: Pilot[int], text: str) -> None:
    """Type a question and wait for its answer."""
    await pilot.press("slash")
    rag_of(pilot).search.query_one(Input).value = text
    await pilot.press("enter")
    await wait_for(pilot, " in ", " ms", "Document")


async def in_theme(pilot: Pilot[int], theme: str) -> None:
    if theme == "light":
        await pilot.press("t")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("theme", THEMES)
def test_without_a_store_it_says_what_to_do(
    tmp_path: Path, made: Path, size: tuple[int, int], theme: str
) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await in_theme(pilot, theme)
        await wait_for(pilot, "No store is at", "builds it from")
        await pilot.press("c")
        await wait_for(pilot, "There is no store yet")

    drive(store_place(tmp_path, made, db=tmp_path / "none"), steps, size, first="rag")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("verdict", ["passed", "failed"])
def test_it_shows_tiers_marks_speed_and_the_check(
    tmp_path: Path, made: Path, size: tuple[int, int], theme: str, verdict: str
) -> None:
    place = store_place(tmp_path, made, settings=str(made / f"{verdict}.toml"))
    shutil.copy(made / f"{verdict}.json", place.outputs / "rag_check.json")

    async def steps(pilot: Pilot[int]) -> None:
        await in_theme(pilot, theme)
        await wait_for(
            pilot, "Store", "pdca_historical", "documents", "expected", "Graph", "3 PDCAs", "/ Ask"
        )
        if verdict == "failed":
            shown = await wait_for(pilot, "✗ failed: counts")
            assert "✗       9" in shown
        else:
            await wait_for(pilot, "✓ passed", "✓       1")
        if size[0] >= 120:
            await wait_for(pilot, "untrained", "semantic", "p95", "known items", "✓ good")
        await pilot.press("d")
        await wait_for(pilot, "Check of the store", "tables")
        if verdict == "failed":
            await wait_for(pilot, "components: 1 documents, expected 9")
        await pilot.press("escape")

    drive(place, steps, size, first="rag")


@pytest.mark.parametrize("size", SIZES)
def test_a_damaged_store_is_an_error_with_its_hint_and_heals(
    tmp_path: Path, made: Path, size: tuple[int, int]
) -> None:
    own = Path(shutil.copytree(made, tmp_path / "made"))
    generation = current_generation(own / "rag")
    assert generation is not None
    database = generation / DATABASE
    whole = database.read_bytes()
    database.write_bytes(b"no database" * 2000)

    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "! errored", "Hint", "✗ ")
        await pilot.press("escape")
        database.write_bytes(whole)
        await wait_for(pilot, "not checked yet", "pdca_historical")
        shutil.rmtree(own / "rag")
        await wait_for(pilot, "No store is at")

    drive(store_place(tmp_path, own), steps, size, first="rag")


def test_a_report_that_is_rubbish_is_said_and_a_later_store_makes_it_old(tmp_path: Path, made: Path) -> None:
    place = store_place(tmp_path, made)
    record = place.outputs / "rag_check.json"
    record.write_text('{"store": ', "utf-8")

    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "rag_check.json cannot be read")
        record.write_text((made / "passed.json").read_text("utf-8").replace("generation-", "generation-old"))
        await wait_for(pilot, "✓ passed", "written since")

    drive(place, steps, first="rag")


def test_questions_are_answered_filtered_and_their_links_followed(tmp_path: Path, made: Path) -> None:
    place = store_place(tmp_path, made)
    workers = []

    async def steps(pilot: Pilot[int]) -> None:
        await ask(pilot, "version conflict of components")
        workers.append(rag_of(pilot).asker.worker)
        await wait_for(pilot, "meaning 0.", "◇ untrained", "Links  1 before, 1 after", "precedes it")
        await pilot.press("g", "enter")
        await wait_for(
            pilot, "Document, 1 link away", "Save/Restart Agent", "Start with the unicorn importer"
        )
        await pilot.press("backspace")
        await wait_for(pilot, "Links  1 before, 1 after")
        await pilot.press("o")
        await wait_for(pilot, "Pin versions of all components in one file")
        await pilot.press("escape", "u")
        await wait_for(pilot, "untrained only")
        await pilot.press("f")
        await wait_for(pilot, "Restrict questions")
        pilot.app.screen.query_one("#field-start", Input).value = "2025-10-32"
        await pilot.press("ctrl+s")
        await wait_for(pilot, "✗ 2025-10-32: not a day")
        pilot.app.screen.query_one("#field-start", Input).value = "2025-10-28"
        pilot.app.screen.query_one("#field-collections", Input).value = "pdca_historical"
        await pilot.press("ctrl+s")
        await wait_for(pilot, "2025-10-28 to the last")
        await wait_until_hits(pilot, lambda ids: ids and all("20251028" in one for one in ids))

    drive(place, steps, first="rag")
    assert workers[0].process.poll() is not None  # it has ended with the dashboard


async def wait_until_hits(pilot: Pilot[int], is_so: object) -> None:
    """Wait until the documents of the hits are as expected."""
    import asyncio

    for _ in range(600):
        await asyncio.sleep(0.05)
        if is_so([str(hit.metadata.get("pdca_id")) for hit in rag_of(pilot).search.hits]):  # type: ignore[operator]
            return
    raise AssertionError(screen_text(pilot.app))  # type: ignore[arg-type]


def test_a_narrow_terminal_shows_the_store_or_its_answers(tmp_path: Path, made: Path) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "pdca_historical")
        await ask(pilot, "release guide")
        assert "Graph" not in screen_text(pilot.app)  # type: ignore[arg-type]
        hits = rag_of(pilot).search.query_one("#rag-hits", OptionList)
        assert hits.has_focus
        await pilot.press("down", "up", "enter")
        await wait_for(pilot, "How releases are made.", "esc close")
        await pilot.press("escape", "v")
        await wait_for(pilot, "Graph")

    drive(store_place(tmp_path, made), steps, (80, 24), first="rag")


def test_a_worker_that_dies_is_an_error_and_the_next_question_is_answered(tmp_path: Path, made: Path) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await ask(pilot, "unicorn importer")
        worker = rag_of(pilot).asker.worker
        assert worker is not None
        os.kill(worker.process.pid, signal.SIGSTOP)  # so that it is asked, and dies over it
        await pilot.press("slash")
        rag_of(pilot).search.query_one(Input).value = "versions"
        await pilot.press("enter")
        await wait_for(pilot, "● running asking", "esc stops it")
        os.kill(worker.process.pid, signal.SIGKILL)
        await wait_for(pilot, "killed by SIGKILL", "rag build --rebuild")
        await pilot.press("escape")
        await ask(pilot, "unicorn importer")
        await pilot.press("slash")
        rag_of(pilot).search.query_one(Input).value = "versions"
        worker = rag_of(pilot).asker.worker
        assert worker is not None
        os.kill(worker.process.pid, signal.SIGSTOP)
        await pilot.press("enter")
        await wait_for(pilot, "● running asking")
        await pilot.press("escape")
        await wait_for(pilot, "Asking was stopped.")
        wait_until(lambda: worker.process.poll() is not None)

    drive(store_place(tmp_path, made), steps, first="rag")
