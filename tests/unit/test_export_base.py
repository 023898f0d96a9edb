"""The base as a GGUF: of the wanted type, made once, and never taken for a model that was trained."""

from pathlib import Path
from typing import Any

import pytest

from tests.data_files import make_config
from tests.micro_models import write_micro_qwen2
from web4mlx.artifacts import manifest_path, read_manifest, sha256_file
from web4mlx.engines.open import newest_gguf
from web4mlx.errors import CheckFailed, MissingPrerequisite
from web4mlx.events import Event, EventLog, Progress
from web4mlx.export import base as base_export
from web4mlx.export.base import export_base
from web4mlx.export.checks import inspect_gguf
from web4mlx.export.plan import ExportOptions
from web4mlx.inventory.artifacts import list_artifacts
from web4mlx.inventory.removal import plan_removal

pytestmark = pytest.mark.xdist_group("export")


def export(base: Path, out: Path, quant: Any = "Q8_0") -> list[Event]:
    events: list[Event] = []
    options = ExportOptions(type=quant)
    export_base(base, make_config(base.parent), out, EventLog(None, "r", "baseline", events.append), options)
    return events


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[Event]]:
    folder = tmp_path_factory.mktemp("base-export")
    base, out = write_micro_qwen2(folder / "base", answer=True), folder / "outputs" / "base.gguf"
    return base, out, export(base, out)


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> Any:
        raise AssertionError("must not be called")

    monkeypatch.setattr(base_export, "make_f16", refuse)


def test_it_has_the_type_and_its_manifest_names_the_base(made: tuple[Path, Path, list[Event]]) -> None:
    base, out, events = made
    manifest = read_manifest(out)
    assert manifest is not None
    assert (manifest.stage, manifest.config["type"]) == ("base_gguf", "Q8_0")
    assert manifest.inputs["base"].path == str(base)
    assert manifest.outputs == {"base.gguf": sha256_file(out)}
    types = {tensor["type"] for tensor in inspect_gguf(out, []).tensors if "attn_q.weight" in tensor["name"]}
    assert types == {8}  # GGML_TYPE_Q8_0
    assert {type(event) for event in events} == {Progress}  # the stage begins and ends itself
    assert sorted(file.name for file in out.parent.iterdir() if file.suffix == ".gguf") == ["base.gguf"]


def test_it_is_made_once(made: tuple[Path, Path, list[Event]], no_work: None) -> None:
    base, out, _ = made
    assert export(base, out) == []


@pytest.mark.parametrize("change", ["type", "bytes", "manifest"])
def test_it_is_made_again_when_something_changed(
    made: tuple[Path, Path, list[Event]], tmp_path: Path, change: str, no_work: None
) -> None:
    base, original, _ = made
    out = tmp_path / "base.gguf"
    out.write_bytes(original.read_bytes() + (b"x" if change == "bytes" else b""))
    if change != "manifest":
        manifest_path(out).write_bytes(manifest_path(original).read_bytes())
    with pytest.raises(AssertionError, match="must not be called"):
        export(base, out, "Q4_K_M" if change == "type" else "Q8_0")


def test_a_base_with_code_is_refused(tmp_path: Path) -> None:
    base = write_micro_qwen2(tmp_path / "base")
    (base / "modeling.py").write_text("raise SystemExit")
    with pytest.raises(CheckFailed, match=r"modeling\.py"):
        export(base, tmp_path / "base.gguf")


def test_it_is_listed_as_what_it_is_and_is_not_the_newest_export(
    made: tuple[Path, Path, list[Event]],
) -> None:
    base, out, _ = made
    config = make_config(base.parent)
    (listed,) = (one for one in list_artifacts(config) if one.path == out)
    assert (listed.kind, listed.detail, listed.is_ours) == ("gguf", "the base, Q8_0", True)
    assert "It can be made again: `web4mlx export --base`." in plan_removal(out, config).effects
    with pytest.raises(MissingPrerequisite, match="no exported GGUF"):
        newest_gguf(out.parent)
