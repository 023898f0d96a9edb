"""Finding tool calls and judging them: hand-made answers, nasty ones included, and texts of any kind."""

import json
import time
from itertools import chain, repeat

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evals.cases import Case
from evals.checkers.tool_task import Expectation, check_tool_task, is_same_path, is_same_search
from evals.checkers.toolcalls import find_calls
from tests.tool_cases import (
    BAD,
    CALL,
    CREATE,
    EDIT,
    GOOD,
    GREP,
    PATH,
    READ,
    RUN,
    as_call,
)
from web4mlx.data.corpus.short_answers import TOOLS
from web4mlx.reports import CaseReport


@pytest.mark.parametrize(("case", "text"), GOOD.values(), ids=GOOD)
def test_right_calls_pass_in_every_form(case: Case, text: str) -> None:
    result = check_tool_task(case, text)
    assert result.verdict == "passed", result.reasons
    assert result.figures["literal_rule"] is True
    assert result.figures["right_tool"] is True


@pytest.mark.parametrize(("case", "text", "reason"), BAD.values(), ids=BAD)
def test_wrong_calls_fail_with_their_reason(case: Case, text: str, reason: str) -> None:
    result = check_tool_task(case, text)
    assert result.verdict == "failed"
    assert reason in {given.partition(":")[0] for given in result.reasons}
    assert all(given.isascii() or "…" in given for given in result.reasons)


def test_the_literal_rule_asks_for_structure_and_parameters_only() -> None:
    def literal(text: str) -> object:
        return check_tool_task(READ, text).figures["literal_rule"]

    assert literal(as_call("grep", pattern="anything")) is True
    assert literal(CALL + CALL) is True
    assert literal(as_call("read_file", file=PATH)) is False
    assert literal(as_call("open_file", path=PATH)) is False
    assert literal("read_file src/a.ts") is False


def test_several_reasons_are_all_given() -> None:
    result = check_tool_task(EDIT, as_call("edit_file", path=5, other=1))
    assert {reason.partition(":")[0] for reason in result.reasons} == {
        "wrong type",
        "missing parameter",
        "unexpected parameter",
    }


@pytest.mark.parametrize("path", ["src/a.ts", "./src/a.ts", "src/./a.ts", "src/b/../a.ts", " src/a.ts\n"])
def test_spellings_of_a_path_are_equal(path: str) -> None:
    assert is_same_path(path, PATH)


def test_a_search_for_something_else_is_not_equal() -> None:
    assert not is_same_search("init", "init(")
    assert not is_same_search(".*", "init(")
    assert is_same_search(r"a\.b", "a.b")


def test_an_expectation_with_a_typing_error_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown tools"):
        Expectation(tools=("readfile",))
    with pytest.raises(ValueError, match="one of"):
        Expectation(tools=("grep",), arguments={"path": {"same": "x"}})


MARKUP = st.lists(
    st.sampled_from(
        [
            "{",
            "}",
            '"',
            "\\",
            ":",
            ",",
            "[",
            "]",
            "<tool_call>",
            "</tool_call>",
            "<read_file>",
            "<path>",
            "</path>",
        ]
        + [
            "</read_file>",
            '<invoke name="grep">',
            '<parameter name="a">',
            '"name"',
            '"arguments"',
            "grep",
            "1",
            "\n",
        ]
        + ["'", "tool_calls", '"function"', "null", CALL, "\ud800", "é"]
    )
).map("".join)
TREES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["name", "arguments", "function", "tool_calls", "path", "id"]) | st.text(), inner
        )
    ),
)


@given(st.text() | MARKUP | TREES.map(json.dumps))
@example("\x00")
def test_no_text_crashes_the_checker(text: str) -> None:
    for case in (READ, GREP, EDIT, RUN, CREATE):
        result = check_tool_task(case, text)
        assert (result.verdict == "passed") is (result.reasons == ())
        CaseReport(
            id="x", category="c", prompt="p", response="", verdict=result.verdict, reasons=result.reasons
        ).model_dump_json()


@given(TREES.filter(lambda value: not isinstance(value, dict)), TREES)
def test_any_arguments_are_judged(path: object, other: object) -> None:
    check_tool_task(READ, as_call("read_file", path=path))
    check_tool_task(READ, as_call("read_file", path=PATH, other=other))


@pytest.mark.parametrize(
    "unit",
    ["{", '{"', '{"a":', '{"a":{"a":x ', '{"a":1,', '"\\"', '{"name": {"name": "arguments"', "<read_file><a>"]
    + ["<invoke ", '<invoke name="a"><parameter name="b">', "<tool_call>{", '{"tool_calls":[', "{   ", CALL],
)
def test_hundred_kilobytes_take_a_moment(unit: str) -> None:
    text = "".join(chain.from_iterable(repeat(unit, 100_000 // len(unit))))
    started = time.process_time()
    find_calls(text, TOOLS)
    assert time.process_time() - started < 5  # measured: 0.8 at most
