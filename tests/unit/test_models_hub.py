"""Downloading from the Hub: resume, pinning, disk, hashes, and each failure as its own error."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub_double import COMMIT, HubDouble, serve_hub
from tests.micro_models import write_micro_llama
from web4mlx import artifacts
from web4mlx.artifacts import read_manifest
from web4mlx.config.schema import ModelConfig
from web4mlx.errors import CheckFailed, MissingPrerequisite, StageCrashed, UsageError
from web4mlx.events import Event, EventLog, Progress, Warned
from web4mlx.machine import disk
from web4mlx.models.base import ensure_base, find_base
from web4mlx.models.catalog import CatalogEntry
from web4mlx.models.download import download_base, plan_download, verify_base
from web4mlx.models.hub import HuggingFaceHub, NoNetwork
from web4mlx.models.hub_download import download_from_hub, partial_folder
from web4mlx.models.verify import Finding

HUB_ID = "team/Micro-Llama"
ENTRY = CatalogEntry("micro-llama", HUB_ID)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_micro_llama(tmp_path_factory.mktemp("source"), shards=3)
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    (folder / "modeling_custom.py").write_text("raise SystemExit")
    (folder / "README.md").write_text("# Micro")
    return folder


@pytest.fixture
def hub(source: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubDouble]:
    from huggingface_hub import constants

    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 16_384)  # a broken chunk is fetched again
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    with serve_hub(HubDouble(source, HUB_ID)) as double:
        monkeypatch.setenv("HF_ENDPOINT", double.url)
        yield double


@pytest.fixture(autouse=True)
def _no_load_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading in mlx-lm takes seconds and has a test of its own."""
    monkeypatch.setattr("web4mlx.models.verify.try_loading", lambda folder: Finding(check="loads"))


def listen() -> tuple[EventLog, list[Event]]:
    seen: list[Event] = []
    return EventLog(None, "test", "download", seen.append), seen


def download(folder: Path, revision: str | None = None) -> list[Event]:
    log, seen = listen()
    download_from_hub(HuggingFaceHub(), ENTRY, revision, folder, log)
    return seen


def test_download_is_whole_pinned_and_without_pickles_or_code(hub: HubDouble, tmp_path: Path) -> None:
    folder = tmp_path / "micro-llama"
    seen = download(folder)
    manifest = read_manifest(folder)
    assert manifest is not None
    assert manifest.config["commit"] == COMMIT
    assert manifest.config["source"] == "hub"
    names = {path.name for path in folder.iterdir()}
    assert names == set(manifest.outputs) | {"manifest.json"}
    assert {"model-00003-of-00003.safetensors", "config.json", "tokenizer.json"} <= names
    assert not names & {"pytorch_model.bin", "modeling_custom.py", "README.md"}
    assert not partial_folder(folder).exists()
    progress = [event for event in seen if isinstance(event, Progress)]
    assert progress[-1].done == progress[-1].total == sum(manifest.metrics["file_bytes"].values())


def test_broken_connection_keeps_what_was_fetched_and_resumes(hub: HubDouble, tmp_path: Path) -> None:
    folder = tmp_path / "micro-llama"
    largest = max(hub.folder.glob("*.safetensors"), key=lambda path: path.stat().st_size)
    hub.break_after, hub.stays_down = 40_000, True
    with pytest.raises(NoNetwork) as caught:
        download(folder)
    assert "run the same command again" in caught.value.hint
    assert not folder.exists()
    parts = list(partial_folder(folder).glob("*.part"))
    assert len(parts) == 1
    held = parts[0].stat().st_size
    assert 0 < held < largest.stat().st_size
    hub.break_after, hub.is_down = None, False
    hub.ranges.clear()
    download(folder)
    assert (parts[0].name.removesuffix(".part"), held) in hub.ranges
    assert (folder / largest.name).read_bytes() == largest.read_bytes()


def test_connection_that_breaks_again_and_again_is_continued_in_one_run(
    hub: HubDouble, tmp_path: Path
) -> None:
    hub.break_after = 60_000
    download(tmp_path / "micro-llama")
    assert any(start > 0 for _, start in hub.ranges)


def test_wrong_hash_is_named_and_the_file_is_fetched_again(hub: HubDouble, tmp_path: Path) -> None:
    folder = tmp_path / "micro-llama"
    hub.corrupt = "model-00002-of-00003.safetensors"
    with pytest.raises(CheckFailed, match=r"model-00002-of-00003.safetensors: wrong hash"):
        download(folder)
    assert not folder.exists()
    hub.corrupt = ""
    hub.ranges.clear()
    download(folder)
    assert ("model-00002-of-00003.safetensors", 0) in hub.ranges
    assert "config.json" not in dict(hub.ranges)


def test_small_file_with_wrong_content_is_found_by_its_git_hash(hub: HubDouble, tmp_path: Path) -> None:
    hub.corrupt = "config.json"
    with pytest.raises(CheckFailed, match=r"config.json: wrong hash: git sha1"):
        download(tmp_path / "micro-llama")


def test_unknown_model_unknown_revision_and_server_errors_differ(hub: HubDouble) -> None:
    with pytest.raises(UsageError, match="no model 'team/nothing'"):
        HuggingFaceHub().describe("team/nothing", None)
    with pytest.raises(UsageError, match="no revision 'v9'"):
        HuggingFaceHub().describe(HUB_ID, "v9")
    hub.status = 503
    with pytest.raises(NoNetwork, match="answered 503"):
        HuggingFaceHub().describe(HUB_ID, None)


def test_answer_that_is_shorter_than_announced_is_said_as_such(hub: HubDouble, tmp_path: Path) -> None:
    hub.short_of_bytes = 10
    with pytest.raises(NoNetwork, match="less than it announced"):
        download(tmp_path / "micro-llama")


def test_login_page_in_place_of_the_hub_is_said_as_such(hub: HubDouble) -> None:
    hub.login_page = b"<html>Welcome to our hotel"
    with pytest.raises(NoNetwork, match="not the Hub"):
        HuggingFaceHub().describe(HUB_ID, None)


def test_malformed_hub_id_is_refused(hub: HubDouble) -> None:
    with pytest.raises(UsageError, match="not a Hub id"):
        HuggingFaceHub().describe("team/bad--name..", None)


def test_copy_from_elsewhere_is_replaced_when_the_hub_is_demanded(hub: HubDouble, tmp_path: Path) -> None:
    folder = write_micro_llama(tmp_path / "micro-llama")
    artifacts.write_manifest(folder, artifacts.new_manifest("download", config={"source": "wheel"}))
    config = ModelConfig(base=HUB_ID, folder=tmp_path)
    assert not plan_download(config, "hub").is_present
    ensure_base(config, listen()[0])
    assert hub.ranges == []
    ensure_base(config, listen()[0], "hub")
    manifest = read_manifest(folder)
    assert manifest is not None
    assert manifest.config["source"] == "hub"


def test_second_process_waits_for_the_first_and_says_so(hub: HubDouble, tmp_path: Path) -> None:
    from filelock import FileLock

    lock = FileLock(tmp_path / ".micro-llama.lock")
    lock.acquire()
    log, seen = listen()
    log.listeners.append(lambda event: lock.release() if isinstance(event, Warned) else None)
    ensure_base(ModelConfig(base=HUB_ID, folder=tmp_path), log)
    assert [event.code for event in seen if isinstance(event, Warned)] == ["base-locked"]


def test_too_small_disk_is_refused_before_anything_is_fetched(
    hub: HubDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "free_bytes", lambda _: 1_000)
    with pytest.raises(MissingPrerequisite, match="of disk"):
        download(tmp_path / "micro-llama")
    assert hub.ranges == []


def test_disk_that_fills_up_on_the_way_is_said_as_such(hub: HubDouble, tmp_path: Path) -> None:
    class FullDiskHub(HuggingFaceHub):
        def fetch(self, *_: object) -> None:
            with open("/dev/full", "wb", buffering=0) as full:
                full.write(b"x")

    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with pytest.raises(StageCrashed, match="the disk is full"):
        download_from_hub(FullDiskHub(), ENTRY, None, tmp_path / "micro-llama", listen()[0])


def test_partial_download_of_another_commit_is_dropped(hub: HubDouble, tmp_path: Path) -> None:
    folder = tmp_path / "micro-llama"
    stale = partial_folder(folder)
    stale.mkdir()
    (stale / ".commit").write_text(f"{HUB_ID}@{'1' * 40}")
    (stale / "config.json").write_text("{}")
    download(folder)
    assert json.loads((folder / "config.json").read_text())["model_type"] == "llama"


def test_truncated_shard_of_a_finished_download_is_completed_not_fetched_anew(
    hub: HubDouble, tmp_path: Path
) -> None:
    config = ModelConfig(base=HUB_ID, folder=tmp_path)
    folder = ensure_base(config, listen()[0])
    shard = folder / "model-00001-of-00003.safetensors"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:1000])
    with pytest.raises(MissingPrerequisite, match="1000 bytes, expected"):
        find_base(config)
    hub.ranges.clear()
    ensure_base(config, listen()[0])
    assert hub.ranges == [(shard.name, 1000)]
    assert shard.read_bytes() == whole


def test_changed_file_of_the_same_size_is_found_and_repaired(hub: HubDouble, tmp_path: Path) -> None:
    config = ModelConfig(base=HUB_ID, folder=tmp_path)
    folder = ensure_base(config, listen()[0])
    shard = folder / "model-00002-of-00003.safetensors"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert any(
        "wrong hash" in problem for f in verify_base(config, listen()[0]).findings for problem in f.problems
    )
    report = download_base(config, listen()[0])
    assert report.downloaded
    assert shard.read_bytes() == whole
    assert not download_base(config, listen()[0]).downloaded


def test_revision_that_is_not_the_pinned_one_is_fetched(hub: HubDouble, tmp_path: Path) -> None:
    ensure_base(ModelConfig(base=HUB_ID, folder=tmp_path), listen()[0])
    assert find_base(ModelConfig(base=HUB_ID, folder=tmp_path, revision=COMMIT)).is_dir()
    other = ModelConfig(base=HUB_ID, folder=tmp_path, revision="v2")
    with pytest.raises(MissingPrerequisite, match="wanted v2"):
        find_base(other)
    with pytest.raises(UsageError, match="no revision 'v2'"):
        ensure_base(other, listen()[0])
    assert find_base(ModelConfig(base=HUB_ID, folder=tmp_path)).is_dir()


def test_model_without_safetensors_is_refused(hub: HubDouble, tmp_path: Path) -> None:
    hub.folder = tmp_path / "pickles"
    hub.folder.mkdir()
    (hub.folder / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(UsageError, match="no safetensors weights"):
        HuggingFaceHub().describe(HUB_ID, None)
