"""Preview: what is shown is the row that training uses, and never steers the terminal."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from tests.data_files import SYSTEM, make_config, make_row, make_text, micro_tokenizer, write_rows
from web4mlx.cli.data_view import show_preview, visible
from web4mlx.data.chat import render_sample
from web4mlx.data.preview import Preview, choose_samples, preview_samples
from web4mlx.data.samples import read_samples
from web4mlx.errors import UsageError


def previews(folder: Path, row: dict[str, object], **data: object) -> list[Preview]:
    file = write_rows(folder / "train.jsonl", [row])
    config = make_config(folder, **data)
    return list(preview_samples(list(read_samples(file)), micro_tokenizer(), SYSTEM, config.data))


def shown(preview: Preview, *, color: bool) -> str:
    screen = StringIO()
    console = Console(
        file=screen, force_terminal=color, color_system="truecolor" if color else None, width=200
    )
    show_preview(console, preview)
    return screen.getvalue()


def test_the_preview_is_the_training_row(tmp_path: Path) -> None:
    (one,) = previews(tmp_path, make_row("a", output="export class Order {}"))
    (sample,) = read_samples(tmp_path / "train.jsonl")
    row = render_sample(micro_tokenizer(), sample, SYSTEM)
    assert (one.ids, one.mask) == (row.tokens, row.mask)
    assert (one.prompt_tokens, one.supervised_tokens) == (len(row) - row.supervised, row.supervised)
    assert [part.is_supervised for part in one.parts] == [False, True]
    assert one.parts[1].text == "export class Order {}<|im_end|>"
    assert len(one.tokens) == len(one.ids)


@pytest.mark.parametrize("policy", ["drop", "keep_head", "split"])
def test_a_row_over_the_limit_is_shown_as_the_policy_leaves_it(tmp_path: Path, policy: str) -> None:
    row = make_row("a", instruction=make_text("ask", 60), output=make_text("answer", 60))
    (whole,) = previews(tmp_path, row)
    limit = len(whole.ids) - 20
    found = previews(tmp_path, row, max_seq_length=limit, too_long=policy)
    expected = {"drop": "dropped", "keep_head": "shortened", "split": "split"}[policy]
    assert {one.fate for one in found} == {expected}
    if policy != "drop":
        assert all(len(one.ids) <= limit for one in found)


@pytest.mark.parametrize("color", [True, False])
def test_supervised_text_is_bracketed_with_and_without_colour(tmp_path: Path, color: bool) -> None:
    (one,) = previews(tmp_path, make_row("a", output="answer [bold]text[/bold]"))
    text = shown(one, color=color)
    assert "⟦answer [bold]text[/bold]<|im_end|>⟧" in text
    assert ("\x1b[1;32m" in text) == color


def test_control_characters_of_the_data_do_not_reach_the_terminal(tmp_path: Path) -> None:
    (one,) = previews(tmp_path, make_row("a", output="wipe \x1b[2J and \u202e turn"))
    text = shown(one, color=False)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "wipe \\u001b[2J" in text
    assert visible("a\tb\nc") == "a\tb\nc"


def test_samples_come_from_each_file_in_turn(tmp_path: Path) -> None:
    files = [
        write_rows(tmp_path / f"{stem}.jsonl", [make_row(f"{stem}{n}") for n in range(count)])
        for stem, count in (("a", 3), ("b", 1))
    ]
    assert [sample.sample_id for sample in choose_samples(files, 3)] == ["a0", "b0", "a1"]
    assert [sample.sample_id for sample in choose_samples(files, 9, "a2")] == ["a2"]


def test_an_unknown_id_and_files_without_samples_are_usage_errors(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "a.jsonl", [make_row("a"), b"broken"])
    with pytest.raises(UsageError, match="'nope'"):
        choose_samples([file], 1, "nope")
    with pytest.raises(UsageError, match="no valid sample"):
        choose_samples([write_rows(tmp_path / "b.jsonl", [b"broken"])], 1)
