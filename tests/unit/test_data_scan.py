"""Scanning: every line is read once and numbered right, however files are cut and written."""

import json
from pathlib import Path

import pytest

from tests.data_files import SYSTEM, make_row, make_text, micro_folder, micro_tokenizer, write_rows
from web4mlx.data import scan
from web4mlx.data.chat import render_sample
from web4mlx.data.lengths import RowFrame
from web4mlx.data.rows import RowSet
from web4mlx.data.samples import BadRow, Sample, parse_row, read_samples
from web4mlx.data.scan import Block, BlockFacts, ScanSettings, cut_blocks, read_lines, scan_files


def settings(max_seq_length: int = 2048) -> ScanSettings:
    return ScanSettings(micro_folder(), SYSTEM, max_seq_length, "drop")


def scan_one(path: Path) -> BlockFacts:
    return scan_files([path], settings(), lambda done, total, eta_s: None)[0]


@pytest.mark.parametrize("block_bytes", [1, 7, 100, 10_000])
def test_blocks_of_any_size_yield_every_line_once(tmp_path: Path, block_bytes: int) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one\n\ntwo\r\n" + b"x" * 300 + b"\nlast without end")
    lines = [line for block in cut_blocks(path, block_bytes) for line in read_lines(block)]
    assert lines == path.read_bytes().splitlines(keepends=True)


def test_line_numbers_do_not_depend_on_the_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [make_row(f"r{n}") if n % 3 else b"broken" for n in range(20)]
    path = write_rows(tmp_path / "a.jsonl", rows)
    whole = scan_one(path)
    monkeypatch.setattr(scan, "cut_blocks", lambda file: cut_blocks(file, 500))
    cut = scan_one(path)
    assert [row.line for row in cut.rows] == [row.line for row in whole.rows]
    assert [bad.line for bad in cut.bad] == [bad.line for bad in whole.bad] == [1, 4, 7, 10, 13, 16, 19]
    assert [row.digest for row in cut.rows] == [row.digest for row in whole.rows]


def test_worker_processes_find_what_one_process_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_rows(tmp_path / "a.jsonl", [make_row(f"r{n}") for n in range(40)])
    alone = scan_one(path)
    monkeypatch.setattr(scan, "PARALLEL_FROM_BYTES", 0)
    monkeypatch.setattr(scan, "cut_blocks", lambda file: cut_blocks(file, 4000))
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    together = scan_one(path)
    for name in ("line", "sample_id", "digest", "row_tokens", "content_tokens"):
        assert [getattr(row, name) for row in together.rows] == [getattr(row, name) for row in alone.rows]
    assert all((a.signature == b.signature).all() for a, b in zip(alone.rows, together.rows, strict=True))


def test_windows_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(json.dumps(make_row(f"r{n}")).encode() + b"\r\n" for n in range(3)))
    facts = scan_one(path)
    assert [row.line for row in facts.rows] == [1, 2, 3]
    assert facts.bad == []


def test_a_byte_order_mark_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(make_row("a")).encode() + b"\n")
    (bad,) = scan_one(path).bad
    assert (bad.line, bad.reason) == (1, "starts with a byte order mark; save the file as UTF-8 without one")


def test_unicode_line_separators_do_not_end_a_row(tmp_path: Path) -> None:
    rows = [make_row("a", output="one\u2028two\u2029three\u0085four\x0bfive"), make_row("b")]
    facts = scan_one(write_rows(tmp_path / "a.jsonl", rows))
    assert [row.line for row in facts.rows] == [1, 2]


def test_a_line_of_a_megabyte_is_read(tmp_path: Path) -> None:
    long = make_row("b", output="x = 'y' " * 4096, metadata={"note": "x" * (1 << 20)})
    rows = [make_row("a"), long, make_row("c")]
    facts = scan_one(write_rows(tmp_path / "a.jsonl", rows))
    assert [row.line for row in facts.rows] == [1, 2, 3]
    assert facts.rows[1].fitted == 0
    assert facts.rows[1].row_tokens > 2048


def test_row_lengths_and_fates_equal_those_of_training(tmp_path: Path) -> None:
    texts = ["x", "\n\n leading and trailing \n", "ends with space ", "€ 😀 \u2028", make_text("long", 300)]
    rows = [make_row(f"r{n}", input=text, output=text) for n, text in enumerate(texts)]
    path = write_rows(tmp_path / "a.jsonl", rows)
    tokenizer = micro_tokenizer()
    rendered = [render_sample(tokenizer, sample, SYSTEM) for sample in read_samples(path)]
    limit = len(rendered[2])
    facts = scan_files([path], settings(limit), lambda done, total, eta_s: None)[0]
    assert [row.row_tokens for row in facts.rows] == [len(row) for row in rendered]
    assert sum(row.fitted for row in facts.rows) == len(RowSet(rendered).fit(limit, "drop")[0])


def test_own_tokens_are_those_of_task_and_answer() -> None:
    row = make_row("a", input="more")
    sample = parse_row(Path("a"), 1, json.dumps(row).encode())
    assert isinstance(sample, Sample)
    assert not isinstance(sample, BadRow)
    tokenizer = micro_tokenizer()
    ((own, whole),) = RowFrame(tokenizer, SYSTEM).count([sample])
    _, user, answer = sample.messages(SYSTEM)
    assert abs(own - len(tokenizer.encode(user["content"])) - len(tokenizer.encode(answer["content"]))) <= 1
    assert whole > own


def test_a_block_past_the_end_is_empty(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "a.jsonl", [b"x"])
    assert list(read_lines(Block(path, 2, 9))) == []
