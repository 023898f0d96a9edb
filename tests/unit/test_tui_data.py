"""The Data screen: every action with the real command, each state in words, and files that go wrong."""

import json
import shutil
from pathlib import Path

import pytest

from tests.data_files import make_row, write_rows
from tests.models_place import write_place
from tests.screens_pilot import LARGE, SMALL, Driver, drive
from tui.screens.data import Data
from tui.themes import DARK, LIGHT
from web4mlx.config import load_config
from web4mlx.data.check import check_data
from web4mlx.data.report import DataReport
from web4mlx.events import EventLog
from web4mlx.models.base import find_base
from web4mlx.models.tokenizer import ChatTokenizer

SIZES = pytest.mark.parametrize("size", [SMALL, LARGE])
LOOKS = pytest.mark.parametrize("theme", [DARK, LIGHT])


@pytest.fixture
def place(in_tmp: Path) -> Path:
    return write_place(in_tmp)


def check_here() -> DataReport:
    """What `data check` does, in this process."""
    config = load_config(Path("config.toml"))
    return check_data(config, ChatTokenizer(find_base(config.model)), EventLog(None, "tiny", "data"))


def spoil(place: Path) -> None:
    """An empty answer, a copy of a held-out row, and too few rows."""
    held_out = json.loads((place / "data" / "eval.jsonl").read_text().splitlines()[1])
    texts = {name: held_out[name] for name in ("instruction", "input", "output")}
    rows = [make_row("style-0"), make_row("style-1", output=" "), make_row("style-2", **texts)]
    write_rows(place / "data" / "style_core.jsonl", rows)


@SIZES
@LOOKS
def test_before_a_check_it_says_how_to_begin(place: Path, size: tuple[int, int], theme: str) -> None:
    async def test(driver: Driver) -> None:
        await driver.shows("not yet", "Nothing has been checked yet", "s checks schema", "style_core.jsonl")
        assert "none before a check" in driver.text

    drive(test, "data", size, theme)


@SIZES
@LOOKS
def test_a_passed_check(place: Path, size: tuple[int, int], theme: str) -> None:
    check_here()

    async def test(driver: Driver) -> None:
        await driver.shows("✓ passed", "14 samples", "no errors", "✓ nothing was found", "length limit 1,000")
        line = next(line for line in driver.text.splitlines() if "style_core.jsonl" in line)
        assert line.split()[1:6] == ["✓", "style_core.jsonl", "8", "8", *line.split()[5:6]]
        if size == SMALL:
            await driver.press("v")
        await driver.shows("Training rows by tokens", "row 1 of 8", "style-0", "⟦", "kept whole")
        driver.app.query_one("#data-preview").focus()
        await driver.press("end")
        await driver.shows("<|im_end|>⟧")

    drive(test, "data", size, theme)


@SIZES
@LOOKS
def test_a_failed_check_lists_findings_with_their_hints(
    place: Path, size: tuple[int, int], theme: str
) -> None:
    spoil(place)
    check_here()

    async def test(driver: Driver) -> None:
        await driver.shows("✗ failed", "✗ 3 errors", "Findings (3)", "✗ 8", "count", "2 samples; expected 8")
        await driver.press("down")
        await driver.shows("bad_row", "style_core.jsonl:2", "must not", "Hint  Correct the row")
        await driver.press("down", "enter")
        await driver.shows("row 3 of 3", "style-2")

    drive(test, "data", size, theme)


@SIZES
@LOOKS
def test_a_damaged_report_is_said_with_its_hint(place: Path, size: tuple[int, int], theme: str) -> None:
    (place / "outputs").mkdir()
    (place / "outputs" / "data_report.json").write_text('{"ok": true,')

    async def test(driver: Driver) -> None:
        await driver.shows("! errored", "data_report.json is not a report", "Hint  Run the check again.")

    drive(test, "data", size, theme)


@SIZES
def test_check_runs_the_command_and_shows_what_it_found(place: Path, size: tuple[int, int]) -> None:
    async def test(driver: Driver) -> None:
        await driver.press("s")
        await driver.shows("● running checking")
        job = await driver.ended("data check")
        assert job.order.title == "web4mlx data check --config config.toml"
        await driver.shows("✓ passed", "14 samples")

    drive(test, "data", size)


def test_a_failed_check_opens_the_error_panel(place: Path) -> None:
    spoil(place)

    async def test(driver: Driver) -> None:
        await driver.press("s")
        await driver.ended("data check")
        await driver.until(lambda: "said no" in driver.problem, "the panel")
        assert "quarantine" in driver.problem

    drive(test, "data")


def test_quarantine_asks_moves_and_checks_again(place: Path) -> None:
    spoil(place)
    check_here()

    async def test(driver: Driver) -> None:
        await driver.press("x")
        await driver.choose("No, leave it")
        assert len((place / "data" / "style_core.jsonl").read_text().splitlines()) == 3
        await driver.press("x")
        await driver.choose("Yes, move them")
        await driver.ended("data check")
        await driver.shows("aside", "✗ 1 error")
        assert len((place / "data" / "style_core.jsonl").read_text().splitlines()) == 1

    drive(test, "data", (160, 40))


def test_quarantine_needs_errors(place: Path) -> None:
    check_here()

    async def test(driver: Driver) -> None:
        await driver.press("x")
        assert "the check found no error" in driver.said

    drive(test, "data")


def test_samples_are_made_where_the_files_belong(place: Path) -> None:
    for path in (place / "data").iterdir():
        path.unlink()

    async def test(driver: Driver) -> None:
        await driver.shows("3 of 3 files are missing", "m writes a generated corpus", "missing")
        await driver.press("m")
        await driver.choose("The demo's")
        job = await driver.ended("data sample")
        assert job.order.command[-6:] == ("--scale", "demo", "--seed", "7", "--folder", "data")
        rows = len((place / "data" / "style_core.jsonl").read_text("utf-8").splitlines())
        await driver.shows(f"row 1 of {rows:,}")
        assert len(list((place / "data").glob("*.jsonl"))) == 9

    drive(test, "data")


def test_rows_are_reached_by_step_number_id_and_file(place: Path) -> None:
    async def test(driver: Driver) -> None:
        for keys, shown in (
            (["n", "n"], "row 3 of 8"), (["N"], "row 2 of 8"), (["g", "8", "enter"], "row 8 of 8"),
            (["n"], "row 8 of 8"), (["g", *"style-4", "enter"], "row 5 of 8"), (["n"], "row 6 of 8"),
            (["g", "9", "9", "enter"], "row 8 of 8"),
        ):  # fmt: skip
            await driver.press(*["minus" if key == "-" else key for key in keys])
            await driver.shows(shown)
        await driver.press("o")
        await driver.choose("eval.jsonl")
        await driver.shows("eval.jsonl · row 1 of 3", "eval-0")
        await driver.press("g", *"nobody", "enter")
        await driver.shows("no row with the id 'nobody'")
        await driver.press("n")
        await driver.shows("eval.jsonl · row")

    drive(test, "data")


def test_tokens_and_text(place: Path) -> None:
    async def test(driver: Driver) -> None:
        await driver.shows("<|im_start|>assistant")
        await driver.press("w")
        await driver.shows("│⏎", "⟧")
        await driver.press("w")
        await driver.until(lambda: "│⏎" not in driver.text, "text again")

    drive(test, "data")


def test_learnt_lines_have_a_bar_and_read_ones_have_none(place: Path) -> None:
    async def test(driver: Driver) -> None:
        await driver.shows("▌ ⟦", "⟧")
        lines = driver.text.splitlines()
        assert not any("▌" in line for line in lines if "im_start" in line)
        assert any("▌" in line for line in lines if "<|im_end|>⟧" in line)

    drive(test, "data")


def test_the_filter_goes_through_the_severities(place: Path) -> None:
    spoil(place)
    check_here()

    async def test(driver: Driver) -> None:
        await driver.press("f")
        await driver.shows("Findings: errors (3)")
        await driver.press("f")
        await driver.shows("Findings: warnings (0)", "no warnings; f shows the others")
        await driver.press("f")
        await driver.shows("Findings (3)")

    drive(test, "data")


def test_a_file_is_chosen_with_the_keys_and_the_mouse(place: Path) -> None:
    async def test(driver: Driver) -> None:
        driver.app.query_one("#data-files").focus()
        await driver.press("down", "enter")
        await driver.shows("guardrails.jsonl · row 1 of 6")
        await driver.pilot.click("#data-files", offset=(6, 2))
        await driver.shows("eval.jsonl · row 1 of 3")

    drive(test, "data")


def test_files_that_changed_after_the_check_are_named(place: Path) -> None:
    check_here()
    import os

    changed = (place / "outputs" / "data_report.json").stat().st_mtime + 60
    os.utime(place / "data" / "eval.jsonl", (changed, changed))

    async def test(driver: Driver) -> None:
        await driver.shows("! changed since: eval.jsonl")

    drive(test, "data")


def test_without_a_base_the_preview_says_what_to_do(place: Path) -> None:
    shutil.rmtree(place / "models")

    async def test(driver: Driver) -> None:
        await driver.shows("base model team/tiny-base", "web4mlx download")

    drive(test, "data")


def test_it_stays_up_whatever_happens_to_the_files(place: Path) -> None:
    spoil(place)
    check_here()
    report = place / "outputs" / "data_report.json"
    whole = report.read_text()

    async def test(driver: Driver) -> None:
        await driver.shows("✗ failed")
        report.write_text(whole[: len(whole) // 2])
        await driver.shows("! errored")
        report.write_bytes(b"\xff\xfe\x00garbage")
        await driver.shows("is not a report")
        report.write_text(whole)
        await driver.shows("✗ failed")
        (place / "data" / "style_core.jsonl").write_bytes(b"\x00\xff\n{\n")
        await driver.shows("this row is no sample", "not UTF-8")
        shutil.rmtree(place / "outputs")
        await driver.shows("Nothing has been checked yet")
        shutil.rmtree(place / "data")
        await driver.shows("3 of 3 files are missing")
        await driver.press("n")
        assert isinstance(driver.app.pane, Data)

    drive(test, "data")
