"""Tasks and corpus of the tool harness: what they name, and that the corpus' own answers pass."""

import json
from collections.abc import Callable

import pytest

from evals.checkers.tool_task import Expectation, check_tool_task, tool_schemas
from evals.checkers.toolcalls import find_calls
from evals.harnesses.tool_success import HARNESS, rates
from tests.tool_cases import (
    case_for,
)
from web4mlx.data.corpus import long_answers, short_answers
from web4mlx.data.corpus.grammar import Dealer
from web4mlx.data.corpus.rows import Row
from web4mlx.data.corpus.short_answers import TOOLS
from web4mlx.data.corpus.words import Split, read_list
from web4mlx.reports import CaseReport


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
def test_every_call_of_the_corpus_satisfies_its_schema(
    split: Split, produce: Callable[[Dealer], Row]
) -> None:
    from evals.checkers.tool_task import validate_call

    dealer = Dealer(split, "schemas")
    for _ in range(100):
        calls, faults = find_calls(produce(dealer).output, TOOLS)
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
