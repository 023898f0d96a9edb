"""The smoke tests' judge: each check passes on what is right and fails on what is wrong."""

from collections.abc import Iterable
from typing import Any

import pytest

from web4mlx.assistant.answering import Prepared
from web4mlx.assistant.builder import BuiltPrompt
from web4mlx.assistant.context import Hit
from web4mlx.assistant.route import choose_route
from web4mlx.assistant.tool_need import open_detector
from web4mlx.config.smoke import SmokeConfig
from web4mlx.engines.base import Request, Response
from web4mlx.errors import CheckFailed, ExitCode, StageCrashed
from web4mlx.smoke.asking import Answer
from web4mlx.smoke.calls import find_calls, names_file
from web4mlx.smoke.judging import CASES, HISTORY, Judge
from web4mlx.smoke.report import SmokeCheck, SmokeReport, SmokeTest, failure, overall

KNOWN = {"pdca/a.md", "pdca/b.md", "pdca/2025-01-02-a.pdca.md"}
CALL = '{"name": "read_file", "arguments": {"path": "src/Button.tsx"}}'
QUESTIONS = {case.name: case.question for case in CASES}
RIGHT = {
    "trained": "The constructor is empty; init(scenario) sets the state.",
    "history": "We pinned the versions [1], see pdca/2025-01-02-a.pdca.md, and Button.md.",
    "tools": CALL,
}


def unknown(ids: Iterable[str]) -> list[str]:
    return [one for one in ids if one not in KNOWN]


JUDGE = Judge(SmokeConfig(), unknown, open_detector())


def hits(*ids: str, collection: str = HISTORY) -> tuple[Hit, ...]:
    return tuple(Hit(one, collection, "text", {"pdca_id": one}, 0.5) for one in ids)


def answer(name: str, text: str | None = None, **changes: Any) -> Answer:
    """The right answer to a test, or one that differs."""
    question = changes.pop("question", QUESTIONS[name])
    documents = changes.pop("documents", hits("pdca/a.md") if name == "history" else ())
    examples = changes.pop("examples", hits("x", "y", collection="tools") if name == "tools" else ())
    route = choose_route(question, JUDGE.detector)
    built = BuiltPrompt(question, "", route, documents=documents, examples=examples)
    text = RIGHT[name] if text is None else text
    fields = {
        "collections": {"trained": (), "history": (HISTORY,), "tools": ("tool_examples",)}[name],
        "first_token_ms": 100.0,
        "total_ms": 1000.0,
    } | changes
    response = Response("smoke", text, "stop", 10, 5, 0.1, 0.2)
    return Answer(Prepared(Request("smoke", prompt=question), built), response, **fields)


def failed(name: str, given: Answer) -> list[str]:
    """The checks of a test that fail."""
    (case,) = (case for case in CASES if case.name == name)
    return [check.name for check in case.judge(JUDGE, given) if check.verdict == "failed"]


@pytest.mark.parametrize("name", list(RIGHT))
def test_the_right_answer_passes_every_check(name: str) -> None:
    assert failed(name, answer(name)) == []


def test_the_questions_are_the_agreed_ones() -> None:
    assert list(QUESTIONS.values()) == [
        "Explain the empty constructor pattern",
        "How did we solve component versioning conflicts in the past?",
        "Read the Button.tsx file and check for constructor violations",
    ]


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        ("trained", {"text": "It separates construction from use."}, ["content"]),
        ("trained", {"first_token_ms": 200.0}, ["time to first token"]),
        ("trained", {"collections": (HISTORY,)}, ["store"]),
        ("trained", {"question": QUESTIONS["history"]}, ["route"]),
        ("history", {"collections": ("process_docs",)}, ["store"]),
        ("history", {"documents": ()}, ["cited PDCAs", "numbers in the text"]),
        ("history", {"documents": hits("pdca/a.md", "pdca/none.md")}, ["cited PDCAs"]),
        ("history", {"documents": hits("x", collection="process_docs")}, ["cited PDCAs"]),
        ("history", {"text": "See [1] and [7]."}, ["numbers in the text"]),
        ("history", {"text": "See pdca/2025-01-02-UTC-0101-gone.md."}, ["PDCAs in the text"]),
        ("history", {"text": "FOLLOWS: [20250101-000000-Ada.Tester.pdca.md]"}, ["PDCAs in the text"]),
        ("history", {"text": " "}, ["answer"]),
        ("history", {"first_token_ms": 801.0}, ["time to first token"]),
        ("tools", {"question": "What does reading mean?"}, ["detected tools", "call"]),
        ("tools", {"examples": hits("x")}, ["examples"]),
        ("tools", {"examples": hits("w", "x", "y", "z")}, ["examples"]),
        ("tools", {"text": "I would read Button.tsx."}, ["call"]),
        ("tools", {"text": CALL.replace("Button", "Other")}, ["call"]),
        ("tools", {"text": CALL.replace("read_file", "delete_file")}, ["call"]),
        ("tools", {"total_ms": 3000.0}, ["total time"]),
    ],
)
def test_what_is_wrong_fails_its_check_alone(name: str, changes: dict[str, Any], expected: list[str]) -> None:
    assert failed(name, answer(name, **changes)) == expected


@pytest.mark.parametrize(
    "text",
    [
        CALL,
        f"I read it.\n```json\n{CALL}\n```",
        f"<tool_call>\n{CALL}\n</tool_call>",
        '{"type": "function", "function": {"name": "f", "arguments": "{\\"path\\": \\"Button.tsx\\"}"}}',
        "<read_file><path>src/Button.tsx</path></read_file>",
        '{"tool": {"name": "read_file", "parameters": {"path": "a\\\\Button.tsx"}}}',
    ],
)
def test_calls_are_found_in_every_form(text: str) -> None:
    assert [names_file(call, "Button.tsx") for call in find_calls(text)] == [True]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{" * 5000,
        '{"name": "read_file"}',
        '{"name": "f", "arguments": "{"}',
        '{"name": 1, "arguments": {}}',
        "<p>text</p>",
        "<read_file>Button.tsx</read_file>",
    ],
)
def test_what_is_no_call_is_none(text: str) -> None:
    assert find_calls(text) == []


def smoke_test(name: str, verdict: Any, code: int = 0) -> SmokeTest:
    check = SmokeCheck(name="call", measured="none", expected="one", verdict=verdict)
    return SmokeTest(name=name, title=name, question="?", verdict=verdict, checks=(check,), error_code=code)


def report(*tests: SmokeTest) -> SmokeReport:
    return SmokeReport(
        timestamp="2026-01-01T00:00:00+00:00", model="m", model_sha256="", engine={}, modelfile="f",
        store="s", total=len(tests), passed=0, failed=0, errored=0, verdict=overall(tests), tests=tests,
    )  # fmt: skip


def test_a_report_is_passed_only_when_every_test_is_and_there_is_one() -> None:
    assert failure(report(smoke_test("a", "passed"), smoke_test("b", "passed")), "r") is None
    assert report().verdict == "failed"
    assert isinstance(failure(report(smoke_test("a", "passed"), smoke_test("b", "failed")), "r"), CheckFailed)


def test_an_errored_test_decides_the_exit_code() -> None:
    tests = (smoke_test("a", "failed"), smoke_test("b", "errored", ExitCode.STAGE_CRASHED))
    assert report(*tests).verdict == "errored"
    assert isinstance(failure(report(*tests), "r"), StageCrashed)
