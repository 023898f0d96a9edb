"""The stages of the store: what they start, when they are done, what they say without a source."""

import json
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.rag_sources import START, build, write_files, write_tools
from tests.training_project import write_project
from web4mlx import last_stages, pipeline, store_stages
from web4mlx.artifacts import Input, new_manifest, sha256_file, write_manifest
from web4mlx.config import load_config
from web4mlx.data.corpus import write_corpus
from web4mlx.errors import CheckFailed, StageCrashed, Web4Error
from web4mlx.estimate import ORDER, StageTimes
from web4mlx.events import Event, EventLog, Warned
from web4mlx.pipeline import Stage
from web4mlx.rag.folder import require_generation
from web4mlx.rag.sample_mark import MARK
from web4mlx.rag.schema import DATABASE, read_database
from web4mlx.rag.training_sources import find_trained_sources
from web4mlx.stages import Line

LAST = ("rag build", "rag check", "smoke", "mark")


class Project:
    """A line whose processes are answered here: builds are made, everything else ends with `code`."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, *, rag: str) -> None:
        self.config_file = write_project(folder)
        self.config_file.write_text(self.config_file.read_text() + rag)
        self.events: list[Event] = []
        self.commands: list[list[str]] = []
        self.code = 0
        self.line = Line(load_config(self.config_file), self.config_file, self.events.append)
        self.line.gguf = folder / "web4-agent.gguf"
        self.line.gguf.write_bytes(b"GGUF")
        self.line.adapter = folder / "run"
        self.line.adapter.mkdir()
        monkeypatch.setattr(store_stages.subprocess, "run", self.answer)

    def answer(self, command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        self.commands.append(command[3:])
        output = "{}"
        if command[3:5] == ["rag", "build"] and not self.code:
            output = str(build(Path(command[5]), self.line.config.store).generation)
        if command[3] == "smoke":
            (self.line.config.outputs / "smoke_test_report.json").write_text("{}")
        return subprocess.CompletedProcess(command, self.code, output)

    def run(self, name: str) -> bool:
        """Do a stage; tells whether it was done already."""
        (stage,) = (stage for stage in pipeline.STAGES if stage.name == name)
        done = stage.find(self.line) is not None
        pipeline.do_stage(stage, self.line, StageTimes(self.line.config))
        return done

    def warnings(self) -> list[str]:
        return [event.code for event in self.events if isinstance(event, Warned)]


@pytest.fixture
def with_source(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    write_files(in_tmp / "repo")
    return Project(in_tmp, monkeypatch, rag='[rag]\nsource = "repo"\n')


@pytest.fixture
def without_source(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(in_tmp, monkeypatch, rag="")


def write_training(project: Project, reference: str) -> None:
    """A finished training on one sample that names its source."""
    data = Path("samples.jsonl")
    data.write_text(json.dumps({"metadata": {"pdca_id": reference}}) + "\n")
    inputs = {"data:train:0": Input(path=str(data), sha256=sha256_file(data))}
    write_manifest(project.line.adapter, new_manifest("train", inputs=inputs))


def test_without_a_source_each_stage_says_so_and_starts_nothing(without_source: Project) -> None:
    for name in LAST:
        assert not without_source.run(name)
    assert without_source.commands == []
    assert without_source.warnings() == ["no-store"] * 4


def test_a_store_that_stands_there_is_checked_and_tested_without_a_source(without_source: Project) -> None:
    build(write_files(Path("elsewhere")), without_source.line.config.store)
    for name in LAST:
        without_source.run(name)
    assert [command[:2] for command in without_source.commands] == [["rag", "check"], ["smoke", "--model"]]


def test_finished_stages_are_skipped_until_something_changes(with_source: Project) -> None:
    write_training(with_source, "nothing")
    assert [with_source.run(name) for name in LAST] == [False] * 4
    assert [with_source.run(name) for name in LAST] == [True] * 4
    with_source.line.gguf.write_bytes(b"GGUF another")
    assert [with_source.run(name) for name in LAST] == [True, True, False, True]
    Path("repo/docs/release.md").write_text("# Release guide\n\nHow releases are made now.\n")
    assert [with_source.run(name) for name in LAST] == [False] * 4


def test_a_changed_tool_example_is_built_anew(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(in_tmp / "repo")
    examples = write_tools(in_tmp / "tools") / "tool_core.jsonl"
    project = Project(in_tmp, monkeypatch, rag='[rag]\nsource = "repo"\ntools = "tools"\n')
    assert [project.run("rag build") for _ in range(2)] == [False, True]
    examples.write_text(examples.read_text("utf-8").replace("Part3.tsx", "Part33.tsx"), "utf-8")
    assert [project.run("rag build") for _ in range(2)] == [False, True]


def test_a_changed_configuration_is_built_anew(with_source: Project) -> None:
    config = with_source.line.config
    write_tools(Path("tools"))
    assert not with_source.run("rag build")
    for changed in ({"tools": Path("tools")}, {"db": Path("elsewhere")}):
        with_source.line.config = config.model_copy(update={"rag": config.rag.model_copy(update=changed)})
        assert not with_source.run("rag build")
        assert with_source.run("rag build")


def test_a_sample_source_of_another_seed_is_generated_anew_and_ones_own_is_not(
    in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rag = '[rag]\nsource = "data/rag/repo"\ntools = "data/rag/tools"\nsample_scale = "demo"\n'
    project = Project(in_tmp, monkeypatch, rag=rag)
    config = project.line.config
    examples, texts = Path("data/rag/tools/tool_core.jsonl"), []
    for seed in (7, 8):
        other = config.rag.model_copy(update={"sample_seed": seed})
        project.line.config = config.model_copy(update={"rag": other})
        assert [project.run("rag build") for _ in range(2)] == [False, True]
        texts.append(examples.read_text("utf-8"))
    assert texts[0] != texts[1]
    (Path("data/rag/repo") / MARK).unlink()
    project.line.config = config
    project.run("rag build")
    assert examples.read_text("utf-8") == texts[1]


def test_a_missing_sample_source_is_generated(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rag = '[rag]\nsource = "data/rag/repo"\ntools = "data/rag/tools"\nsample_scale = "demo"\n'
    project = Project(in_tmp, monkeypatch, rag=rag)
    project.run("rag build")
    assert (in_tmp / "data/rag/tools/tool_core.jsonl").is_file()
    assert project.commands[0][2:5] == ["data/rag/repo", "--tools", "data/rag/tools"]


def test_a_generated_source_shares_its_pdcas_with_the_corpus_and_they_are_marked(
    in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rag = '[rag]\nsource = "data/rag/repo"\ntools = "data/rag/tools"\nsample_scale = "demo"\n'
    project = Project(in_tmp, monkeypatch, rag=rag)
    trained = in_tmp / "data/domain_representatives.jsonl"
    data = project.line.config.data.model_copy(update={"train": (trained,)})
    project.line.config = project.line.config.model_copy(update={"data": data})
    for seed in (7, 8):
        write_corpus(trained.parent, "demo", seed, EventLog(None, "test", "rag"))
        inputs = {f"data:{trained.name}": Input(path=str(trained), sha256=sha256_file(trained))}
        write_manifest(project.line.adapter, new_manifest("train", inputs=inputs))
        assert not project.run("rag build")
        assert project.run("rag build")
        project.run("mark")
        assert project.commands[-1][:3] == ["rag", "mark", "--from-training"]
        with closing(read_database(require_generation(project.line.config.store) / DATABASE)) as connection:
            found = find_trained_sources(project.line.adapter, connection)
        assert len(found.paths) == 15
    assert "nothing-marked" not in project.warnings()


@pytest.mark.parametrize("name", LAST[:3])
@pytest.mark.parametrize(("code", "error"), [(1, CheckFailed), (4, StageCrashed)])
def test_a_command_that_fails_leaves_no_record(
    with_source: Project, name: str, code: int, error: type[Web4Error]
) -> None:
    if name != "rag build":
        with_source.run("rag build")
    with_source.code = code
    for _ in range(2):
        with pytest.raises(error, match=f"{name}: .* code {code}"):
            with_source.run(name)


def test_the_sources_of_a_training_are_marked_from_its_manifest(with_source: Project) -> None:
    with_source.run("rag build")
    write_training(with_source, START)
    with_source.run("mark")
    assert with_source.commands[-1][:4] == ["rag", "mark", "--from-training", str(with_source.line.adapter)]
    assert (with_source.line.config.outputs / last_stages.MARKS).is_file()


def test_samples_of_other_sources_mark_nothing_and_that_is_said(with_source: Project) -> None:
    with_source.run("rag build")
    write_training(with_source, "somewhere else")
    with_source.run("mark")
    assert with_source.warnings() == ["nothing-marked"]
    assert [command[:2] for command in with_source.commands] == [["rag", "build"]]


def refusing(message: str) -> Callable[[Line, object], Path]:
    def refuse(line: Line, log: object) -> Path:
        raise CheckFailed(message, "Read the report.")

    return refuse


def test_a_blocked_evaluation_imports_nothing_and_is_reported_with_what_else_failed(
    in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config_file = write_project(in_tmp)
    made: list[str] = []

    def note(name: str) -> Callable[[Line, object], Path]:
        return lambda line, log: made.append(name) or Path(name)  # type: ignore[func-returns-value]

    monkeypatch.setattr(pipeline, "STAGES", (
        Stage("evaluate", lambda line: None, refusing("the gates say no"), goes_on=True),
        Stage("import", lambda line: None, note("import"), needs_clearance=True),
        Stage("rag build", lambda line: None, note("rag build")),
        Stage("smoke", lambda line: None, refusing("a test failed"), goes_on=True),
        Stage("mark", lambda line: None, note("mark")),
    ))  # fmt: skip
    with pytest.raises(CheckFailed, match="the gates say no; a test failed") as ended:
        pipeline.run_pipeline(load_config(config_file), config_file, lambda event: None)
    assert made == ["rag build", "mark"]
    assert ended.value.hint == "Read the report."


def test_every_stage_has_an_estimate_in_its_place(with_source: Project) -> None:
    assert tuple(stage.name for stage in pipeline.STAGES) == ORDER
    assert StageTimes(with_source.line.config).fixed_seconds("rag build") > 0


def test_stages_without_a_store_are_estimated_to_take_nothing(without_source: Project) -> None:
    assert StageTimes(without_source.line.config).fixed_seconds("rag build") == 0


def test_the_places_of_a_sample_are_checked(in_tmp: Path) -> None:
    config_file = write_project(in_tmp)
    config_file.write_text(config_file.read_text() + '[rag]\nsource = "elsewhere"\nsample_scale = "demo"\n')
    with pytest.raises(Web4Error, match="FOLDER/repo and FOLDER/tools"):
        load_config(config_file)
