"""A run file loses nothing that was answered, and tells a damaged line from an unfinished one."""

from pathlib import Path

import pytest

from evals.run_file import RESPONSES, RunFile
from evals.runs import find_same, newest_run
from tests.run_files import answer, keep, new_run
from web4mlx.errors import CheckFailed, MissingPrerequisite

CASES = {"refusal": ("r1", "r2"), "tron_format": ("t1",)}


def test_answers_come_back_as_they_were_kept(tmp_path: Path) -> None:
    run = new_run(tmp_path / "evals" / "run_1", CASES)
    own = run.header.subject_sha256
    given = answer("refusal/r1", "Nein, “so” nicht.\n```\n☃\n```\u2028", subject_sha256=own)
    keep(run, given)
    assert RunFile.open(run.folder).answers() == {"refusal/r1": given}


def test_an_unfinished_last_line_is_passed_over_and_healed_by_the_next_writer(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", CASES)
    keep(run, answer("refusal/r1"))
    with (run.folder / RESPONSES).open("a") as file:
        file.write('{"harness": "refusal", "case": "r2", "te')
    assert set(run.answers()) == {"refusal/r1"}
    keep(run, answer("refusal/r2"))
    assert set(run.answers()) == {"refusal/r1", "refusal/r2"}


def test_a_first_line_that_was_never_finished_is_healed_too(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", CASES)
    (run.folder / RESPONSES).write_text('{"harness"')
    keep(run, answer("refusal/r1"))
    assert set(run.answers()) == {"refusal/r1"}


@pytest.mark.parametrize("damage", ["not json\n", '{"harness": "refusal"}\n', "[]\n"])
def test_a_damaged_line_is_an_error_that_names_it(tmp_path: Path, damage: str) -> None:
    run = new_run(tmp_path / "run", CASES)
    keep(run, answer("refusal/r1"))
    with (run.folder / RESPONSES).open("a") as file:
        file.write(damage)
    with pytest.raises(CheckFailed, match=r"responses\.jsonl:2: not an answer"):
        run.answers()


def test_missing_are_the_cases_without_answer_and_those_with_an_error(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", CASES)
    failed = answer("refusal/r2", "", finish_reason="error", error="server gone")
    keep(run, answer("refusal/r1"), failed)
    assert run.missing() == {"refusal": ("r2",), "tron_format": ("t1",)}
    keep(run, answer("refusal/r2"))
    assert run.answers()["refusal/r2"].finish_reason == "stop"
    assert run.missing()["refusal"] == ()


def test_only_a_run_of_the_same_work_is_resumed(tmp_path: Path) -> None:
    wanted = new_run(tmp_path / "wanted", CASES).header
    new_run(tmp_path / "evals" / "run_1", CASES, model_sha256="e" * 64)
    new_run(tmp_path / "evals" / "run_2", {"refusal": ("r1",)})
    new_run(tmp_path / "evals" / "run_3", CASES, seed=8)
    new_run(tmp_path / "evals" / "run_4", CASES, context=8192)
    new_run(tmp_path / "evals" / "run_5", CASES, messages_sha256="e" * 64)
    assert find_same(tmp_path, wanted) is None
    mine = new_run(
        tmp_path / "evals" / "run_0", CASES, engine={"engine": "llama.cpp", "version": "1", "threads": 9}
    )
    found = find_same(tmp_path, wanted)
    assert found is not None
    assert found.folder == mine.folder
    assert found.missing() == CASES


def test_a_folder_without_a_run_and_a_damaged_header_are_errors(tmp_path: Path) -> None:
    with pytest.raises(MissingPrerequisite, match="no run"):
        RunFile.open(tmp_path)
    with pytest.raises(MissingPrerequisite, match="no run"):
        newest_run(tmp_path)
    (tmp_path / "run.json").write_text('{"format": 2}')
    with pytest.raises(CheckFailed, match="damaged: format"):
        RunFile.open(tmp_path)


@pytest.mark.parametrize(
    "edit", [("a" * 64, "e" * 64), ('"seed": 7', '"seed": 8'), ('"temperature": 0.2', '"temperature": 0.1')]
)
def test_the_answers_belong_to_the_header_that_they_were_given_under(
    tmp_path: Path, edit: tuple[str, str]
) -> None:
    run = new_run(tmp_path / "run", CASES)
    keep(run, answer("refusal/r1"))
    header = run.folder / "run.json"
    header.write_text(header.read_text("utf-8").replace(*edit), "utf-8")
    with pytest.raises(CheckFailed, match=r"responses\.jsonl:1: not an answer of what run\.json describes"):
        RunFile.open(run.folder).answers()


def test_an_answer_that_says_nothing_of_its_model_is_none(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", CASES)
    (run.folder / RESPONSES).write_text(answer("refusal/r1").model_dump_json() + "\n", "utf-8")
    with pytest.raises(CheckFailed, match="not an answer of"):
        run.answers()
