"""The parts of the Data screen: rows by number, wrapped tokens, the histogram's columns."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.data_files import make_config, make_row, micro_tokenizer, write_rows
from tui.feed.finding_hints import hint_of
from tui.feed.sample_rows import SampleRows
from tui.widgets.histogram import shares
from tui.widgets.token_view import Piece, text_lines, token_lines, wrap
from web4mlx.data.preview import preview_samples
from web4mlx.data.samples import BadRow, Sample, read_rows

ROOT = Path(__file__).parents[2]


def test_rows_by_number_are_the_rows_of_the_file(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "a.jsonl", [make_row("a"), b"", b"  ", b"{", make_row("b"), b"\xff"])
    rows = SampleRows(path)
    rows.refresh()
    assert [rows.row(number) for number in range(len(rows))] == list(read_rows(path))
    assert rows.row(-1) is rows.row(len(rows)) is None
    assert [type(rows.row(number)) for number in range(4)] == [Sample, BadRow, Sample, BadRow]
    assert [rows.number_of_line(line) for line in (1, 2, 4, 5, 99)] == [0, 1, 1, 2, 3]
    assert (rows.find_id("b"), rows.find_id("z")) == (2, None)


def test_rows_follow_a_file_that_changes(tmp_path: Path) -> None:
    rows = SampleRows(write_rows(tmp_path / "a.jsonl", [make_row("a")]))
    rows.refresh()
    write_rows(tmp_path / "a.jsonl", [make_row("a"), make_row("b")])
    rows.refresh()
    assert len(rows) == 2


@given(st.lists(st.text(max_size=40), max_size=6), st.integers(2, 30))
def test_wrapped_lines_fit_and_lose_nothing(texts: list[str], width: int) -> None:
    texts = [text.replace("\n", " ") for text in texts]
    lines = list(wrap([Piece(text, "masked") for text in texts], width))
    assert "".join(piece.text for line in lines for piece in line) == "".join(texts)
    assert all(sum(cell_len(piece.text) for piece in line) <= width for line in lines)


def test_text_and_tokens_show_what_is_learnt(tmp_path: Path) -> None:
    config = make_config(tmp_path, max_seq_length=2000)
    sample = next(row for row in read_rows(tmp_path / "train.jsonl") if isinstance(row, Sample))
    (preview,) = preview_samples([sample], micro_tokenizer(), "System.", config.data)
    for lines in (list(text_lines(preview)), list(token_lines(preview))):
        learnt = "".join(piece.text for line in lines for piece in line if piece.look == "learnt")
        read = "".join(piece.text for line in lines for piece in line if piece.look == "masked")
        assert learnt.replace("│", "") == sample.output + "<|im_end|>"
        assert "System." in read.replace("│", "")
        assert [p.text for line in lines for p in line if p.look == "mark"] == ["⟦", "⟧"]


def test_control_characters_of_the_data_cannot_steer_the_terminal(tmp_path: Path) -> None:
    config = make_config(tmp_path, max_seq_length=2000)
    write_rows(tmp_path / "evil.jsonl", [make_row("evil", output="a\x1b[2Jb\tc")])
    sample = next(row for row in read_rows(tmp_path / "evil.jsonl") if isinstance(row, Sample))
    (preview,) = preview_samples([sample], micro_tokenizer(), "", config.data)
    for lines in (text_lines(preview), token_lines(preview)):
        assert not any("\x1b" in piece.text or "\t" in piece.text for line in lines for piece in line)


@pytest.mark.parametrize(("bins", "columns"), [(1, 10), (7, 40), (24, 24), (24, 100), (30, 12)])
def test_bars_fill_the_columns_evenly(bins: int, columns: int) -> None:
    widths = shares(bins, columns)
    assert sum(widths) == columns
    assert max(widths) - min(widths) <= 1


def test_every_finding_of_the_manual_has_a_hint() -> None:
    table = (ROOT / "docs" / "data.md").read_text("utf-8").partition("## What `data check` finds")[2]
    rows = [line for line in table.partition("## Leak rules")[0].splitlines() if line.startswith("| `")]
    codes = [word.strip("` ") for line in rows for word in line.split("|")[1].split(",")]
    assert len(codes) >= 15
    assert [code for code in codes if not hint_of(code)] == []
