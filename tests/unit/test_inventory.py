"""The inventory of models: what is listed, where it came from, and what must never be removed."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.models_place import GGUF, MERGED, clear_gguf, copy_place, run_of
from tests.ollama_double import OllamaDouble, running_double
from web4mlx.artifacts import (
    Input,
    atomic_write,
    describe_input,
    new_manifest,
    read_manifest,
    write_manifest,
)
from web4mlx.config import RunConfig, load_config
from web4mlx.deploy.importing import record_path
from web4mlx.engines.ollama_server import OllamaServer
from web4mlx.errors import MissingPrerequisite, UsageError
from web4mlx.events import EventLog
from web4mlx.inventory import removal
from web4mlx.inventory.artifacts import list_artifacts
from web4mlx.inventory.asking import ask_ollama
from web4mlx.inventory.integrity import verify_artifact
from web4mlx.inventory.lineage import Origin, origins_of
from web4mlx.inventory.removal import find_artifact, plan_removal, remove
from web4mlx.inventory.tags import Tag, freed_bytes, remove_tag, role_of
from web4mlx.machine.awake import gpu_lease

NAME = "web4-agent:latest"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = copy_place(tmp_path / "place")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def config(place: Path) -> RunConfig:
    return load_config(Path("config.toml"))


def import_by_record(place: Path, digest: str = "d" * 64) -> None:
    """The record that an import of the project's GGUF leaves."""
    gguf = place / "outputs" / GGUF
    record = new_manifest(
        "import", inputs={"gguf": describe_input(gguf)}, outputs={NAME: digest}, config={"server": "here"}
    )
    atomic_write(record_path(gguf), record.model_dump_json())


def by_kind(config: RunConfig) -> dict[str, tuple[str, ...]]:
    return {one.kind: one.marks for one in list_artifacts(config)}


def flat(origins: tuple[Origin, ...]) -> Iterator[Origin]:
    for origin in origins:
        yield origin
        yield from flat(origin.origins)


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


@pytest.mark.parametrize("name", [MERGED, GGUF, "adapter", "tiny-base"])
def test_removing_leaves_the_rest_and_the_lineage(config: RunConfig, place: Path, name: str) -> None:
    path = run_of(place) if name == "adapter" else Path(name)
    before = {one.path for one in list_artifacts(config)}
    gone = remove(path, config)
    assert gone.frees_bytes > 0
    assert {one.path for one in list_artifacts(config)} == before - {gone.artifact.path}
    assert not gone.artifact.path.exists()
    assert not list(place.rglob(f"{removal.TRASH}*"))
    if name == MERGED:
        gguf = find_artifact(Path(GGUF), list_artifacts(config))
        states = {one.role: one.state for one in flat(origins_of(gguf.manifest, config.outputs))}
        assert (states["merged"], states["adapter"]) == ("gone", "same")


def test_a_gguf_takes_its_manifest_and_its_own_modelfile_along(config: RunConfig, place: Path) -> None:
    from web4mlx.modelfile import read_modelfile
    from web4mlx.modelfile.beside import write_beside

    outputs = place / "outputs"
    write_beside(outputs / GGUF, read_modelfile(place / "Modelfile"))
    (outputs / "other.Modelfile").write_text("FROM ./other.gguf\n")
    names = {path.name for path in remove(Path(GGUF), config).paths}
    assert names == {"web4-agent.manifest.json", GGUF, "Modelfile"}
    assert (outputs / "other.Modelfile").exists()
    assert (place / "Modelfile").exists()


def test_production_and_its_source_stay(config: RunConfig, place: Path) -> None:
    import_by_record(place)
    for name in (GGUF, run_of(place).name):
        with pytest.raises(UsageError, match="production"):
            remove(Path(name), config)
    remove(Path(MERGED), config)
    with pytest.raises(UsageError, match="production was made from it"):
        remove(Path(run_of(place).name), config)
    assert not plan_removal(Path(GGUF), config, served={NAME: "e" * 64}).refusal
    assert plan_removal(Path(GGUF), config, served={NAME: "d" * 64}).refusal


def test_what_a_process_uses_stays(config: RunConfig, place: Path) -> None:
    holds = f"file = open('outputs/{GGUF}'); print('up', flush=True); input()"
    names = "print('up', flush=True); input()"
    for arguments in ([holds], [names, f"--model=outputs/{GGUF}"]):
        command = [sys.executable, "-c", *arguments]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as user:
            assert user.stdout is not None
            user.stdout.readline()
            assert f"process {user.pid}" in plan_removal(Path(GGUF), config).refusal
            assert not plan_removal(Path(MERGED), config).refusal
            user.communicate(b"\n")
    assert not plan_removal(Path(GGUF), config).refusal


def test_a_base_that_is_being_trained_on_stays(config: RunConfig, place: Path) -> None:
    from web4mlx.config import write_config

    run = place / "outputs" / "tiny_lora_now"
    run.mkdir()
    write_config(config, run / "config.toml")
    (run / "events.jsonl").touch()
    waiting = "import sys; print('up', flush=True); input()"
    command = [sys.executable, "-c", waiting, "-m", "web4mlx.train.worker", str(run)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as trainer:
        assert trainer.stdout is not None
        trainer.stdout.readline()
        assert "training" in plan_removal(Path("tiny-base"), config).refusal
        assert "in use" in plan_removal(run, config).refusal
        trainer.communicate(b"\n")


def test_a_pipeline_of_this_configuration_needs_everything(
    config: RunConfig, place: Path, tmp_path: Path
) -> None:
    for folder, is_used in ((place, True), (tmp_path, False)):
        (folder / "config.toml").write_text((place / "config.toml").read_text())
        command = [sys.executable, "-c", "print('up', flush=True); input()", "web4mlx", "run", "config.toml"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder) as pipeline:
            assert pipeline.stdout is not None
            pipeline.stdout.readline()
            assert ("pipeline" in plan_removal(Path(MERGED), config).refusal) == is_used
            pipeline.communicate(b"\n")


def test_the_lease_names_what_is_in_use(config: RunConfig) -> None:
    with gpu_lease(f"exporting {MERGED}"):
        assert "exporting" in plan_removal(Path(MERGED), config).refusal
        assert remove(Path(GGUF), config)


def test_nothing_outside_and_nothing_foreign_is_removed(
    config: RunConfig, place: Path, tmp_path: Path
) -> None:
    foreign = place / "outputs" / "mine.gguf"
    foreign.write_bytes(b"GGUF")
    with pytest.raises(UsageError, match="did not make it"):
        remove(foreign, config)
    outside = tmp_path / "elsewhere"
    (place / "outputs" / MERGED).rename(outside)
    (place / "outputs" / MERGED).symlink_to(outside)
    with pytest.raises(UsageError, match="is a link"):
        remove(Path(MERGED), config)
    for path in (outside, tmp_path, Path("/"), Path("..")):
        with pytest.raises(MissingPrerequisite):
            remove(path, config)
    own = config.model.model_copy(update={"base": str(tmp_path / "place" / "models" / "tiny-base")})
    other = config.model_copy(update={"model": own.model_copy(update={"folder": tmp_path / "other"})})
    with pytest.raises(UsageError, match="does not stand in"):
        remove(Path("tiny-base"), other)
    assert outside.is_dir()
    assert foreign.exists()


def test_what_cannot_be_renamed_is_put_back(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gguf = place / "outputs" / GGUF
    with pytest.raises(FileNotFoundError):
        removal.take_away((gguf, gguf.with_name("missing")))
    assert gguf.exists()
    assert not list(gguf.parent.glob(f"{removal.TRASH}*"))


def test_a_killed_removal_is_finished_by_the_next_one(config: RunConfig, place: Path) -> None:
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True)
    trash = place / "outputs" / f"{removal.TRASH}{int(done.stdout)}"
    trash.mkdir()
    (trash / "half.gguf").write_bytes(b"x")
    assert GGUF in {one.name for one in list_artifacts(config)}
    remove(Path(GGUF), config)
    assert not trash.exists()


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


@pytest.fixture
def double(tmp_path: Path) -> Iterator[OllamaDouble]:
    with running_double(tmp_path / "ollama") as running:
        yield running


def put_tags(server: OllamaServer, gguf: Path, *tags: str) -> None:
    digest = server.client.create_blob(gguf)
    for tag in tags:
        server.client.create(tag, files={gguf.name: digest}, system=f"{tag}.")


def test_tags_have_roles_and_only_those_of_imports_are_removed(place: Path, double: OllamaDouble) -> None:
    backup = "web4-agent:rollback-" + "a" * 12
    with OllamaServer(double.url) as server:
        put_tags(server, place / "outputs" / GGUF, NAME, backup, "web4-agent:mine", "other:latest")
        assert {tag.name: tag.role for tag in ask_ollama(NAME, double.url).tags} == {
            NAME: "production", backup: "backup", "web4-agent:mine": "other", "other:latest": "other",
        }  # fmt: skip
        for name in (NAME, "web4-agent:mine", "other:latest"):
            with pytest.raises(UsageError):
                remove_tag(server, name, NAME)
        assert remove_tag(server, backup, NAME).role == "backup"
        with pytest.raises(MissingPrerequisite):
            remove_tag(server, backup, NAME)
        assert NAME in server.digests()


def test_a_shared_model_frees_nothing() -> None:
    one = Tag(name="a:1", digest="x", size_bytes=5, modified=None, role="backup")
    same, other = one.model_copy(update={"name": "a:2"}), one.model_copy(update={"name": "b", "digest": "y"})
    assert freed_bytes(one, [one, same, other]) == 0
    assert freed_bytes(one, [one, other]) == 5


def test_roles_are_of_the_configured_name_only() -> None:
    from web4mlx.deploy.names import parse_model_name

    assert role_of("other:latest", parse_model_name(NAME)) == "other"
    assert role_of("web4-agent:latest", parse_model_name(NAME)) == "production"


def test_without_a_server_the_answer_says_why(config: RunConfig) -> None:
    server = ask_ollama(config.deploy.name, "127.0.0.1:9")
    assert "no Ollama server" in server.problem
    assert "ollama.com" in server.hint
    assert server.digests is None


def test_an_import_record_of_an_earlier_file_is_not_production(config: RunConfig, place: Path) -> None:
    gguf = place / "outputs" / GGUF
    record = new_manifest(
        "import", inputs={"gguf": Input(path=str(gguf), sha256="0" * 64)}, outputs={NAME: "d"}
    )
    atomic_write(record_path(gguf), record.model_dump_json())
    assert by_kind(config)["gguf"] == ()
