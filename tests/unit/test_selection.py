"""The file that names the samples to train on: read, written, applied, and part of a run's identity."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data_files import SYSTEM, make_config, make_row, make_text, micro_tokenizer, write_rows
from tests.training_project import write_project
from web4mlx.config import RunConfig, check_paths, load_config, write_config
from web4mlx.data.chat import Row
from web4mlx.data.rows import RowSet, load_rows
from web4mlx.data.selection import load_training_rows, read_selection, select_rows, write_selection
from web4mlx.errors import MissingPrerequisite, Problems, UsageError
from web4mlx.stages import Line, data_settings, is_same_training
from web4mlx.train.settings import describe_inputs, fingerprint


def written(folder: Path, text: str) -> Path:
    file = folder / "chosen.ids"
    file.write_text(text, "utf-8")
    return file


def row_set(count: int) -> RowSet:
    rows = [Row(tuple(range(n, 2 * n + 3)), (False,) * n + (True,) * 3, f"s{n}") for n in range(count)]
    return RowSet(rows)


def with_selection(config: RunConfig, file: Path | None) -> RunConfig:
    return config.model_copy(update={"data": config.data.model_copy(update={"selection": file})})


def test_comments_blank_lines_and_windows_line_ends_are_passed_over(tmp_path: Path) -> None:
    file = written(tmp_path, "\ufeff# made by hand\r\n\r\n  a \r\nb#2\n   # not this\nc c")
    assert read_selection(file) == {"a": 3, "b#2": 4, "c c": 6}


def test_repeated_ids_are_refused_with_file_and_both_lines(tmp_path: Path) -> None:
    file = written(tmp_path, "a\nb\n# a\na\n" + "b\n" * 9)
    with pytest.raises(UsageError) as caught:
        read_selection(file)
    assert f"{file}:4: 'a' stands in line 1 already" in caught.value.message
    assert f"{file}:5: 'b' stands in line 2 already" in caught.value.message
    assert "… and 5 more" in caught.value.message


@pytest.mark.parametrize("text", ["", "\n\n", "# only this\n"])
def test_a_selection_of_nothing_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"chosen\.ids: names no sample"):
        read_selection(written(tmp_path, text))


def test_what_is_no_text_or_no_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "bytes.ids").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not a UTF-8 text file"):
        read_selection(tmp_path / "bytes.ids")
    with pytest.raises(UsageError, match="cannot be read"):
        read_selection(tmp_path)
    with pytest.raises(MissingPrerequisite, match="no such file"):
        read_selection(tmp_path / "none.ids")


def test_unknown_ids_are_refused_with_file_and_line(tmp_path: Path) -> None:
    file = written(tmp_path, "# head\ns1\nnobody\ns2\nnothing\n")
    with pytest.raises(UsageError) as caught:
        select_rows(row_set(3), file)
    assert caught.value.message.splitlines() == [
        f"{file}:3: 'nobody' is the id of no samples in data.train",
        f"{file}:5: 'nothing' is the id of no samples in data.train",
    ]


def test_an_id_of_two_samples_is_refused(tmp_path: Path) -> None:
    rows = RowSet([*row_set(2), *row_set(2)])
    with pytest.raises(UsageError, match="'s1' is the id of 2 samples"):
        select_rows(rows, written(tmp_path, "s1\n"))


def test_the_order_of_the_file_means_nothing(tmp_path: Path) -> None:
    assert select_rows(row_set(5), written(tmp_path, "s4\ns0\ns2\n")).sample_ids == ["s0", "s2", "s4"]


@given(st.lists(st.integers(0, 7), max_size=12))
def test_selected_rows_are_the_rows_of_those_numbers(indices: list[int]) -> None:
    rows = row_set(8)
    chosen, plain = rows.select(indices), RowSet([rows[index] for index in indices])
    assert list(chosen) == list(plain)
    assert chosen.digest == plain.digest
    assert (chosen.tokens.dtype, chosen.mask.dtype, chosen.offsets.dtype) == (
        plain.tokens.dtype, plain.mask.dtype, plain.offsets.dtype,
    )  # fmt: skip


names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6).filter(str.strip)


@given(st.lists(names, min_size=1, max_size=5, unique=True), st.text(max_size=20))
def test_what_is_written_is_read_back_or_refused(
    tmp_path_factory: pytest.TempPathFactory, ids: list[str], comment: str
) -> None:
    file = tmp_path_factory.mktemp("ids") / "chosen.ids"
    fits = all(one == one.strip() and "\n" not in one and not one.startswith("#") for one in ids)
    if fits:
        write_selection(file, ids, [comment])
        assert list(read_selection(file)) == ids
    else:
        with pytest.raises(UsageError, match="cannot stand in a selection"):
            write_selection(file, ids, [comment])
        assert not file.exists()


def test_without_a_selection_all_rows_are_loaded(tmp_path: Path) -> None:
    config = make_config(tmp_path)
    rows = load_training_rows(config.data, micro_tokenizer(), SYSTEM)
    assert rows.digest == load_rows(config.data.train, micro_tokenizer(), SYSTEM).digest


def test_a_selected_sample_that_is_too_long_is_still_split(tmp_path: Path) -> None:
    rows = [make_row("short"), make_row("long", output=make_text("long", 300)), make_row("other")]
    config = make_config(tmp_path, train=[write_rows(tmp_path / "train.jsonl", rows)])
    config = with_selection(config, written(tmp_path, "long\nother\n"))
    chosen = load_training_rows(config.data, micro_tokenizer(), SYSTEM)
    fitted, report = chosen.fit(int(chosen.lengths[0]) // 2, "split")
    assert chosen.sample_ids == ["long", "other"]
    assert report.split == 1
    assert fitted.sample_ids[:2] == ["long#1", "long#2"]
    assert fitted.sample_ids[-1] == "other"


def test_fitting_rows_that_all_fit_changes_nothing() -> None:
    rows = row_set(6)
    fitted, report = rows.fit(int(rows.lengths.max()), "drop")
    assert (fitted.digest, fitted.sample_ids) == (rows.digest, rows.sample_ids)
    assert (report.rows, report.too_long, report.dropped) == (6, 0, ())


def test_only_a_set_selection_is_part_of_what_decides_the_weights(in_tmp: Path) -> None:
    config = load_config(write_project(in_tmp))
    plain = describe_inputs(config)
    assert "selection" not in plain
    marks = {fingerprint(config, plain)}
    for text in ("sample-0001\n", "sample-0002\n"):
        chosen = with_selection(config, written(in_tmp, text))
        inputs = describe_inputs(chosen)
        assert inputs["selection"].path == str(in_tmp / "chosen.ids")
        marks.add(fingerprint(chosen, inputs))
    assert len(marks) == 3


def test_a_selection_is_another_training_of_the_same_checked_data(in_tmp: Path) -> None:
    config = load_config(write_project(in_tmp))
    chosen = with_selection(config, written(in_tmp, "sample-0001\n"))
    one, other = (Line(c, Path("config.toml"), print, base=Path("base")) for c in (config, chosen))
    assert data_settings(one) == data_settings(other)
    assert is_same_training(config, config)
    assert not is_same_training(config, chosen)


def test_a_saved_configuration_keeps_its_selection(in_tmp: Path) -> None:
    config = with_selection(make_config(in_tmp), Path("lists/chosen.ids"))
    write_config(config, in_tmp / "run.toml")
    assert load_config(in_tmp / "run.toml") == config
    with pytest.raises(Problems, match=r"data\.selection = 'lists/chosen\.ids': no such file"):
        check_paths(config, in_tmp / "run.toml")
