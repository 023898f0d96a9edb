"""Finding tool calls and judging them: hand-made answers, nasty ones included, and texts of any kind."""

import json
import time
from itertools import chain, repeat

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evals.cases import Case
from evals.checkers.tool_task import Expectation, check_tool_task, is_same_path, is_same_search, tool_schemas
from evals.checkers.toolcalls import find_calls
from evals.harnesses.tool_success import HARNESS, rates
from web4mlx.data.corpus import long_answers, short_answers
from web4mlx.data.corpus.grammar import Dealer
from web4mlx.data.corpus.short_answers import TOOLS
from web4mlx.data.corpus.words import read_list
from web4mlx.reports import CaseReport

PATH = "src/a.ts"


def case_for(tool: str, **arguments: dict[str, str]) -> Case:
    expect = {"tools": [tool], "arguments": arguments}
    return Case(id="x", category="c", phrasing="p", source="s", prompt="Do it.", expect=expect)


READ = case_for("read_file", path={"path": PATH})
GREP = case_for("grep", pattern={"search": "init("}, path={"path": "src"})
EDIT = case_for("edit_file", path={"path": PATH}, old_text={"equal": "a"}, new_text={"equal": "b"})
RUN = case_for("run_terminal_command", command={"command": "npm run x"})
CREATE = case_for("create_file", path={"path": PATH}, content={"contains": "class A"})
CALL = f'{{"name": "read_file", "arguments": {{"path": "{PATH}"}}}}'
EDIT_CALL = f'{{"name": "edit_file", "arguments": {{"path": "{PATH}", "old_text": "a", "new_text": "b"}}}}'


def as_call(name: str, **arguments: object) -> str:
    return json.dumps({"name": name, "arguments": arguments})


GOOD = {
    "bare": (READ, CALL),
    "parameters for arguments": (READ, CALL.replace("arguments", "parameters")),
    "arguments first": (READ, f'{{"arguments": {{"path": "{PATH}"}}, "name": "read_file"}}'),
    "in prose": (READ, f"I read the file first: {CALL} Then we see."),
    "in inline code": (READ, f"Call `{CALL}`."),
    "fenced": (READ, f"```json\n{CALL}\n```"),
    "fenced with carriage returns": (READ, f"```json\r\n{CALL}\r\n```"),
    "spread over lines": (READ, json.dumps(json.loads(CALL), indent=4)),
    "in a list": (READ, f"[{CALL}]"),
    "tagged": (READ, f"<tool_call>\n{CALL}\n</tool_call>"),
    "tagged, open at the end": (READ, f"<tool_call>\n{CALL}"),
    "tagged and fenced": (READ, f"<tool_call>\n```json\n{CALL}\n```\n</tool_call>"),
    "OpenAI function with text": (
        READ,
        json.dumps(
            {"type": "function", "function": {"name": "read_file", "arguments": '{"path": "src/a.ts"}'}}
        ),
    ),
    "OpenAI function with an object": (READ, f'{{"id": "call_1", "function": {CALL}}}'),
    "OpenAI message": (
        READ,
        f'{{"role": "assistant", "content": null, "tool_calls": [{{"function": {CALL}}}]}}',
    ),
    "function_call": (READ, f'{{"function_call": {CALL}}}'),
    "arguments as text": (READ, json.dumps({"name": "read_file", "arguments": '{"path": "src/a.ts"}'})),
    "braces in strings": (
        CREATE,
        as_call("create_file", path=PATH, content='class A { x = "}{" }\n{"name": "grep"}'),
    ),
    "a call inside of a string": (CREATE, as_call("create_file", path=PATH, content="class A " + CALL)),
    "path with ./": (READ, as_call("read_file", path="./src//a.ts")),
    "folder with /": (case_for("list_files", path={"path": "src"}), as_call("list_files", path="src/")),
    "escaped pattern": (GREP, as_call("grep", pattern=r"init\(", path="src")),
    "pattern between word boundaries": (
        case_for("grep", pattern={"search": "HACK"}),
        as_call("grep", pattern=r"\bHACK\b"),
    ),
    "command with more space": (RUN, as_call("run_terminal_command", command=" npm  run x")),
    "other JSON before": (READ, '{"private": true, "scripts": {}} ' + CALL),
    "a package file before": (READ, '{"name": "app", "version": "1.0.0"} ' + CALL),
    "TypeScript before": (READ, "class A { init() { return { name: 'x' }; } }\n" + CALL),
    "open brace before": (READ, "a { b " + CALL),
    "XML": (READ, f"<read_file><path>{PATH}</path></read_file>"),
    "XML over lines": (READ, f"Now:\n<read_file>\n  <path>\n{PATH}\n</path>\n</read_file>\nDone."),
    "XML entities": (
        case_for("grep", pattern={"equal": "a<b&c"}),
        "<grep><pattern>a&lt;b&amp;c</pattern></grep>",
    ),
    "XML with raw text": (
        CREATE,
        f"<create_file><path>{PATH}</path><content>class A {{ }}</content></create_file>",
    ),
    "invoke": (
        READ,
        f'<function_calls><invoke name="read_file"><parameter name="path">{PATH}</parameter></invoke>',
    ),
    "invoke with single quotes": (
        READ,
        f"<invoke name='read_file'>\n<parameter name='path'>{PATH}</parameter>\n</invoke>",
    ),
    "XML in tool_call": (READ, f"<tool_call><read_file><path>{PATH}</path></read_file></tool_call>"),
    "a tag that prose speaks of": (READ, f"I use <read_file> for it: {CALL}"),
    "a look at the file before the edit": (EDIT, f"{CALL}\n{EDIT_CALL}"),
}
BAD = {
    "nothing": (READ, "", "no call"),
    "prose": (READ, "I would read src/a.ts with read_file.", "no call"),
    "only arguments": (READ, '{"path": "src/a.ts"}', "no call"),
    "HTML": (READ, "<p>read_file</p>", "no call"),
    "in an invented wrapper": (READ, f'{{"answer": {CALL}}}', "no call"),
    "trailing comma": (READ, CALL.replace('"}}', '",}}'), "malformed JSON"),
    "single quotes": (READ, CALL.replace('"', "'"), "malformed JSON"),
    "no quotes": (READ, "{name: read_file, arguments: {path: src/a.ts}}", "malformed JSON"),
    "cut off": (READ, CALL[:-2], "malformed JSON"),
    "cut off in a string": (READ, CALL[:-6], "malformed JSON"),
    "key twice": (
        READ,
        '{"name": "read_file", "arguments": {"path": "b", "path": "src/a.ts"}}',
        "malformed JSON",
    ),
    "a comment": (READ, CALL.replace("{", "{ // now\n", 1), "no call"),
    "a line break in a string": (
        CREATE,
        '{"name": "create_file", "arguments": {"path": "src/a.ts", "content": "class A\n"}}',
        "malformed JSON",
    ),
    "NaN": (READ, '{"name": "read_file", "arguments": {"path": NaN}}', "malformed JSON"),
    "broken text of arguments": (READ, '{"name": "read_file", "arguments": "{path}"}', "malformed JSON"),
    "the template echoed": (READ, '{"name": <function-name>, "arguments": {}}', "malformed JSON"),
    "tool_call without JSON": (READ, "<tool_call>read_file</tool_call>", "malformed JSON"),
    "a number of 5000 digits": (
        READ,
        '{"name": "read_file", "arguments": ' + "9" * 5000 + "}",
        "malformed JSON",
    ),
    "a broken and a right call": (READ, CALL.replace('"}}', '",}}') + "\n" + CALL, "malformed JSON"),
    "no arguments": (READ, '{"name": "read_file", "path": "src/a.ts"}', "wrong structure"),
    "tool for name": (READ, CALL.replace('"name"', '"tool"'), "wrong structure"),
    "function as text": (READ, CALL.replace('"name"', '"function"'), "wrong structure"),
    "arguments in a list": (READ, '{"name": "read_file", "arguments": ["src/a.ts"]}', "wrong structure"),
    "a name that is no text": (READ, '{"name": 5, "arguments": {}}', "wrong structure"),
    "tool_calls of texts": (READ, '{"tool_calls": ["read_file"]}', "wrong structure"),
    "XML attributes": (READ, '<read_file path="src/a.ts"/>', "wrong structure"),
    "XML not closed": (READ, "<read_file><path>src/a.ts</path>", "malformed XML"),
    "XML parameter not closed": (READ, "<read_file><path>src/a.ts", "malformed XML"),
    "XML parameter twice": (
        READ,
        "<read_file><path>a</path><path>src/a.ts</path></read_file>",
        "malformed XML",
    ),
    "XML without parameters": (READ, "<read_file>src/a.ts</read_file>", "malformed XML"),
    "an entity is not resolved": (
        READ,
        '<!DOCTYPE x [<!ENTITY p "src/a.ts">]><read_file><path>&p;</path></read_file>',
        "wrong value",
    ),
    "wrong tool": (READ, as_call("grep", pattern="a", path=PATH), "wrong tool"),
    "unknown tool": (READ, as_call("open_file", path=PATH), "unknown tool"),
    "missing parameter": (READ, as_call("read_file"), "missing parameter"),
    "missing where the task names it": (GREP, as_call("grep", pattern="init("), "missing parameter"),
    "unexpected parameter": (READ, as_call("read_file", path=PATH, encoding="utf-8"), "unexpected parameter"),
    "other name of a parameter": (READ, as_call("read_file", filepath=PATH), "missing parameter"),
    "a number": (READ, as_call("read_file", path=5), "wrong type"),
    "null": (READ, as_call("read_file", path=None), "wrong type"),
    "a list": (READ, as_call("read_file", path=[PATH]), "wrong type"),
    "an empty path": (READ, as_call("read_file", path=""), "wrong value"),
    "another file": (READ, as_call("read_file", path="src/b.ts"), "wrong value"),
    "another case": (READ, as_call("read_file", path="src/A.ts"), "wrong value"),
    "an absolute path": (READ, as_call("read_file", path="/src/a.ts"), "wrong value"),
    "a folder invented": (
        case_for("read_file", path={"path": "a.ts"}),
        as_call("read_file", path=PATH),
        "wrong value",
    ),
    "old and new swapped": (EDIT, EDIT_CALL.replace('"a"', '"c"'), "wrong value"),
    "another command": (RUN, as_call("run_terminal_command", command="npm run x && rm -rf ."), "wrong value"),
    "content without what is asked for": (
        CREATE,
        as_call("create_file", path=PATH, content=""),
        "wrong value",
    ),
    "the same call twice": (READ, f"{CALL}\n{CALL}", "more than one call"),
    "several in tool_calls": (READ, f'{{"tool_calls": [{CALL}, {EDIT_CALL}]}}', "more than one call"),
    "an edit after a look at another file": (
        EDIT,
        CALL.replace("a.ts", "b.ts") + EDIT_CALL,
        "more than one call",
    ),
    "lone surrogate": (READ, as_call("read_file", path="\ud800"), "wrong value"),
    "very deep arguments": (
        READ,
        '{"name": "read_file", "arguments": ' + '{"a":' * 500 + "1" + "}" * 501,
        "malformed JSON",
    ),
}


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


def test_a_complete_run_has_hundred_different_tasks() -> None:
    cases = HARNESS.cases()
    assert len(cases) == HARNESS.planned == 100
    assert len({case.phrasing for case in cases}) >= 20
    assert {Expectation.model_validate(case.expect).tools[0] for case in cases} == set(TOOLS)
    assert all(len(case.prompt.split()) <= 60 for case in cases)


def test_tasks_name_what_they_expect_and_nothing_that_the_corpus_teaches() -> None:
    lists = read_list("tools")
    taught = {word for name in ("file", "folder", "term", "command") for word in lists[name]["train"]}
    for case in HARNESS.cases():
        values = [value for item in case.expect["arguments"].values() for value in item.values()]
        assert all(value in case.prompt for value in values)
        assert not taught & set(values)


def test_the_schemas_are_those_of_the_corpus() -> None:
    choice = read_list("tools")["choice"]
    assert set(tool_schemas()) == set(TOOLS)
    for tool, schema in tool_schemas().items():
        names = choice[f"parameters_{tool}"].replace(" and ", ", ").split(", ")
        assert list(schema["properties"]) == names
        assert set(schema["required"]) <= set(names)


@pytest.mark.parametrize("split", ["train", "held_out"])
@pytest.mark.parametrize(
    "produce", [short_answers.tool_call, long_answers.tool_steps, long_answers.tool_choice]
)
def test_every_call_of_the_corpus_satisfies_its_schema(split: str, produce: object) -> None:
    from evals.checkers.tool_task import validate_call

    dealer = Dealer(split, "schemas")  # type: ignore[arg-type]
    for _ in range(100):
        calls, faults = find_calls(produce(dealer).output, TOOLS)  # type: ignore[operator]
        assert calls
        assert not faults
        assert not [reason for call in calls for reason in validate_call(call)]


def test_the_answers_of_the_corpus_pass_the_check() -> None:
    dealer = Dealer("held_out", "answers")
    for _ in range(60):
        row = short_answers.tool_call(dealer)
        call = json.loads(row.output)
        expected = {name: {"equal": value} for name, value in call["arguments"].items()}
        assert check_tool_task(case_for(call["name"], **expected), row.output).verdict == "passed"


def test_the_rate_of_executions_appears_with_executions() -> None:
    report = CaseReport(
        id="a",
        category="c",
        prompt="p",
        response="r",
        verdict="passed",
        figures={"literal_rule": True, "right_tool": True},
    )
    assert rates([report]) == {"literal_rule": 1, "right_tool": 1}
    executed = report.model_copy(update={"figures": {"executed": False}})
    assert rates([report, executed]) == {"literal_rule": 0.5, "right_tool": 0.5, "executed": 0}
