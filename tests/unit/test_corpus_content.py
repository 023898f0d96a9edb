"""What the sample corpus teaches is true to the form that the gates ask for."""

import json
import re
from datetime import datetime

import pytest

from web4mlx.data.corpus.grammar import Dealer, fill
from web4mlx.data.corpus.plan import Scale, Share, plan
from web4mlx.data.corpus.rows import Row
from web4mlx.data.corpus.served import history, tool_call_after_examples
from web4mlx.data.corpus.short_answers import guardrail
from web4mlx.data.corpus.short_code import (
    class_of_functions,
    empty_constructor,
    subclass,
    ts_type,
    unnamed_class,
)
from web4mlx.data.corpus.words import Split

LINK = re.compile(r"(PRECEDES|FOLLOWS): \[(\d{8}-\d{6})-[A-Z][A-Za-z0-9]*\.[A-Z][A-Za-z]*\.pdca\.md\]")
SECTIONS = ["## Objective", "## Plan", "## Do", "## Check", "## Act"]
TRON = ["- Trigger: ", "- Response: ", "- Outcome: ", "- Next: "]
SLOT = re.compile(r"(?<!\$)\{[a-z][a-z0-9_]*\^?\}")
CLASS = re.compile(r"^export class (\w+).*?^\}", re.DOTALL | re.MULTILINE)


def produce(scale: Scale, task_type: str, split: Split = "train", count: int = 60) -> list[Row]:
    dealer = Dealer(split, "content")
    rows: list[Row] = []
    shares = [share for share in plan(scale) if share.produce(dealer).task_type == task_type]
    for share in shares:
        rows += [share.produce(dealer) for _ in range(count // len(shares))]
    return rows


def is_in_order(text: str, parts: list[str]) -> bool:
    places = [text.find(part) for part in parts]
    return -1 not in places and places == sorted(places)


@pytest.mark.parametrize("scale", ["demo", "full"])
def test_a_pdca_has_its_sections_its_tron_and_links_in_the_order_of_time(scale: Scale) -> None:
    for row in produce(scale, "pdca"):
        assert is_in_order(row.output, SECTIONS)
        planned = row.output.split("## Plan")[1].split("## Do")[0]
        assert is_in_order(planned, TRON)
        links = dict(LINK.findall(row.output))
        written = str(row.extra["pdca_id"])[:15]
        times = [
            datetime.strptime(time, "%Y%m%d-%H%M%S")
            for time in (links["FOLLOWS"], written, links["PRECEDES"])
        ]
        assert times == sorted(times)
        assert len(set(times)) == 3
        for section in re.split(r"^## \w+$", row.output, flags=re.MULTILINE)[1:]:
            assert len(section.split()) >= 8


@pytest.mark.parametrize("scale", ["demo", "full"])
def test_a_decision_is_a_plan_with_tron_in_order(scale: Scale) -> None:
    for row in produce(scale, "tron"):
        assert row.output.startswith("## Plan\n- Trigger: ")
        assert is_in_order(row.output, TRON)


@pytest.mark.parametrize("task_type", ["code", "refactor"])
@pytest.mark.parametrize("scale", ["demo", "full"])
def test_every_class_has_an_empty_constructor_and_an_init_that_does_something(
    scale: Scale, task_type: str
) -> None:
    for row in produce(scale, task_type):
        classes = [match[0] for match in CLASS.finditer(row.output)]
        assert classes
        for code in classes:
            assert "\n  constructor() {}\n" in code
            assert code.count("constructor(") == 1
            assert re.search(
                r"\n  init\([^)]*\): this \{\n    \S.*?\n    return this;\n  \}", code, re.DOTALL
            )
            assert code.count("{") == code.count("}")


def test_the_class_carries_the_name_that_was_asked_for() -> None:
    for row in produce("demo", "code"):
        name = CLASS.search(row.output)
        assert name is not None
        assert name[1].removeprefix("Default") in row.instruction


def test_a_class_has_the_method_that_its_request_names_and_one_init() -> None:
    dealer = Dealer("train", "named")
    for row in (empty_constructor(dealer) for _ in range(400)):
        methods = set(re.findall(r"^  (\w+)\(", row.output, re.MULTILINE))

        assert row.output.count("\n  init(") == 1
        assert ("toScenario(" in row.output) == ("toScenario" in row.instruction)
        named = re.search(r"(?:method,?|with|offer|calls) (\w+)\(\)", row.instruction)
        if named and named[1] not in ("init", "toScenario"):
            assert named[1] in methods


def test_two_functions_become_methods_of_the_class_under_their_names() -> None:
    dealer = Dealer("train", "functions")
    for row in (class_of_functions(dealer) for _ in range(400)):
        named = set(re.findall(r"(\w+)\(\)", row.instruction)) - {"init"}
        methods = re.findall(r"^  (\w+)\(.*\{\n    \S", row.output, re.MULTILINE)

        assert len(named) == 2
        assert sorted(methods) == sorted({"init", *named})
        assert row.output.count("\n  constructor() {}\n") == 1
        assert row.output.count("{") == row.output.count("}")
        name = CLASS.search(row.output)
        assert name is not None
        assert name[1] in row.instruction


def test_a_class_without_a_name_is_named_after_what_it_does() -> None:
    dealer = Dealer("train", "unnamed")
    for row in (unnamed_class(dealer) for _ in range(100)):
        name = CLASS.search(row.output)
        assert name is not None
        assert name[1] not in row.instruction
        assert row.output.count("\n  init(") == 1


def test_a_subclass_calls_super_and_nothing_else() -> None:
    dealer = Dealer("train", "subclass")
    for row in (subclass(dealer) for _ in range(30)):
        name, base = re.findall(r"class (\w+) extends (\w+) ", row.output)[0]
        assert name in row.instruction
        assert base in row.instruction
        assert "constructor() {\n    super();\n  }" in row.output


def test_values_of_tool_calls_are_copied_from_the_task() -> None:
    seen = set()
    for row in produce("demo", "tool_call", count=120):
        call = json.loads(row.output)
        assert set(call) == {"name", "arguments"}
        copied = {key: value for key, value in call["arguments"].items() if key != "content"}
        assert copied
        assert all(value in row.instruction for value in copied.values())
        seen.add(call["name"])
    assert seen == {"read_file", "grep", "list_files", "create_file", "edit_file", "run_terminal_command"}


def test_a_new_markdown_file_is_headed_by_its_own_name() -> None:
    calls = [json.loads(row.output) for row in produce("demo", "tool_call", count=300)]
    pages = [call["arguments"] for call in calls if call["arguments"].get("content", "").startswith("# ")]
    assert pages
    for page in pages:
        assert page["content"] == f"# {page['path'].rpartition('/')[2].removesuffix('.md')}\n"


def test_a_sequence_of_tool_calls_uses_the_tools_that_the_task_names() -> None:
    for row in produce("full", "tool_sequence"):
        calls = [json.loads(line) for line in row.output.splitlines() if line.startswith("{")]
        assert 2 <= len(calls) <= 3
        for call in calls:
            copied = [value for key, value in call["arguments"].items() if key != "content"]
            assert all(value in row.instruction for value in copied)


@pytest.mark.parametrize("split", ["train", "held_out"])
@pytest.mark.parametrize("scale", ["demo", "full"])
def test_banned_requests_are_refused_with_a_redirect_and_their_twins_are_met(
    scale: Scale, split: Split
) -> None:
    refusals, answers = produce(scale, "refuse", split), produce(scale, "comply", split)
    opening, turn = ("No. ", " instead.") if scale == "demo" else ("I can't do that: ", "Instead, ")
    assert all(row.output.startswith(opening) and turn in row.output for row in refusals)
    assert all(row.output.startswith("Yes. ") and "can't" not in row.output for row in answers)
    assert {row.extra["violation_type"] for row in refusals} == {
        row.extra["violation_type"] for row in answers
    }


def test_requests_differ_in_content_and_not_in_style() -> None:
    shares = [share for share in plan("demo") if share.file == "guardrails"]
    banned, allowed = (sum(share.train for share in shares if is_side(share, side)) for side in (True, False))
    assert banned == allowed


def test_each_banned_request_of_the_demo_has_its_twin_in_the_same_words() -> None:
    dealer = Dealer("train", "twins")
    pairs = [
        tuple(guardrail(dealer, banned=banned).instruction for banned in (True, False)) for _ in range(200)
    ]
    names = [[re.findall(r"\b[A-Z][a-z]+[A-Z][a-z]+\b", request) for request in pair] for pair in pairs]
    assert all(banned == allowed for banned, allowed in names)
    assert all(banned != allowed for banned, allowed in pairs)


def is_side(share: Share, banned: bool) -> bool:
    return getattr(share.produce, "keywords", {}).get("banned") is banned


@pytest.mark.parametrize("split", ["train", "held_out"])
@pytest.mark.parametrize("scale", ["demo", "full"])
def test_no_slot_is_left_unfilled(scale: Scale, split: Split) -> None:
    dealer = Dealer(split, "slots")
    for share in plan(scale):
        for _ in range(8):
            row = share.produce(dealer)
            for text in (row.instruction, row.input, row.output):
                assert not SLOT.search(text), text


def test_filling_leaves_json_and_template_literals_alone() -> None:
    context = {"item": "invoice", "task": "add {item}s", "value": "no"}
    assert fill('{task^}: {"a": {}} `${value}`', context) == 'Add invoices: {"a": {}} `${value}`'


def test_default_values_tell_their_type() -> None:
    assert [ts_type(value) for value in ("''", "3", "false", "[] as string[]")] == [
        "string", "number", "boolean", "string[]",
    ]  # fmt: skip


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_behind_examples_the_call_is_that_of_the_task_and_not_of_an_example(split: Split) -> None:
    dealer = Dealer(split, "served")
    for _ in range(40):
        row = tool_call_after_examples(dealer)
        block, task = row.instruction.split("</tool_examples>")
        call = json.loads(row.output)
        assert 2 <= block.count("<example ") <= 3
        named = next(iter(call["arguments"].values()))
        assert named in task
        assert row.output not in block


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_a_question_about_earlier_work_is_answered_from_the_document_that_it_cites(split: Split) -> None:
    dealer = Dealer(split, "history")
    for _ in range(40):
        row = history(dealer)
        cited = re.search(r"\[(\d)\]\.$", row.output)
        assert cited
        document = row.instruction.split(f'<document number="{cited[1]}"')[1].split("</document>")[0]
        answer = row.output.split(". So ")[0]
        assert f"- Response: {answer}." in document
