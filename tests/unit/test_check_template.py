# ruff: noqa: E501  (tables: a case is a line)
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.checkers.template import check_template, has_literally, template_problems
from evals.harnesses.pdca_template import HARNESS
from tests.documents import ACT, CHECK, DO, DOCUMENT, FOLLOWS, LINKS, OBJECTIVE, PLAN, PRECEDES, TRON, changed

CASE = HARNESS.cases()[0]
GOOD = {
    "as written": DOCUMENT,
    "windows line ends": DOCUMENT.replace("\n", "\r\n"),
    "short but complete": LINKS
    + "## Objective\nEmpty the constructor of ChapelStore.\n\n## Plan\n- T: Slow tests\n- R: Add init()\n- O: Fast tests\n"
    "- N: Measure again\n\n## Do\nMoved the logic to init().\n\n## Check\nAll 12 Vitest tests pass.\n\n## Act\nLesson: tests show the way.\n",
    "imperative Do": changed((DO, "## Do\n1. Create a branch.\n2. Add a test for ChapelStore.\n\n")),
    "checked boxes": changed((DO, "## Do\n- [x] Implement the undo method.\n- [ ] Update the guide.\n\n")),
    "passive Do": changed((DO, "## Do\nThe old file was deleted and a method was added.\n\n")),
    "Do with a subject": changed((DO, "## Do\nThe team paired on the parser and then wrote two tests.\n\n")),
    "Do with labels": changed(
        (DO, "## Do\n- Step 1: implement the limit per user.\n- Step 2: run all tests.\n\n")
    ),
    "Do with a table": changed((DO, "## Do\n| Step | Who |\n|-|-|\n| Added the undo method | Ada |\n\n")),
    "Do with code": changed(
        (DO, "## Do\nEmptied the constructor of ChapelStore:\n```ts\nconstructor() {} // TODO\n```\n\n")
    ),
    "Do about a TODO": changed((DO, "## Do\nRemoved the TODO comment from ChapelStore and its test.\n\n")),
    "Do about a type": changed((DO, "## Do\nReplaced `Map<name>` by a list of chapels[name] entries.\n\n")),
    "imperative Check": changed((CHECK, "## Check\n- Run the suite and compare both totals.\n\n")),
    "Check without the word test": changed(
        (CHECK, "## Check\nCompared both lists: each of the 40 rows is equal.\n\n")
    ),
    "Check that nothing fails": changed(
        (CHECK, "## Check\nNo test failed after the change in the pipeline.\n\n")
    ),
    "Check with a negation": changed(
        (CHECK, "## Check\nVerified that a stop never leaves a broken file.\n\n")
    ),
    "Act with a heading": changed((ACT, "## Act\n### Lessons\n- Names belong into one place.\n")),
    "Act with a label over a list": changed(
        (ACT, "## Act\n**Lessons learned:**\n- Names belong into one place.\n")
    ),
    "Act with an improvement": changed((ACT, "## Act\nThe checklist asks for an empty list from now on.\n")),
    "Act in the imperative": changed((ACT, "## Act\nNever merge without a passing round trip test.\n")),
    "deeper headings": changed(("## Do\n", "## Do\n### Steps\n"), ("## Check\n", "## Check\n### Evidence\n")),
    "TRON as a table": changed(
        (
            TRON,
            "| Trigger | Response | Outcome | Next |\n|-|-|-|-|\n| slow tests | add init() | fast tests | measure it |\n",
        )
    ),
    "no risks": changed((TRON, f"{TRON}\n### Risks\n- None\n")),
    "parentheses and brackets": changed(
        (DO, "## Do\n- Added undo() [see the guide] and the array [1, 2] (three tests).\n\n")
    ),
    "dots in prose": changed(
        (OBJECTIVE, "## Objective\nAdd undo... so that a wrong change is taken back.\n\n")
    ),
}
BAD = {
    "nothing": ("", "no ## Check"),
    "no Act": (changed((ACT, "")), "no ## Act"),
    "empty Objective": (changed((OBJECTIVE, "## Objective\n\n")), "Objective too short"),
    "short Objective": (changed((OBJECTIVE, "## Objective\nFix the bug.\n\n")), "Objective too short"),
    "Objective of markup": (
        changed((OBJECTIVE, "## Objective\n- - -\n* * *\n**…**\n\n")),
        "Objective with a placeholder",
    ),
    "Objective TODO": (
        changed((OBJECTIVE, "## Objective\nTODO: say what we want to reach here\n\n")),
        "Objective with a placeholder",
    ),
    "lorem": (
        changed((OBJECTIVE, "## Objective\nLorem ipsum dolor sit amet, consectetur.\n\n")),
        "Objective with a placeholder",
    ),
    "insert": (
        changed((OBJECTIVE, "## Objective\n<insert the objective of this work>\n\n")),
        "Objective with a placeholder",
    ),
    "brackets": (
        changed((OBJECTIVE, "## Objective\n[Describe the goal of the work in one sentence]\n\n")),
        "Objective with a placeholder",
    ),
    "braces": (
        changed((OBJECTIVE, "## Objective\nAdd undo to {{component}} for all users.\n\n")),
        "Objective with a placeholder",
    ),
    "name in brackets": (
        changed((OBJECTIVE, "## Objective\nAdd undo to [Component Name] for us.\n\n")),
        "Objective with a placeholder",
    ),
    "goes here": (
        changed((OBJECTIVE, "## Objective\nYour objective goes here.\n\n")),
        "Objective with a placeholder",
    ),
    "in a fence": (
        changed((OBJECTIVE, "## Objective\n```\nAdd undo to ChapelStore for all.\n```\n\n")),
        "Objective too short",
    ),
    "in a quote": (
        changed((OBJECTIVE, "## Objective\n> Add undo to ChapelStore for all.\n\n")),
        "Objective too short",
    ),
    "in a comment": (
        changed((OBJECTIVE, "## Objective\n<!-- Add undo to ChapelStore now -->\n\n")),
        "Objective too short",
    ),
    "none": (changed((OBJECTIVE, "## Objective\nN/A\n\n")), "Objective too short"),
    "Plan in prose": (
        changed((TRON, "We keep ten scenarios and restore one on demand.\n")),
        "no Trigger in the TRON",
    ),
    "Plan without Next": (
        changed(("- Next: Watch the first day in production.\n", "")),
        "no Next in the TRON",
    ),
    "Plan swapped": (
        changed(("- Trigger", "- Outcome"), ("- Outcome: A", "- Trigger: A")),
        "TRON out of order",
    ),
    "Plan TBD": (changed(("Keep the last ten scenarios.", "TBD")), "Plan with a placeholder: Response: TBD"),
    "Plan to be defined": (
        changed(("Keep the last ten scenarios.", "To be defined.")),
        "Plan with a placeholder",
    ),
    "Plan with a placeholder beside": (
        changed((TRON, f"{TRON}\n### Steps\n1. ...\n")),
        "Plan with a placeholder: ...",
    ),
    "Do TODO in a list": (changed((DO, f"{DO}- TODO\n")), "Do with a placeholder: TODO"),
    "Do without a verb": (
        changed((DO, "## Do\n- The code and the tests of ChapelStore.\n\n")),
        "Do without an action verb",
    ),
    "Do denied": (
        changed((DO, "## Do\nNothing was done yet for this component.\n\n")),
        "Do without an action verb",
    ),
    "Do only code": (
        changed((DO, "## Do\n```ts\nclass ChapelStore { constructor() {} }\n```\n\n")),
        "Do too short",
    ),
    "Check vague": (
        changed((CHECK, "## Check\nEverything looks good and the team is happy.\n\n")),
        "Check without a verification step",
    ),
    "Check denied": (
        changed((CHECK, "## Check\nNo tests were run for this small change.\n\n")),
        "Check without a verification step",
    ),
    "Check not yet": (
        changed((CHECK, "## Check\nThe change has not been verified by anybody.\n\n")),
        "Check without a verification step",
    ),
    "Check pending": (
        changed((CHECK, "## Check\nThe verification is still pending for all of it.\n\n")),
        "Check without a verification step",
    ),
    "Check short": (changed((CHECK, "## Check\nTests pass.\n\n")), "Check too short"),
    "Act without a learning": (
        changed((ACT, "## Act\nClosed the ticket and merged the branch today.\n")),
        "Act without a learning",
    ),
    "Act with nothing learned": (
        changed((ACT, "## Act\nNothing was learned in the course of this.\n")),
        "Act without a learning",
    ),
    "Act with an empty label": (
        changed((ACT, "## Act\nThe work is finished now.\nLessons learned:\n")),
        "Act without a learning",
    ),
    "Act with no lesson": (
        changed((ACT, "## Act\nThe work is finished now.\n- Learned: none\n")),
        "Act without a learning",
    ),
    "link empty": (changed((PRECEDES, "PRECEDES:")), "empty PRECEDES link"),
    "link malformed": (
        changed((FOLLOWS, "FOLLOWS: [previous.pdca.md]")),
        "malformed FOLLOWS link: [previous.pdca.md]",
    ),
    "link of 25 hours": (
        changed(("20260302-09", "20260302-25")),
        "malformed FOLLOWS link: no such time: 20260302-250000",
    ),
    "same file in both": (changed(("20260302-09", "20260302-11")), "both links name the same file"),
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD.keys())
def test_a_complete_document_passes(text: str) -> None:
    assert template_problems(text) == []


@pytest.mark.parametrize(("text", "problem"), BAD.values(), ids=BAD.keys())
def test_what_is_wrong_is_named_with_its_section(text: str, problem: str) -> None:
    found = check_template(CASE, text)
    assert found.verdict == "failed"
    assert any(reason.startswith(problem) for reason in found.reasons), found.reasons


def test_only_the_wrong_section_is_named() -> None:
    assert template_problems(changed((CHECK, "## Check\nEverything looks good and we like it.\n\n"))) == [
        "Check without a verification step"
    ]


@pytest.mark.parametrize(("text", "problem"), BAD.values(), ids=BAD.keys())
def test_reasons_can_be_grouped_by_what_stands_before_the_colon(text: str, problem: str) -> None:
    names = {reason.partition(":")[0] for reason in template_problems(text)}
    assert names
    assert not names & {"Objective", "Plan", "Do", "Check", "Act"}


def test_the_literal_rule_stands_beside() -> None:
    assert check_template(CASE, DOCUMENT).figures == {"literal_rule": True}
    vague = changed((CHECK, "## Check\nEverything looks good and we like it.\n\n"))
    assert check_template(CASE, vague).verdict == "failed"
    assert has_literally(vague)
    assert not has_literally(changed((CHECK, "## Check\nTests pass.\n\n")))


@given(
    st.lists(st.text() | st.text(alphabet="TODO.…<>[]{}_ :`noavwest'", max_size=120), min_size=5, max_size=5)
)
def test_no_text_crashes_the_checker(bodies: list[str]) -> None:
    names = ("Objective", "Plan", "Do", "Check", "Act")
    text = "".join(f"## {name}\n{body}\n" for name, body in zip(names, bodies, strict=True))
    assert check_template(CASE, text).verdict == "failed"


@given(
    st.lists(
        st.sampled_from(
            [*DOCUMENT.splitlines(keepends=True), "```\n", "> ", "- ", "Lessons learned:\n", PLAN]
        )
    )
)
def test_no_mixture_of_lines_crashes_the_checker(lines: list[str]) -> None:
    assert check_template(CASE, "".join(lines)).verdict in ("passed", "failed")


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "a ",
        "no ",
        "TODO",
        "[your ",
        "<",
        "not a ",
        "test ",
        "we ",
        ". ",
        "_",
        "{",
        "Learned: ",
        "- x: \n",
        "a: ",
        "'",
        "n't ",
    ],
)
def test_huge_sections_take_seconds_at_most(unit: str) -> None:
    body = unit * (20_000 // len(unit))
    started = time.process_time()
    template_problems("".join(f"## {name}\n{body}\n" for name in ("Objective", "Plan", "Do", "Check", "Act")))
    assert time.process_time() - started < 10
