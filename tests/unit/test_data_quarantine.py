"""Quarantine: what is moved is exactly what must go, and not a byte is lost."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data_files import check, findings, make_eval_row, make_row, make_text, write_rows
from web4mlx import artifacts
from web4mlx.data import quarantine
from web4mlx.data.quarantine import (
    count_quarantined,
    quarantine_path,
    quarantine_rows,
    raw_bytes,
    read_entries,
    split_lines,
)
from web4mlx.errors import CheckFailed, UsageError


def write_defects(folder: Path) -> Path:
    """Six good rows among bad rows of every movable kind, CRLF, a blank line, and no newline at the end."""
    ask, answer = make_text("ask", 9), make_text("leak", 200)
    good = [make_row(f"good{n}") for n in range(6)]
    copy = {**good[0], "metadata": {**good[0]["metadata"], "sample_id": "copy"}}
    file = write_rows(
        folder / "train.jsonl",
        [
            *good[:2],
            b'{"instruction": "\xff\xfe"}',
            b"broken\r",
            b"",
            copy,
            make_row("leak", instruction=ask, output=answer),
            *good[2:4],
            make_row("good0", output=make_text("same id")),
            make_row("flag", metadata={"never_train": True}),
            *good[4:],
            b"\xef\xbb\xbf{}",
        ],
    )
    file.write_bytes(file.read_bytes()[:-1])
    write_rows(folder / "eval.jsonl", [make_eval_row("e", instruction=ask, output=answer)])
    return file


def all_lines(file: Path) -> Counter[bytes]:
    """The lines of a file and of its side file."""
    return Counter(split_lines(file.read_bytes())) + Counter(
        raw_bytes(entry) for entry in read_entries(quarantine_path(file))
    )


def test_quarantine_loses_nothing_and_then_the_check_passes(tmp_path: Path) -> None:
    file = write_defects(tmp_path)
    before = Counter(split_lines(file.read_bytes()))
    (moved,) = quarantine_rows(check(tmp_path))
    assert moved.rows == count_quarantined(file) == 7
    assert all_lines(file) == before
    after = check(tmp_path, expected_counts={"train": 13})
    assert after.ok
    assert [one.severity for one in findings(after, "count")] == ["warning"]
    assert after.files[0].rows == 6
    codes = {code for entry in read_entries(quarantine_path(file)) for code in entry["codes"]}
    assert codes == {"bad_row", "exact_duplicate", "leak", "duplicate_id", "held_out_row"}


def test_a_second_quarantine_touches_nothing(tmp_path: Path) -> None:
    file = write_defects(tmp_path)
    quarantine_rows(check(tmp_path))
    side_file = quarantine_path(file)
    before = file.stat().st_mtime_ns, side_file.stat().st_mtime_ns
    assert quarantine_rows(check(tmp_path)) == []
    assert (file.stat().st_mtime_ns, side_file.stat().st_mtime_ns) == before


def test_clean_files_get_no_side_file(tmp_path: Path) -> None:
    assert quarantine_rows(check(tmp_path)) == []
    assert list(tmp_path.glob("*.quarantine.jsonl")) == []


def test_a_later_quarantine_adds_to_the_side_file(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "train.jsonl", [make_row("a"), b"broken"])
    quarantine_rows(check(tmp_path))
    with file.open("ab") as more:
        more.write(b"broken\nbroken too\n")
    quarantine_rows(check(tmp_path))
    moved = [raw_bytes(entry) for entry in read_entries(quarantine_path(file))]
    assert moved == [b"broken\n", b"broken\n", b"broken too\n"]


def test_a_crash_between_the_two_writes_is_completed_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_defects(tmp_path)
    before = Counter(split_lines(file.read_bytes()))
    real = artifacts.atomic_write

    def crash_on_sample_file(path: Path, content: str | bytes) -> None:
        if path.name == file.name:
            raise KeyboardInterrupt
        real(path, content)

    monkeypatch.setattr(quarantine, "atomic_write", crash_on_sample_file)
    with pytest.raises(KeyboardInterrupt):
        quarantine_rows(check(tmp_path))
    assert Counter(split_lines(file.read_bytes())) == before
    monkeypatch.setattr(quarantine, "atomic_write", real)
    quarantine_rows(check(tmp_path))
    assert all_lines(file) == before


def test_a_dry_run_moves_nothing(tmp_path: Path) -> None:
    file = write_defects(tmp_path)
    before = file.read_bytes()
    (moved,) = quarantine_rows(check(tmp_path), dry_run=True)
    assert moved.rows == 7
    assert file.read_bytes() == before
    assert not quarantine_path(file).exists()


def test_a_file_that_changed_since_the_check_is_left_alone(tmp_path: Path) -> None:
    file = write_defects(tmp_path)
    report = check(tmp_path)
    file.write_bytes(b"\n" + file.read_bytes())
    with pytest.raises(CheckFailed, match="changed since it was checked"):
        quarantine_rows(report)


def test_a_damaged_side_file_is_not_overwritten(tmp_path: Path) -> None:
    file = write_defects(tmp_path)
    quarantine_path(file).write_bytes(b"precious\n")
    with pytest.raises(UsageError, match="quarantine.jsonl:1"):
        quarantine_rows(check(tmp_path))
    assert quarantine_path(file).read_bytes() == b"precious\n"


def test_a_linked_file_stays_a_link(tmp_path: Path) -> None:
    real = write_rows(tmp_path / "elsewhere" / "train.jsonl", [make_row("a"), b"broken"])
    (tmp_path / "train.jsonl").symlink_to(real)
    quarantine_rows(check(tmp_path))
    assert (tmp_path / "train.jsonl").is_symlink()
    assert quarantine_path(tmp_path / "train.jsonl").exists()
    assert b"broken" not in real.read_bytes()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([b"a", b"\n", b"\r", b"\xff", b"\xe2\x80\xa8"])).map(b"".join))
def test_split_lines_is_what_iterating_a_file_gives(data: bytes) -> None:
    lines = split_lines(data)
    assert b"".join(lines) == data
    assert all(line.endswith(b"\n") for line in lines[:-1])
    assert all(b"\n" not in line[:-1] for line in lines)
