"""A run of another suite version is scored where its prompts are unchanged, and never clears a model."""

import json
from pathlib import Path

import pytest

from evals.executed import TOOL_EXECUTION
from evals.finish import finish_run, score_only
from evals.harnesses import NAMES, load_harness
from evals.harnesses.base import Harness
from evals.rescoring import score_stored
from evals.run_file import RunFile
from evals.version import suite_version
from tests.complete_runs import answers, complete_run, first_ids, prompts
from tests.run_files import answer, keep, new_run, subject
from web4mlx.errors import CheckFailed

OLD = "1.000000000000"


def old_run(folder: Path, changed: dict[str, str]) -> RunFile:
    """A run of the canaries and of `tron_format` with right answers; `changed` are prompts that it asked."""
    keys = [key for key in answers() if key.startswith(("canary/", "tron_format/"))]
    cases = {
        name: tuple(key.partition("/")[2] for key in keys if key.startswith(name))
        for name in ("tron_format", "canary")
    }
    run = new_run(folder, cases, suite_version=OLD)
    keep(run, *(answer(key, answers()[key], prompt=changed.get(key, prompts()[key])) for key in keys))
    return run


def test_all_is_scored_when_no_prompt_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = complete_run(tmp_path, subject=subject(suite_version=OLD))
    result = score_stored(run, tmp_path)
    assert {name: report.passed for name, report in result.reports.items()} == {
        name: load_harness(name).planned for name in NAMES
    }
    assert not result.final.cleared
    assert result.final.decision.startswith(
        "DEPLOYMENT BLOCKED: asked with suite 1.000000000000, scored with"
    )
    assert suite_version() in capsys.readouterr().err
    assert not (tmp_path / "eval_report_final.json").exists()


def test_a_changed_prompt_is_left_out_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed = dict.fromkeys(first_ids("tron_format", 3), "Something else.")
    result = score_stored(old_run(tmp_path / "evals" / "run_1", changed), tmp_path)
    assert (result.reports["tron_format"].total, result.reports["tron_format"].gate) == (97, "inconclusive")
    assert result.reports["canary"].passed == 20
    assert "prompts changed: 3" in capsys.readouterr().err


def test_it_is_never_written(tmp_path: Path) -> None:
    run = complete_run(tmp_path, subject=subject(suite_version=OLD))
    with pytest.raises(CheckFailed, match="made with suite"):
        finish_run(run, tmp_path)


def test_a_run_of_this_suite_is_scored_as_ever(tmp_path: Path) -> None:
    run = complete_run(tmp_path)
    assert score_stored(run, tmp_path).final == score_only(run, tmp_path).final


def test_figures_that_break_make_their_harness_errored_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    def broken(*_: object) -> dict[str, float]:
        raise ZeroDivisionError("no cases")

    def load(name: str) -> Harness:
        return replace(load_harness(name), figures=broken) if name == "tron_format" else load_harness(name)

    run = complete_run(tmp_path)
    monkeypatch.setattr("evals.scoring.load_harness", load)
    result = score_only(run, tmp_path)
    assert (result.reports["tron_format"].gate, result.reports["tron_format"].errored) == ("errored", 100)
    assert "figures broke: ZeroDivisionError" in result.reports["tron_format"].cases[0].reasons[0]
    assert result.reports["refusal"].gate == "passed"
    assert not result.final.cleared


def test_what_execution_recorded_is_a_figure_and_no_verdict(tmp_path: Path) -> None:
    run = complete_run(tmp_path)
    before = score_only(run, tmp_path)
    ids = [case.id for case in load_harness("tool_success").cases()]
    record = {id: {"executed": number < 60, "execution": "succeeded"} for number, id in enumerate(ids)}
    (run.folder / TOOL_EXECUTION).write_text(json.dumps(record))
    after = score_only(run, tmp_path)
    assert after.reports["tool_success"].figures["executed"] == 0.6
    assert "executed" not in before.reports["tool_success"].figures
    assert after.final == before.final


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}'])
def test_a_damaged_record_of_execution_changes_nothing(tmp_path: Path, content: str) -> None:
    run = complete_run(tmp_path)
    before = score_only(run, tmp_path).reports
    (run.folder / TOOL_EXECUTION).write_text(content)
    assert score_only(run, tmp_path).reports == before
