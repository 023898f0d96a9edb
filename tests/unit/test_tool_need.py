"""Which prompts need tools: measured on labelled prompts, half of which no rule has been tuned on."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web4mlx.assistant.tool_need import detect_tool_need, open_detector
from web4mlx.assistant.tool_rules import SHIPPED, read_rules
from web4mlx.errors import MissingPrerequisite, Problems, UsageError

LABELLED = SHIPPED.parent / "tool_need_labelled.jsonl"
ROWS: list[dict[str, Any]] = [json.loads(line) for line in LABELLED.read_text("utf-8").splitlines()]


def accuracy(rows: list[dict[str, Any]]) -> float:
    right = [detect_tool_need(row["prompt"]).needs == row["needs"] for row in rows]
    return sum(right) / len(right)


def test_the_labelled_set_is_large_unique_and_in_two_languages() -> None:
    assert len(ROWS) >= 400
    assert len({row["prompt"] for row in ROWS}) == len({row["id"] for row in ROWS}) == len(ROWS)
    for language in ("en", "de"):
        for needs in (True, False):
            assert sum(row["language"] == language and row["needs"] == needs for row in ROWS) >= 50


def test_the_halves_follow_from_the_prompts_alone() -> None:
    for row in ROWS:
        is_even = hashlib.sha256(row["prompt"].encode()).digest()[0] % 2 == 0
        assert row["split"] == ("tune" if is_even else "test")


def test_the_half_that_was_not_tuned_on_is_judged_rightly() -> None:
    assert accuracy([row for row in ROWS if row["split"] == "test"]) >= 0.95


@pytest.mark.parametrize("language", ["en", "de"])
def test_either_language_alone_is_judged_rightly(language: str) -> None:
    assert accuracy([row for row in ROWS if row["language"] == language]) >= 0.95


def test_the_needed_tool_is_among_those_detected() -> None:
    rows = [row for row in ROWS if row["needs"] and detect_tool_need(row["prompt"]).needs]
    found = [row["tools"][0] in detect_tool_need(row["prompt"]).tools for row in rows]
    assert sum(found) / len(found) >= 0.9


@pytest.mark.parametrize(
    "prompt",
    [
        "Explain what reading means", "search for meaning", "What is CI/CD and/or DevOps?",
        "How does console.log work?", "What is a package.json good for?", "Is Node.js fast?", "", "   ",
        "Explain this:\n```\nread src/a.ts\nrun the tests\n```",
    ],
)  # fmt: skip
def test_words_alone_are_no_need(prompt: str) -> None:
    assert detect_tool_need(prompt).needs is False


@pytest.mark.parametrize(
    ("prompt", "tool"),
    [
        ("READ BUTTON.TSX", "read_file"),
        ("please read ./src/a.ts", "read_file"),
        ("Explain a lot of things about code. " * 40 + "Then read Button.tsx", "read_file"),
        ("Let’s run the tests", "run_terminal_command"),
    ],
)
def test_case_length_and_typography_do_not_matter(prompt: str, tool: str) -> None:
    assert tool in detect_tool_need(prompt).tools


@given(st.text(max_size=400))
def test_no_text_breaks_it(text: str) -> None:
    need = detect_tool_need(text)
    assert need.needs == bool(need.tools)


def test_history_is_told_apart_from_general_questions() -> None:
    detector = open_detector()
    wrong = [row["prompt"] for row in ROWS
             if detector.is_about_history(row["prompt"]) != (row["kind"] == "history")]  # fmt: skip
    assert len(wrong) <= 0.02 * len(ROWS)


def test_own_rules_are_taken(tmp_path: Path) -> None:
    own = tmp_path / "rules.toml"
    text = SHIPPED.read_text("utf-8").replace("extensions = [\n", 'extensions = [\n    "zig",\n')
    own.write_text(text, "utf-8")
    assert open_detector(own).detect("Read main.zig").needs
    assert not detect_tool_need("Read main.zig").needs


def test_rules_that_are_wrong_are_explained(tmp_path: Path) -> None:
    own = tmp_path / "rules.toml"
    with pytest.raises(MissingPrerequisite, match="no such file"):
        read_rules(own)
    own.write_text("[files")
    with pytest.raises(UsageError, match="not valid TOML"):
        read_rules(own)
    own.write_text('version = 1\n[files]\nextensions = "ts"\nnonsense = 1\n')
    with pytest.raises(Problems) as wrong:
        read_rules(own)
    assert any("files.extensions" in problem for problem in wrong.value.problems)
    assert any("files.nonsense" in problem for problem in wrong.value.problems)
