"""The inventory of models: what is listed, where it came from, whether it is what was recorded."""

from pathlib import Path

import pytest

from tests.models_place import GGUF, MERGED, NAME, clear_gguf, copy_place, flat, import_by_record, run_of
from web4mlx.artifacts import Input, atomic_write, describe_input, new_manifest, read_manifest, write_manifest
from web4mlx.config import RunConfig, load_config
from web4mlx.deploy.importing import record_path
from web4mlx.events import EventLog
from web4mlx.inventory.artifacts import list_artifacts
from web4mlx.inventory.integrity import verify_artifact
from web4mlx.inventory.lineage import origins_of
from web4mlx.inventory.removal import find_artifact, plan_removal


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = copy_place(tmp_path / "place")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def config(place: Path) -> RunConfig:
    return load_config(Path("config.toml"))


def by_kind(config: RunConfig) -> dict[str, tuple[str, ...]]:
    return {one.kind: one.marks for one in list_artifacts(config)}


def test_every_kind_is_listed_with_the_digest_that_others_know_it_by(config: RunConfig) -> None:
    found = {one.kind: one for one in list_artifacts(config)}
    assert list(found) == ["base", "adapter", "merged", "gguf"]
    assert found["base"].digest == describe_input(found["base"].path).sha256
    assert found["merged"].digest == describe_input(found["merged"].path).sha256
    assert all(one.is_ours and one.is_finished and one.size_bytes for one in found.values())


def test_origins_lead_back_to_the_samples_and_notice_changes(config: RunConfig, place: Path) -> None:
    gguf = find_artifact(Path(GGUF), list_artifacts(config))
    states = {one.role: one.state for one in flat(origins_of(gguf.manifest, config.outputs))}
    assert states == dict.fromkeys(
        ["merged", "adapter", "base", "data:style_core.jsonl", "data:guardrails.jsonl", "data:eval.jsonl",
         "modelfile"], "same",
    )  # fmt: skip
    (place / "data" / "guardrails.jsonl").unlink()
    with (place / "data" / "style_core.jsonl").open("a") as file:
        file.write("\n")
    states = {one.role: one.state for one in flat(origins_of(gguf.manifest, config.outputs))}
    assert (states["data:guardrails.jsonl"], states["data:style_core.jsonl"]) == ("gone", "changed")


def test_marks_follow_from_records(config: RunConfig, place: Path) -> None:
    assert by_kind(config) == {"base": ("configured",), "adapter": (), "merged": (), "gguf": ()}
    clear_gguf(place)
    import_by_record(place)
    marks = by_kind(config)
    assert marks["gguf"] == ("production", "cleared")
    assert marks["adapter"] == ("source of production",)


def test_a_report_of_another_file_clears_nothing(config: RunConfig, place: Path) -> None:
    clear_gguf(place).edit("final", lambda report: report["subject"].update(model_sha256="0" * 64))
    assert by_kind(config)["gguf"] == ()


def test_an_unfinished_run_is_ours_and_says_so(config: RunConfig, place: Path) -> None:
    (run_of(place) / "manifest.json").unlink()
    adapter = next(one for one in list_artifacts(config) if one.kind == "adapter")
    assert adapter.marks == ("unfinished",)
    assert not plan_removal(adapter.path, config).refusal
    assert "resumed" in " ".join(plan_removal(adapter.path, config).effects)


def test_a_moved_outputs_folder_still_tells_the_origins(place: Path) -> None:
    (place / "outputs").rename(place / "moved")
    text = (place / "config.toml").read_text().replace('outputs = "outputs"', 'outputs = "moved"')
    (place / "config.toml").write_text(text)
    config = load_config(Path("config.toml"))
    gguf = find_artifact(Path(GGUF), list_artifacts(config))
    assert {one.state for one in flat(origins_of(gguf.manifest, config.outputs))} == {"same"}


def test_a_changed_byte_is_found(config: RunConfig, place: Path) -> None:
    quiet = EventLog(None, "test", "verify")

    def verdicts(name: str) -> set[str]:
        artifact = find_artifact(Path(name), list_artifacts(config))
        return {check.verdict for check in verify_artifact(artifact, quiet)}

    assert verdicts(GGUF) == verdicts(MERGED) == {"passed"}
    with (place / "outputs" / GGUF).open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    assert "failed" in verdicts(GGUF)
    (place / "outputs" / "web4-agent.manifest.json").unlink()
    assert verdicts(MERGED) == {"passed"}
    with (place / "outputs" / MERGED / "tokenizer.json").open("a") as file:
        file.write(" ")
    assert verdicts(MERGED) == {"passed", "failed"}


def test_a_digest_that_nobody_recorded_cannot_be_compared(config: RunConfig, place: Path) -> None:
    merged = place / "outputs" / MERGED
    manifest = read_manifest(merged)
    assert manifest is not None
    write_manifest(merged, manifest.model_copy(update={"outputs": {}}))
    (place / "outputs" / "web4-agent.manifest.json").unlink()
    artifact = find_artifact(Path(MERGED), list_artifacts(config))
    checks = verify_artifact(artifact, EventLog(None, "test", "verify"))
    assert [check.verdict for check in checks] == ["passed", "passed", "errored"]


def test_a_garbage_manifest_makes_an_artifact_unfinished(config: RunConfig, place: Path) -> None:
    (place / "outputs" / MERGED / "manifest.json").write_text("{")
    merged = find_artifact(Path(MERGED), list_artifacts(config))
    assert (merged.kind, merged.marks) == ("merged", ("not made here",))
    assert read_manifest(merged.path) is None


def test_missing_folders_are_an_empty_inventory(config: RunConfig, tmp_path: Path) -> None:
    model = config.model.model_copy(update={"folder": tmp_path / "no"})
    assert list_artifacts(config.model_copy(update={"outputs": tmp_path / "none", "model": model})) == []


def test_an_import_record_of_an_earlier_file_is_not_production(config: RunConfig, place: Path) -> None:
    gguf = place / "outputs" / GGUF
    record = new_manifest(
        "import", inputs={"gguf": Input(path=str(gguf), sha256="0" * 64)}, outputs={NAME: "d"}
    )
    atomic_write(record_path(gguf), record.model_dump_json())
    assert by_kind(config)["gguf"] == ()
