"""The event log: every kind survives the round trip, and nothing in a log can stop its reader."""

import io
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from web4mlx import events
from web4mlx.errors import StageCrashed
from web4mlx.events import Event, EventLog, Metric, Progress, parse_event, read_events

KINDS = get_args(get_args(events.AnyEvent)[0])
VALUES = {
    "str": "ü✓", "int": 3, "float": 0.25, "bool": True, "float | None": 1.5,
    "dict[str, typing.Any]": {"rows": 3, "nested": {"a": [1, None]}},
}  # fmt: skip


def value_of(annotation: object) -> object:
    if get_args(annotation) and all(isinstance(option, str) for option in get_args(annotation)):
        return get_args(annotation)[-1]
    name = getattr(annotation, "__name__", "") if isinstance(annotation, type) else str(annotation)
    return VALUES[str(annotation) if "[" in str(annotation) else name]


def write_some(path: Path, count: int) -> None:
    with EventLog(path, "run", "stage") as log:
        for number in range(count):
            log.write(Progress, done=number, total=count)


def done(path: Path, offset: int = 0) -> list[int]:
    return [event.done for event, _ in read_events(path, offset) if isinstance(event, Progress)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_reads_back_as_it_was_written(kind: type[Event], tmp_path: Path) -> None:
    fields = {
        name: value_of(field.annotation)
        for name, field in kind.model_fields.items()
        if name not in ("ts", "run", "stage", "kind")
    }
    with EventLog(tmp_path / "log.jsonl", "run", "stage") as log:
        written = log.write(kind, **fields)
    ((read, _),) = read_events(tmp_path / "log.jsonl")
    assert read == written
    assert type(read) is kind


def test_there_are_no_two_events_of_one_kind() -> None:
    names = [kind.model_fields["kind"].default for kind in KINDS]
    assert len(set(names)) == len(names) == 13


@settings(max_examples=50, deadline=None)
@given(text=st.text(max_size=40))
def test_any_text_stays_on_one_line(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("log") / "log.jsonl"
    with EventLog(path, "run", "stage") as log:
        log.warn("code", text)
        log.warn("code", "after")
    assert path.read_bytes().count(b"\n") == 2
    assert len(list(read_events(path))) == 2


def test_numbers_that_are_not_finite_survive(tmp_path: Path) -> None:
    with EventLog(tmp_path / "log.jsonl", "run", "stage") as log:
        log.write(Metric, name="loss", value=float("nan"))
    ((event, _),) = read_events(tmp_path / "log.jsonl")
    assert isinstance(event, Metric)
    assert event.value != event.value


def test_text_that_is_no_unicode_is_written_with_a_mark_in_its_place(tmp_path: Path) -> None:
    with EventLog(tmp_path / "log.jsonl", "run", "stage") as log:
        log.warn("code", "broken \udc80 byte")
    ((event, _),) = read_events(tmp_path / "log.jsonl")
    assert isinstance(event, events.Warned)
    assert event.message == "broken ? byte"


def test_garbage_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    write_some(path, 2)
    with path.open("ab") as file:
        file.write(b'\xff\xfe\n\n{}\n[1]\n{"kind": "unknown", "ts": 1, "run": "r", "stage": "s"}\n')
    write_some(path, 1)
    assert done(path) == [0, 1, 0]


def test_a_half_written_last_line_is_left_for_the_next_call(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    write_some(path, 3)
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    *_, (_, offset) = read_events(path)
    assert done(path) == [0, 1]
    path.write_bytes(whole)
    assert done(path, offset) == [2]


def test_a_log_with_a_half_written_line_can_be_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    write_some(path, 2)
    path.write_bytes(path.read_bytes()[:-7])
    write_some(path, 2)
    assert done(path) == [0, 0, 1]


def test_reading_can_be_resumed_at_every_offset(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    write_some(path, 5)
    offsets = [offset for _, offset in read_events(path)]
    assert offsets[-1] == path.stat().st_size
    assert [done(path, offset) for offset in offsets] == [[1, 2, 3, 4], [2, 3, 4], [3, 4], [4], []]


def test_no_log_has_no_events(tmp_path: Path) -> None:
    assert list(read_events(tmp_path / "none.jsonl")) == []


@pytest.mark.parametrize("line", ["", "{", '{"kind": "metric"}', "null"])
def test_a_line_that_is_no_event_is_an_error_of_value(line: str) -> None:
    with pytest.raises(ValueError, match="not an event"):
        parse_event(line)


def test_fields_that_an_event_does_not_have_are_refused() -> None:
    with pytest.raises(ValueError, match="extra"):
        EventLog(None, "run", "stage").write(Progress, done=1, colour="red")


def test_listeners_get_events_after_they_were_written(tmp_path: Path) -> None:
    path, seen = tmp_path / "log.jsonl", io.StringIO()
    with EventLog(path, "run", "stage", lambda event: print(done(path), file=seen)) as log:
        log.write(Progress, done=7)
    assert seen.getvalue() == "[7]\n"


def test_a_log_in_memory_writes_no_file(in_tmp: Path) -> None:
    seen: list[Event] = []
    EventLog(None, "run", "stage", seen.append).warn("code", "message")
    assert len(seen) == 1
    assert list(in_tmp.iterdir()) == []


def test_a_log_where_a_file_stands_in_place_of_its_folder_is_explained(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(StageCrashed, match="a file stands where a folder must be"):
        EventLog(tmp_path / "run" / "log.jsonl", "run", "stage")
