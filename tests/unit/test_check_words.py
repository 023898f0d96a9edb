import pytest

from evals.checkers.content import is_nothing, is_placeholder
from evals.checkers.vocabulary import acts, learns, verifies


@pytest.mark.parametrize(
    "text",
    [
        "TODO",
        "todo: later",
        "- [ ] TBD",
        "...",
        "…",
        "(…)",
        "Lorem ipsum dolor",
        "<insert goal>",
        "[your name]",
        "{{goal}}",
        "{task}",
        "Goal: ____",
        "To be determined.",
        "Coming soon",
        "[Describe the task]",
        "Trigger: [trigger]",
        "FIXME",
        "What was learned",
    ],
)
def test_placeholders_are_seen(text: str) -> None:
    assert is_placeholder(text)


@pytest.mark.parametrize(
    "text",
    [
        "Removed all TODO comments.",
        "TODO comments were removed",
        "`TODO`",
        "Map<string, number>",
        "`<name>`",
        "a[name]",
        "[x] Done",
        "see [name](x.md)",
        "Wait ... then retry.",
        "{ owner: 1 }",
        "The placeholder is gone.",
        "What was learned: keep names short",
    ],
)
def test_text_about_gaps_is_no_placeholder(text: str) -> None:
    assert not is_placeholder(text)


@pytest.mark.parametrize("text", ["none", "N/A", "- Learned: none.", "—", "", "Nothing", "(not applicable)"])
def test_saying_nothing_is_seen(text: str) -> None:
    assert is_nothing(text)
    assert not is_nothing("None of the tests failed")


@pytest.mark.parametrize(
    "text",
    [
        "Refactored the store.",
        "Then we apply the patch.",
        "Moving the logic to init().",
        "- adds nothing, but removed a file",
        "A test was written.",
        "It stores scenarios.",
        "Next, I will migrate the data.",
        "Ada.Tester wrote a test.",
        "Begin by splitting it.",
    ],
)
def test_actions_are_seen(text: str) -> None:
    assert acts(text)


@pytest.mark.parametrize(
    "text",
    [
        "The plan for the code.",
        "No changes were made.",
        "A good design.",
        "Tests are missing.",
        "Code of the store and design.",
        "It is a set of tests.",
        "We did not start.",
    ],
)
def test_no_action_is_invented(text: str) -> None:
    assert not acts(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ran the suite.", True),
        ("All tests are green.", True),
        ("Skipped the tests.", False),
        ("Never tested.", False),
        ("Measured 40 ms before and 9 ms after.", True),
        ("It is good.", False),
        ("A second agent repeated the count.", True),
    ],
)
def test_verification_is_told_from_opinion(text: str, expected: bool) -> None:
    assert verifies(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Insight: ask first.", True),
        ("No lessons here.", False),
        ("We should ask first.", True),
        ("Deployed it.", False),
    ],
)
def test_learning_is_told_from_work(text: str, expected: bool) -> None:
    assert learns(text) is expected
