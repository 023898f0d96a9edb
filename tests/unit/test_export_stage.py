"""The whole line on a micro Qwen2 with the real tokenizer: fuse, convert, quantize, check, measure."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.data_files import make_config
from tests.merged_models import copy_model, fuse_quietly, write_random_adapter
from tests.micro_models import write_micro_qwen2
from web4mlx.artifacts import Manifest, newest, read_manifest, sha256_file
from web4mlx.config.schema import RunConfig
from web4mlx.errors import CheckFailed, MissingPrerequisite, Web4Error
from web4mlx.events import Event, EventLog, Finished, Gate, Progress
from web4mlx.export import stage
from web4mlx.export.checks import inspect_gguf
from web4mlx.export.plan import ExportOptions, plan_export
from web4mlx.export.stage import export_model

pytestmark = pytest.mark.xdist_group("export")
NO_GENERATION = ExportOptions(check_answers=False, check_retention=False)


@dataclass(frozen=True)
class Project:
    """A merged micro model and its finished export (float16 kept)."""

    config: RunConfig
    merged: Path
    gguf: Path
    manifest: Manifest
    events: list[Event]


def export(project_config: RunConfig, merged: Path, out: Path, options: ExportOptions) -> list[Event]:
    events: list[Event] = []
    export_model(merged, project_config, out, EventLog(None, "r", "export", events.append), options)
    return events


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WEB4MLX_CACHE", str(folder / "cache"))
        base = write_micro_qwen2(folder / "base", answer=True)
        adapter = write_random_adapter(folder / "adapter", base, strength=0.02)
        merged, out = folder / "outputs" / "web4_merged_1", folder / "outputs" / "web4-agent.gguf"
        fuse_quietly(adapter, base, merged)
        config = make_config(folder)
        events = export(config, merged, out, ExportOptions(keep_f16=True))
        manifest = read_manifest(out)
        assert manifest is not None
        yield Project(config, merged, out, manifest, events)


def forbid(*arguments: Any) -> Any:
    raise AssertionError("must not be called")


def test_the_gguf_has_the_bases_tokenizer_biases_and_own_head(project: Project) -> None:
    found = inspect_gguf(project.gguf, ["<|im_start|>x"])
    assert found.metadata["tokenizer.ggml.pre"] == "qwen2"
    assert found.metadata["tokenizer.ggml.eos_token_id"] == 151645
    assert found.metadata["general.name"] == "web4-agent"
    assert found.tokens == [[151644, 87]]
    names = {tensor["name"] for tensor in found.tensors}
    assert {"output.weight", "blk.1.attn_q.bias", "blk.0.attn_k.bias", "blk.0.attn_v.bias"} <= names
    assert len(names) == 27


def test_every_check_passed_and_no_tensor_fell_back(project: Project) -> None:
    gates = {event.name: event.verdict for event in project.events if isinstance(event, Gate)}
    assert gates == dict.fromkeys(
        (
            "tensors",
            "fallbacks",
            "size",
            "tokenizer",
            "chat template",
            "golden texts",
            "answers",
            "retention",
        ),
        "passed",
    )
    assert project.manifest.metrics["fallback_tensors"] == 0


def test_all_five_models_are_compared_on_the_held_out_rows(project: Project) -> None:
    retention = project.manifest.metrics["retention"]
    assert list(retention["models"]) == ["base", "adapter", "merged", "f16", "quantized"]
    assert retention["rows"] == 3
    losses = {name: model["loss"] for name, model in retention["models"].items()}
    assert losses["merged"] == pytest.approx(losses["adapter"], rel=1e-3)
    assert losses["f16"] == pytest.approx(losses["merged"], rel=1e-3)
    assert losses["base"] != losses["adapter"]
    assert retention["models"]["adapter"]["top1_agreement"] == 1.0
    assert retention["models"]["f16"]["top1_agreement"] > 0.95


def test_the_manifest_is_that_of_exactly_this_file(project: Project) -> None:
    assert project.manifest.stage == "export"
    assert project.manifest.outputs == {"web4-agent.gguf": sha256_file(project.gguf)}
    assert project.manifest.config["type"] == "Q4_K_M"
    assert newest(project.gguf.parent, "*.gguf", "export") == project.gguf


def test_progress_has_a_time_left_and_the_end_is_said(project: Project) -> None:
    progress = [event for event in project.events if isinstance(event, Progress)]
    assert {event.message.split(":")[0] for event in progress} == {
        "convert",
        "to Q4_K_M",
        "check",
        "retention",
    }
    assert any(event.eta_s is not None for event in progress)
    assert isinstance(project.events[-1], Finished)


def test_nothing_temporary_is_left(project: Project) -> None:
    assert not [path.name for path in project.gguf.parent.iterdir() if ".tmp-" in path.name]


def test_a_finished_float16_file_is_not_converted_again(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    f16 = project.gguf.with_name("web4-agent.f16.gguf")
    before = sha256_file(f16)
    monkeypatch.setattr(stage, "convert", forbid)
    options = ExportOptions("Q8_0", True, check_answers=False, check_retention=False)
    out = project.gguf
    kept = out.read_bytes(), (manifest := out.with_suffix(".manifest.json")).read_bytes()
    try:
        export(project.config, project.merged, out, options)
        found = read_manifest(out)
        assert found is not None
        assert found.config["type"] == "Q8_0"
        assert sha256_file(f16) == before
    finally:
        out.write_bytes(kept[0])
        manifest.write_bytes(kept[1])


def test_a_changed_float16_file_is_made_again(project: Project) -> None:
    f16 = project.gguf.with_name("web4-agent.f16.gguf")
    assert plan_export(project.merged, project.config, project.gguf, NO_GENERATION).f16_is_done
    whole = f16.read_bytes()
    try:
        f16.write_bytes(whole[:-1] + b"x")
        assert not plan_export(project.merged, project.config, project.gguf, NO_GENERATION).f16_is_done
    finally:
        f16.write_bytes(whole)


def test_a_full_disk_is_refused_before_work(project: Project, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("web4mlx.machine.disk.free_bytes", lambda path: 10**8)
    monkeypatch.setattr(stage, "convert", forbid)
    with pytest.raises(MissingPrerequisite, match="disk"):
        export(project.config, project.merged, tmp_path / "x.gguf", NO_GENERATION)
    assert not list(tmp_path.glob("*.gguf"))


def test_a_failed_check_leaves_no_gguf_but_the_float16_file(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def convert_by_copy(tools: Any, step: Any, name: str, events: EventLog) -> None:
        step.target.write_bytes(project.gguf.with_name("web4-agent.f16.gguf").read_bytes())

    def cut_short(tools: Any, step: Any, *rest: Any) -> list[str]:
        step.target.write_bytes(project.gguf.read_bytes()[: -(2 << 20)])
        return []

    monkeypatch.setattr(stage, "convert", convert_by_copy)
    monkeypatch.setattr(stage, "quantize", cut_short)
    with pytest.raises(Web4Error):
        export(project.config, project.merged, tmp_path / "x.gguf", NO_GENERATION)
    assert sorted(path.name for path in tmp_path.glob("*.gguf")) == ["x.f16.gguf"]


def test_a_folder_that_fuse_did_not_write_is_refused(project: Project, tmp_path: Path) -> None:
    copy = copy_model(project.merged, tmp_path / "copy")
    (copy / "manifest.json").unlink()
    with pytest.raises(MissingPrerequisite, match="no merged model"):
        plan_export(copy, project.config, tmp_path / "x.gguf", NO_GENERATION)


def test_another_tokenizer_is_refused(project: Project, tmp_path: Path) -> None:
    copy = copy_model(project.merged, tmp_path / "copy")
    text = (copy / "tokenizer.json").read_text("utf-8")
    (copy / "tokenizer.json").write_text(text.replace('"NFC"', '"NFKC"'), "utf-8")
    with pytest.raises(CheckFailed, match="tokenizer differs from the base"):
        plan_export(copy, project.config, tmp_path / "x.gguf", NO_GENERATION)
