"""Removing models: what goes along, what stays, and what must never be removed."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.models_place import GGUF, MERGED, NAME, copy_place, flat, import_by_record, run_of
from web4mlx.config import RunConfig, load_config
from web4mlx.errors import MissingPrerequisite, UsageError
from web4mlx.inventory import removal, usage
from web4mlx.inventory.artifacts import list_artifacts
from web4mlx.inventory.lineage import origins_of
from web4mlx.inventory.removal import find_artifact, plan_removal, remove
from web4mlx.machine.awake import gpu_lease


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = copy_place(tmp_path / "place")
    monkeypatch.chdir(folder)
    # trainers of tests that run beside this one have run folders that nobody can read any more
    monkeypatch.setattr(usage, "other_processes", lambda: psutil.Process().children(recursive=True))
    return folder


@pytest.fixture
def config(place: Path) -> RunConfig:
    return load_config(Path("config.toml"))


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
