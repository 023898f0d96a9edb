"""The doctor on a configuration: what is missing is named, and leads to the right exit code."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.doctor_facts import HEALTHY, SEVEN_B, by_name, verdict
from web4mlx.config import RunConfig, find_config, load_config, write_config
from web4mlx.config.schema import DataConfig, ModelConfig
from web4mlx.errors import ExitCode
from web4mlx.machine.doctor import examine, project


@pytest.fixture
def config(in_tmp: Path) -> RunConfig:
    """A run whose files are all there but the base."""
    data = DataConfig(train=(Path("data/a.jsonl"), Path("data/b.jsonl")), eval=Path("data/e.jsonl"))
    Path("data").mkdir()
    for file in (*data.train, data.eval):
        file.write_text("{}\n")
    shipped = load_config(find_config("demo")).modelfile
    repository = Path(__file__).parents[2]
    Path("Modelfile").write_text((repository / shipped).read_text("utf-8"), "utf-8")
    return RunConfig(data=data)


def test_data_files_are_counted_or_named(config: RunConfig) -> None:
    assert verdict(project.check_data_files(config)) == "ok"
    config.data.train[0].write_text("")
    config.data.eval.unlink()
    item = project.check_data_files(config)
    assert verdict(item) == "problem"
    assert "data/e.jsonl is missing" in item.detail
    assert "data/a.jsonl is empty" in item.detail


def test_a_missing_selection_is_named(config: RunConfig) -> None:
    data = config.data.model_copy(update={"selection": Path("short.ids")})
    item = project.check_data_files(config.model_copy(update={"data": data}))
    assert verdict(item) == "problem"
    assert "short.ids is missing" in item.detail


def test_a_corpus_that_will_be_generated_is_no_problem(config: RunConfig) -> None:
    demo = config.model_copy(update={"data": config.data.model_copy(update={"sample_scale": "demo"})})
    for file in (*config.data.train, config.data.eval):
        file.unlink()
    item = project.check_data_files(demo)
    assert verdict(item) == "warning"
    assert "web4mlx data sample --scale demo --folder data" in item.fix
    assert verdict(project.check_data_files(config)) == "problem"


def test_a_missing_base_comes_with_the_command_that_gets_it(config: RunConfig) -> None:
    item = project.check_base(config)
    assert verdict(item) == "problem"
    assert item.exit_code == ExitCode.MISSING_PREREQUISITE
    assert "web4mlx download smollm2-135m-instruct" in item.fix


def test_a_modelfile_that_does_not_parse_is_a_usage_error_with_its_line(config: RunConfig) -> None:
    assert verdict(project.check_modelfile(Path("Modelfile"))) == "ok"
    Path("Modelfile").write_text("FROM ./a.gguf\nPARAMETER temperature hot\n")
    item = project.check_modelfile(Path("Modelfile"))
    assert verdict(item) == "problem"
    assert "line 2" in item.detail
    assert project.check_modelfile(Path("None")).exit_code == ExitCode.MISSING_PREREQUISITE


def test_a_folder_that_cannot_be_written_is_a_missing_prerequisite(config: RunConfig) -> None:
    assert verdict(project.check_folder("outputs", Path("outputs"))) == "ok"
    item = project.check_folder("outputs", Path("Modelfile/outputs"))
    assert verdict(item) == "problem"
    assert item.exit_code == ExitCode.MISSING_PREREQUISITE


def test_disk_is_held_against_what_the_run_will_write(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs = project.disk_needs(config, SEVEN_B)
    assert needs["model folder"] == SEVEN_B
    assert needs["outputs"] > 2 * SEVEN_B
    monkeypatch.setattr(project, "free_bytes", lambda path: sum(needs.values()))
    assert verdict(project.check_disk(config, SEVEN_B)) == "ok"
    monkeypatch.setattr(project, "free_bytes", lambda path: sum(needs.values()) - 1)
    assert verdict(project.check_disk(config, SEVEN_B)) == "problem"


def test_the_size_of_the_real_base_is_known_before_its_download(config: RunConfig) -> None:
    real = config.model_copy(update={"model": ModelConfig(base="Qwen/Qwen2.5-Coder-7B-Instruct")})
    assert project.weights_bytes(real) == SEVEN_B
    unknown = config.model_copy(update={"model": ModelConfig(base="no such thing")})
    assert project.weights_bytes(unknown) is None


def test_a_broken_configuration_leaves_the_machine_examined(config: RunConfig) -> None:
    Path("run.toml").write_text("[data]\n")
    checkup = examine("run.toml", HEALTHY)
    items = by_name(checkup.items)
    assert verdict(items["config"]) == "problem"
    assert "data.train: required, but missing" in items["config"].detail
    assert verdict(items["chip"]) == "ok"
    assert checkup.exit_code == ExitCode.USAGE


def test_what_must_be_there_first_decides_the_exit_code(config: RunConfig) -> None:
    write_config(config, Path("run.toml"))
    exposed = replace(HEALTHY, listeners=("0.0.0.0",))
    assert examine("run.toml", exposed).exit_code == ExitCode.MISSING_PREREQUISITE
    items = [item for item in examine("run.toml", exposed).items if item.name != "base model"]
    assert {item.exit_code for item in items} == {ExitCode.OK, ExitCode.CHECK_FAILED}
