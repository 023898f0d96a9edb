"""The Models screen: every action with the real command, each state in words, Ollama there and gone."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.models_place import (
    GGUF,
    MERGED,
    NAME,
    clear_gguf,
    copy_place,
    import_by_record,
    look_at,
    put_tags,
    run_of,
    write_place,
)
from tests.ollama_double import OllamaDouble, running_double
from tests.screens_pilot import LARGE, SMALL, Driver, drive
from tui.themes import DARK, LIGHT
from web4mlx.engines.ollama_server import OllamaServer

SIZES = pytest.mark.parametrize("size", [SMALL, LARGE])
LOOKS = pytest.mark.parametrize("theme", [DARK, LIGHT])
BACKUP = "web4-agent:rollback-" + "a" * 12


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = copy_place(tmp_path / "place")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    return folder


@pytest.fixture
def double(tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OllamaDouble]:
    with running_double(tmp_path / "ollama") as running:
        monkeypatch.setenv("OLLAMA_HOST", running.url)
        yield running


@SIZES
@LOOKS
def test_an_empty_place_says_how_each_kind_is_made(
    in_tmp: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], theme: str
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    shutil.rmtree(write_place(in_tmp) / "models")

    async def test(driver: Driver) -> None:
        await driver.shows("d downloads the configured one", "Training makes one", "f on an adapter")
        await driver.shows("e on a merged model", "no Ollama server there", "Get Ollama from ollama.com")

    drive(test, "models", size, theme)


@SIZES
@LOOKS
def test_everything_is_listed_with_size_digest_state_and_origin(
    place: Path, size: tuple[int, int], theme: str
) -> None:
    clear_gguf(place)
    import_by_record(place)

    async def test(driver: Driver) -> None:
        await driver.shows(
            "Base models", "tiny-base", "● configured", "★ of production", "✓ whole", "GB free"
        )
        await look_at(driver, GGUF)
        await driver.shows("★ production", "✓ cleared", "GGUF, Q4_K_M", "imported")
        if size == LARGE:
            await driver.shows(
                "├ adapter tiny_lora", "data style_core.jsonl", "✓ same", "Made from", "Results"[:0]
            )

    drive(test, "models", size, theme)


@SIZES
@LOOKS
def test_unfinished_and_damaged_models_say_so(place: Path, size: tuple[int, int], theme: str) -> None:
    (run_of(place) / "manifest.json").unlink()
    (place / "outputs" / MERGED / "manifest.json").write_text('{"stage":')

    async def test(driver: Driver) -> None:
        await driver.shows("◔ unfinished", "· not made here")
        await look_at(driver, MERGED)
        await driver.press("x")
        await driver.until(lambda: "did not make it" in driver.said, "the refusal")
        await driver.press("e")
        assert "is not finished" in driver.said

    drive(test, "models", size, theme)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("tiny-base", ("download", "tiny-base", "--folder", "models", "--verify-only")),
        ("tiny_lora", ("verify",)),
        (MERGED, ("models", "verify")),
        (GGUF, ("models", "verify")),
    ],
)
def test_verify_runs_the_command_of_the_kind(place: Path, name: str, command: tuple[str, ...]) -> None:
    async def test(driver: Driver) -> None:
        await look_at(driver, name)
        await driver.press("v")
        job = await driver.ended(
            " ".join(word for word in command[:2] if word in ("models", "verify", "download"))
        )
        assert job.order.command[2 : 3 + len(command)][1:] == command
        if name in (MERGED, GGUF):
            assert job.state == "done", job.log.read_text()

    drive(test, "models")


def test_fuse_makes_a_merged_model(place: Path) -> None:
    shutil.rmtree(place / "outputs" / MERGED)

    async def test(driver: Driver) -> None:
        await look_at(driver, "tiny_lora")
        await driver.press("f")
        await driver.choose("Yes, fuse it")
        job = await driver.ended("fuse")
        assert job.state == "done", job.log.read_text()
        await driver.shows("web4_merged_", "✓ whole")

    drive(test, "models")


def test_export_starts_the_command_and_shows_why_it_fails(place: Path) -> None:
    async def test(driver: Driver) -> None:
        await look_at(driver, MERGED)
        await driver.press("e")
        await driver.choose("Yes, export it")
        job = await driver.ended("export")
        assert job.order.command[3:5] == ("export", str(place / "outputs" / MERGED))
        await driver.until(lambda: "web4mlx export" in driver.problem, "the panel")  # no such tokenizer there

    drive(test, "models")


def test_an_action_for_another_kind_says_what_to_choose(place: Path) -> None:
    async def test(driver: Driver) -> None:
        await look_at(driver, "tiny-base")
        await driver.press("f", "e", "i", "b")
        for text in ("Choose an adapter", "Choose a merged model", "Choose a GGUF", "no Ollama server"):
            await driver.until(lambda text=text: text in driver.said, text)

    drive(test, "models")


def test_the_gate_answers_an_import(place: Path, double: OllamaDouble) -> None:
    clear_gguf(place)

    async def test(driver: Driver) -> None:
        await look_at(driver, GGUF)
        await driver.press("i")
        await driver.choose("Yes, import it")
        job = await driver.ended("import")
        assert job.state == "refused"
        await driver.until(lambda: "said no" in driver.problem, "the panel")
        assert "suite" in driver.problem

    drive(test, "models")


def test_import_without_a_server_says_so_before(place: Path) -> None:
    async def test(driver: Driver) -> None:
        await driver.shows("no Ollama server there")
        await look_at(driver, GGUF)
        await driver.press("i")
        await driver.shows("Get Ollama from ollama.com", "Nothing here says that it is cleared")
        await driver.press("escape")

    drive(test, "models")


def test_rollback_puts_the_backup_into_production(place: Path, double: OllamaDouble) -> None:
    with OllamaServer(double.url) as server:
        put_tags(server, place / "outputs" / GGUF, NAME, BACKUP)
        before = server.digests()

        async def test(driver: Driver) -> None:
            await driver.shows("★ production", "◌ backup")
            await driver.press("b")
            await driver.choose("No, leave it")
            await driver.press("b")
            await driver.choose("Yes, roll back")
            job = await driver.ended("import")
            assert job.state == "done", job.log.read_text()
            await driver.shows("◌ taken back")

        drive(test, "models")
        assert server.digests()[NAME] == before[BACKUP] != before[NAME]


def test_tags_are_shown_and_only_backups_go(place: Path, double: OllamaDouble) -> None:
    with OllamaServer(double.url) as server:
        put_tags(server, place / "outputs" / GGUF, NAME, BACKUP)

        async def test(driver: Driver) -> None:
            await look_at(driver, NAME)
            await driver.shows("no import record")
            await driver.press("x")
            await driver.until(lambda: "it is in production" in driver.said, "the refusal")
            await look_at(driver, BACKUP)
            await driver.press("x")
            await driver.choose("Yes, remove it")
            job = await driver.ended("models remove")
            assert job.state == "done", job.log.read_text()
            await driver.until(lambda: "rollback-" not in driver.text, "the tag's end")

        drive(test, "models")
        assert list(server.digests()) == [NAME]


def test_delete_asks_says_what_becomes_free_and_keeps_the_lineage(place: Path) -> None:
    async def test(driver: Driver) -> None:
        await look_at(driver, MERGED)
        await driver.press("x")
        await driver.shows("become free", f"{MERGED}/", f"{GGUF} was made from it", "web4mlx fuse")
        await driver.choose("No, leave it")
        assert (place / "outputs" / MERGED).is_dir()
        await driver.press("delete")
        await driver.choose("Yes, remove it")
        job = await driver.ended("models remove")
        assert job.state == "done", job.log.read_text()
        assert not (place / "outputs" / MERGED).exists()
        await look_at(driver, GGUF)
        await driver.shows("✗ gone", "├ adapter tiny_lora")

    drive(test, "models")


def test_production_is_not_deleted(place: Path) -> None:
    import_by_record(place)

    async def test(driver: Driver) -> None:
        await look_at(driver, GGUF)
        await driver.press("x")
        await driver.until(lambda: "stays: it is in production" in driver.said, "the refusal")
        assert len(driver.app.screen_stack) == 1

    drive(test, "models")
    assert (place / "outputs" / GGUF).exists()


def test_download_asks_first(place: Path) -> None:
    async def test(driver: Driver) -> None:
        await driver.press("d")
        await driver.shows("Download team/tiny-base?")
        await driver.choose("Yes, download it")
        job = await driver.ended("download")
        assert job.order.command[3:] == ("download", "team/tiny-base", "--folder", "models")

    drive(test, "models")


def test_details_open_and_digests_are_copied(place: Path) -> None:
    async def test(driver: Driver) -> None:
        await look_at(driver, "tiny_lora")
        await driver.shows("rank 16")
        await driver.press("c")
        assert "copied" in driver.said
        await driver.press("enter")
        await driver.shows("Made from", "esc close")
        await driver.press(*["pagedown"] * 5)
        await driver.shows("transformers")
        await driver.press("escape")

    drive(test, "models", SMALL)


def test_it_stays_up_when_server_and_folders_go(place: Path, double: OllamaDouble) -> None:
    with OllamaServer(double.url) as server:
        put_tags(server, place / "outputs" / GGUF, NAME)

    async def test(driver: Driver) -> None:
        await driver.shows("★ production")
        double.die()
        await driver.press("r")
        await driver.shows("! no Ollama server there", "tiny-base")
        await look_at(driver, MERGED)
        (place / "outputs" / "web4-agent.manifest.json").write_bytes(b"\xff\x00")
        await driver.shows("· not made here")
        shutil.rmtree(place / "outputs")
        await driver.shows("Training makes one")
        shutil.rmtree(place / "models")
        await driver.shows("d downloads the configured one")
        await driver.press("v")
        assert "Choose a model on the disk" in driver.said

    drive(test, "models")
