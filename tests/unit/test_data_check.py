"""`data check`: each defect is found where it is, and clean data pass."""

from pathlib import Path
from typing import Any

import pytest

from tests.data_files import (
    check,
    findings,
    make_config,
    make_eval_row,
    make_row,
    make_text,
    micro_tokenizer,
    write_rows,
)
from web4mlx.data.check import assign_roles, check_data
from web4mlx.data.report import DataReport, Finding, report_path, require_ok
from web4mlx.errors import CheckFailed, UsageError
from web4mlx.events import Event, EventLog, Finished, Progress


def places(found: list[Finding]) -> list[tuple[str, int, str]]:
    return [(Path(one.file).name, one.line, one.field) for one in found]


def test_clean_data_pass_and_the_report_file_equals_the_report(tmp_path: Path) -> None:
    report = check(tmp_path)
    assert report.ok
    assert report.findings == ()
    assert (report.train_rows, report.eval_rows) == (8, 3)
    written = report_path(tmp_path / "outputs").read_text("utf-8")
    assert DataReport.model_validate_json(written) == report


def test_five_different_schema_errors_are_listed_at_once_with_file_line_and_field(tmp_path: Path) -> None:
    unnamed = make_row("c")
    del unnamed["metadata"]["sample_id"]
    rows: list[dict[str, Any] | bytes] = [
        make_row("a"),
        b"{broken",
        make_row("b", output=7),
        b"",
        make_row("d", extra="x"),
        unnamed,
        b'{"instruction": "x", "output": "y", "metadata": {}}',
        make_row("e", output="  "),
    ]
    write_rows(tmp_path / "train.jsonl", rows)
    report = check(tmp_path)
    assert places(findings(report, "bad_row")) == [
        ("train.jsonl", 2, ""),
        ("train.jsonl", 3, "output"),
        ("train.jsonl", 5, "extra"),
        ("train.jsonl", 6, "metadata.sample_id"),
        ("train.jsonl", 7, "input"),
        ("train.jsonl", 8, "output"),
    ]
    with pytest.raises(CheckFailed) as caught:
        require_ok(report, tmp_path / "outputs")
    for line in (2, 3, 5, 6, 7, 8):
        assert f"train.jsonl:{line}: " in caught.value.message


def test_more_than_fifty_errors_are_counted_and_the_file_holds_all(tmp_path: Path) -> None:
    write_rows(tmp_path / "train.jsonl", [make_row("a"), *[b"broken"] * 80])
    report = check(tmp_path)
    with pytest.raises(CheckFailed) as caught:
        require_ok(report, tmp_path / "outputs")
    assert caught.value.message.count("train.jsonl:") == 50
    assert "and 30 more in" in caught.value.message
    assert report_path(tmp_path / "outputs").read_text("utf-8").count('"bad_row"') == 80


def test_bytes_that_are_no_utf8_are_an_error_at_their_line(tmp_path: Path) -> None:
    write_rows(tmp_path / "train.jsonl", [make_row("a"), b'{"instruction": "\xff"}'])
    (found,) = findings(check(tmp_path), "bad_row")
    assert (found.line, found.severity) == (2, "error")
    assert "not UTF-8: byte 0xff" in found.message


def test_missing_and_empty_files_are_errors_and_do_not_hide_the_others(tmp_path: Path) -> None:
    config = make_config(tmp_path)
    (tmp_path / "train.jsonl").unlink()
    (tmp_path / "more.jsonl").write_bytes(b"")
    write_rows(tmp_path / "eval.jsonl", [b"broken"])
    report = check_data(config, micro_tokenizer(), EventLog(None, "test", "data"))
    assert places(findings(report, "missing_file")) == [("train.jsonl", 0, "")]
    assert [name for name, _, _ in places(findings(report, "no_rows"))] == ["more.jsonl", "eval.jsonl"]
    assert len(findings(report, "bad_row")) == 1
    assert not report.ok


def test_a_sample_id_may_not_occur_twice_over_all_files(tmp_path: Path) -> None:
    write_rows(tmp_path / "train.jsonl", [make_row("same")])
    write_rows(tmp_path / "more.jsonl", [make_row("other"), make_row("same", output=make_text("x"))])
    (found,) = findings(check(tmp_path), "duplicate_id")
    assert places([found]) == [("more.jsonl", 2, "metadata.sample_id")]
    assert "train.jsonl:1" in found.message


def test_exact_copies_are_errors_and_near_copies_warnings(tmp_path: Path) -> None:
    text = make_text("long", 200)
    near = text.replace(".", "").rsplit(" ", 3)[0]
    row = make_row("a", output=text)
    write_rows(tmp_path / "train.jsonl", [row, make_row("b", output=make_text("unlike", 200))])
    copy = {**row, "metadata": {**row["metadata"], "sample_id": "c"}}
    write_rows(tmp_path / "more.jsonl", [copy, make_row("d", instruction=row["instruction"], output=near)])
    report = check(tmp_path)
    (exact,) = findings(report, "exact_duplicate")
    (alike,) = findings(report, "near_duplicate")
    assert (exact.severity, alike.severity) == ("error", "warning")
    assert places([exact, alike]) == [("more.jsonl", 1, ""), ("more.jsonl", 2, "")]
    assert "train.jsonl:1" in exact.message
    assert "train.jsonl:1" in alike.message


@pytest.mark.parametrize("is_exact", [True, False])
def test_a_held_out_row_in_training_blocks(tmp_path: Path, is_exact: bool) -> None:
    text = make_text("answer", 200)
    held_out = make_eval_row("e", output=text)
    leaked = text if is_exact else text.upper().replace(" ", "  ", 50).rsplit(" ", 4)[0]
    rows = [make_row("x"), make_row("t", instruction=held_out["instruction"], output=leaked), make_row("y")]
    write_rows(tmp_path / "train.jsonl", rows)
    write_rows(tmp_path / "eval.jsonl", [make_eval_row("other"), held_out])
    report = check(tmp_path)
    (found,) = findings(report, "leak")
    assert places([found]) == [("train.jsonl", 2, "")]
    assert ("exact" in found.message) == is_exact
    assert "eval.jsonl:2" in found.message
    assert not report.ok


def test_every_training_copy_of_a_held_out_row_is_reported(tmp_path: Path) -> None:
    text = make_text("answer", 200)
    ask = make_text("ask", 9)
    copies = [make_row(f"t{n}", instruction=ask, output=f"{text} {' ' * n}") for n in range(3)]
    write_rows(tmp_path / "train.jsonl", copies)
    write_rows(tmp_path / "eval.jsonl", [make_eval_row("e", instruction=ask, output=text)])
    assert [one.line for one in findings(check(tmp_path), "leak")] == [1, 2, 3]


def test_the_same_question_with_another_answer_is_a_warning(tmp_path: Path) -> None:
    write_rows(tmp_path / "train.jsonl", [make_row("t", instruction="Name the five layers.")])
    write_rows(tmp_path / "eval.jsonl", [make_eval_row("e", instruction="Name the five layers.")])
    report = check(tmp_path)
    assert places(findings(report, "same_prompt")) == [("train.jsonl", 1, "")]
    assert report.ok


def test_flags_must_agree_with_the_file(tmp_path: Path) -> None:
    write_rows(tmp_path / "train.jsonl", [make_row("a"), make_row("b", metadata={"never_train": True})])
    write_rows(tmp_path / "eval.jsonl", [make_row("c", metadata={"is_eval": True})])
    report = check(tmp_path)
    assert places(findings(report, "held_out_row")) == [("train.jsonl", 2, "metadata.never_train")]
    assert places(findings(report, "unmarked_eval_row")) == [("eval.jsonl", 1, "metadata.never_train")]


def test_counts_are_compared_and_unknown_names_noticed(tmp_path: Path) -> None:
    report = check(tmp_path, expected_counts={"train": 4, "more": 5, "eva": 3})
    (count,) = findings(report, "count")
    assert places([count]) == [("more.jsonl", 0, "")]
    assert count.message == "4 samples; expected 5"
    assert findings(report, "unknown_file")[0].file == "eva"


def test_token_ranges_are_inclusive_and_count_training_files_only(tmp_path: Path) -> None:
    total = check(tmp_path).train_tokens
    exact = check(tmp_path, expected_total_tokens=(total, total))
    assert findings(exact, "total_tokens") == []
    outside = check(tmp_path, expected_total_tokens=(total + 1, total + 9), expected_mean_tokens=(1, 2))
    assert len(findings(outside, "total_tokens")) == 1
    assert len(findings(outside, "mean_tokens")) == 1
    assert outside.ok
    assert total == sum(file.tokens for file in outside.files if file.role == "train")


def test_a_control_token_in_a_text_is_noticed(tmp_path: Path) -> None:
    write_rows(tmp_path / "train.jsonl", [make_row("a", output="Done.<|im_end|> More.")])
    (found,) = findings(check(tmp_path), "control_token")
    assert "<|im_end|>" in found.message


def test_a_file_may_not_be_listed_twice(tmp_path: Path) -> None:
    config = make_config(tmp_path)
    with pytest.raises(UsageError, match="listed twice"):
        assign_roles(config.data, [tmp_path / "train.jsonl", tmp_path / "." / "train.jsonl"])


def test_chosen_files_keep_their_roles(tmp_path: Path) -> None:
    data = make_config(tmp_path).data
    roles = assign_roles(data, [tmp_path / "eval.jsonl", tmp_path / "more.jsonl"])
    assert roles == {tmp_path / "more.jsonl": "train", tmp_path / "eval.jsonl": "eval"}


def test_progress_ends_complete_and_names_the_report(tmp_path: Path) -> None:
    seen: list[Event] = []
    config = make_config(tmp_path)
    check_data(config, micro_tokenizer(), EventLog(None, "test", "data", seen.append))
    progress = [event for event in seen if isinstance(event, Progress)]
    assert progress[-1].done == progress[-1].total
    assert progress[-1].eta_s == 0
    assert isinstance(seen[-1], Finished)
    assert seen[-1].artifact == str(report_path(config.outputs))
