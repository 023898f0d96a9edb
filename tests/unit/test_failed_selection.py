"""`--failed-in`: the cases of a run that did not pass, and nothing that passes for a whole run."""

from pathlib import Path

import pytest

from evals.failed import select_failed
from evals.harnesses import NAMES
from evals.suite import Selection
from tests.complete_runs import complete_run, first_ids, prompts
from tests.eval_place import fill, lines, run, runs
from web4mlx.errors import MissingPrerequisite, UsageError


def ids(selection: Selection) -> list[str]:
    return [f"{name}/{case.id}" for name, cases in selection.cases().items() for case in cases]


def test_only_what_did_not_pass_is_asked(tmp_path: Path) -> None:
    wrong = [*first_ids("refusal", 2), *first_ids("canary", 1)]
    unanswered = first_ids("tron_format", 1)
    changes = dict.fromkeys(wrong, "???") | dict.fromkeys(unanswered, "LEFT OUT")
    earlier = complete_run(tmp_path, changes)
    assert sorted(ids(select_failed(Selection(), earlier.folder))) == sorted([*wrong, *unanswered])
    assert ids(select_failed(Selection(("refusal",)), earlier.folder)) == wrong[:2]


def test_nothing_failed_and_everything_failed_are_refused(tmp_path: Path) -> None:
    right = complete_run(tmp_path / "right")
    with pytest.raises(UsageError, match="every case of these harnesses passed"):
        select_failed(Selection(), right.folder)
    wrong = complete_run(tmp_path / "wrong", dict.fromkeys(prompts(), "<|im_start|>"))
    with pytest.raises(UsageError, match="no case passed"):
        select_failed(Selection(), wrong.folder)
    assert len(ids(select_failed(Selection(NAMES[:1]), wrong.folder))) == 100


def test_it_goes_with_no_other_choice_of_cases(tmp_path: Path) -> None:
    for typed in (Selection(limit=3), Selection(is_baseline=True)):
        with pytest.raises(UsageError, match="neither"):
            select_failed(typed, tmp_path)
    with pytest.raises(MissingPrerequisite):
        select_failed(Selection(), tmp_path)


def test_such_a_run_clears_nothing_and_publishes_nothing(
    in_tmp: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(in_tmp)
    run("--harness", "tron_format", "--limit", "3")
    (first,) = runs(in_tmp)
    assert run("--failed-in", str(first)) == 1
    assert len(lines(runs(in_tmp)[-1])) == 3
    assert "of 100 cases were asked" in capsys.readouterr().out
    assert not (in_tmp / "outputs" / "eval_report_final.json").exists()
