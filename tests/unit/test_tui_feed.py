"""Readings from files that grow, are cut, vanish, or hold rubbish."""

import math
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dashboards import record_run, step_fields
from tui.feed.event_text import event_line
from tui.feed.logfile import Filter, LogFile
from tui.feed.run import RunFeed, list_runs
from tui.feed.series import Series, thin
from tui.feed.tail import EventTail, LineTail
from web4mlx.events import EventLog, Step


@given(st.lists(st.binary(max_size=12).filter(lambda b: b"\n" not in b), max_size=12), st.data())
def test_lines_come_once_and_whole_however_they_are_written(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("tail") / "log"
    content = b"".join(line + b"\n" for line in lines)
    tail, found, at = LineTail(path), [], 0
    while at < len(content):
        size = data.draw(st.integers(1, len(content) - at))
        with path.open("ab") as file:
            file.write(content[at : at + size])
        at += size
        found += list(tail.read())
    assert found == lines


def test_a_log_that_is_cut_short_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("one\ntwo\n")
    tail = LineTail(path)
    assert list(tail.read()) == [b"one", b"two"]
    path.write_text("1\n")
    assert list(tail.read()) == [b"1"]
    assert tail.restarts == 1


def test_a_deleted_log_says_so_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "log"
    tail = LineTail(path)
    assert list(tail.read()) == []
    assert tail.problem == "it is not there yet"
    path.write_text("one\n")
    assert list(tail.read()) == [b"one"]
    path.unlink()
    assert list(tail.read()) == []
    assert tail.problem == "it has been deleted"
    path.write_text("two\n")
    assert list(tail.read()) == [b"two"]
    assert tail.problem == ""


def test_lines_that_are_no_events_are_counted(tmp_path: Path) -> None:
    run = record_run(tmp_path, steps=3)
    with (run / "events.jsonl").open("ab") as log:
        log.write(b'{"kind": "step"}\n\xff\xfe\nnot json\n{"half')
    tail = EventTail(run / "events.jsonl")
    assert len(list(tail.read())) == 8
    assert tail.garbage == 3


@pytest.mark.parametrize(
    ("end", "state"),
    [("finished", "finished"), ("failed", "failed"), ("stopped", "stopped"), ("", "interrupted")],
)
def test_a_run_is_in_the_state_of_its_last_event(tmp_path: Path, end: str, state: str) -> None:
    run = RunFeed(record_run(tmp_path, end=end)).read()
    assert run.state == state
    assert len(run.curves["loss"]) == 40
    assert run.best == (0, 4.0)
    assert [step for step, _ in run.checkpoints] == [40]
    assert run.warnings[0].advice == "Close programs."


def test_a_run_that_was_resumed_replaces_what_it_goes_back_over(tmp_path: Path) -> None:
    run = record_run(tmp_path, steps=20, end="")
    with EventLog(run / "events.jsonl", run.name, "train") as log:
        for step in range(11, 31):
            log.write(Step, **step_fields(step) | {"loss": 9.0})
    curve = RunFeed(run).read().curves["loss"]
    assert list(curve.x) == [float(step) for step in range(1, 31)]
    assert curve.y[10] == 9.0
    assert curve.smoothed is not None
    assert len(curve.smoothed) == 30


def test_a_run_whose_folder_is_deleted_keeps_what_was_read(tmp_path: Path) -> None:
    run = record_run(tmp_path)
    feed = RunFeed(run)
    feed.read()
    shutil.rmtree(run)
    after = feed.read()
    assert after.state == "gone"
    assert len(after.curves["loss"]) == 40


def test_a_long_log_is_taken_in_in_pieces(tmp_path: Path) -> None:
    feed = RunFeed(record_run(tmp_path, steps=400))
    assert not feed.read(limit_bytes=1000).complete or len(feed.readings.curves["loss"]) == 400
    while not feed.read(limit_bytes=1000).complete:
        pass
    assert len(feed.readings.curves["loss"]) == 400


def test_runs_are_listed_newest_first(tmp_path: Path) -> None:
    old, new = record_run(tmp_path, "20250101_000000"), record_run(tmp_path, "20260101_000000")
    assert list_runs(tmp_path) == [new, old]
    assert list_runs(tmp_path / "nowhere") == []


@given(st.lists(st.floats(-1e6, 1e6) | st.just(math.nan), max_size=300), st.integers(1, 200))
def test_thinning_keeps_the_extremes(values: list[float], columns: int) -> None:
    series = Series()
    for step, value in enumerate(values):
        series.add(step, value)
    thinned = thin(*series.points(), columns, 0.0, max(1.0, len(values)))
    finite = [value for value in values if math.isfinite(value)]
    shown = [value for value in [*thinned.low, *thinned.high] if math.isfinite(value)]
    assert bool(finite) == bool(shown)
    if finite:
        assert min(shown) == min(finite)
        assert max(shown) == max(finite)


def numbered(path: Path, count: int) -> LogFile:
    """A log of numbered lines, every hundredth of them an error."""
    lines = (f"line {n}" + (" error: no" if n % 100 == 0 else "") + "\n" for n in range(count))
    path.write_text("".join(lines))
    log = LogFile(path)
    while not log.is_complete or log.size == 0:
        log.grow()
    return log


@pytest.mark.parametrize("count", [1, 63, 64, 65, 128, 1000])
def test_any_window_of_a_log_is_found(tmp_path: Path, count: int) -> None:
    log = numbered(tmp_path / "log", count)
    assert log.lines == count
    for first in {0, count // 2, max(0, count - 3), count}:
        window = log.window(first, 70)
        assert [number for number, _ in window] == list(range(first, min(count, first + 70)))
        assert all(line.startswith(f"line {number}".encode()) for number, line in window)


def test_filter_and_search_find_the_same_lines(tmp_path: Path) -> None:
    log = numbered(tmp_path / "log", 1000)
    assert log.find("line 777", 0, 1) == 777
    assert log.find("line 777", 900, 1) == 777
    assert log.find("line 777", 0, -1) == 777
    assert log.find("nowhere", 0, 1) is None
    log.set_filter(Filter(level="error"))
    log.grow()
    assert log.shown == 10
    assert [number for number, _ in log.window(0, 99)] == list(range(0, 1000, 100))
    assert log.find("LINE 300", 0, 1) == 3


def test_a_log_goes_on_where_it_was_and_begins_again_when_it_was_cut(tmp_path: Path) -> None:
    log = numbered(tmp_path / "log", 100)
    with log.path.open("a") as file:
        file.write("line 100\nhalf")
    log.grow()
    assert log.lines == 101
    log.path.write_text("new\n")
    log.grow()
    assert log.window(0, 5) == [(0, b"new")]
    log.path.unlink()
    log.grow()
    assert log.problem == "it has been deleted"


def test_every_event_reads_as_one_line(tmp_path: Path) -> None:
    run = record_run(tmp_path, steps=1, end="failed")
    lines = [event_line(line) for line in (run / "events.jsonl").read_text().splitlines()]
    assert "step 1/100" in lines[2]
    assert lines[-1].endswith("failed: the disk is full  Free some space.")
    assert event_line("no event") == "no event"
