# ruff: noqa: E501  (tables: a case is a line)
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.checkers.markdown import parse_markdown
from evals.checkers.pdca import check_pdca_document, check_schema, has_literally
from evals.harnesses.pdca_schema import HARNESS
from tests.documents import (
    ACT,
    CHECK,
    DO,
    DOCUMENT,
    FOLLOWS,
    LINKS,
    OBJECTIVE,
    PLAN,
    PRECEDES,
    changed,
)

CASE = HARNESS.cases()[0]
FILE = "[20260302-110000-Web4.Agent.pdca.md]"
GOOD = {
    "as written": DOCUMENT,
    "windows line ends": DOCUMENT.replace("\n", "\r\n"),
    "old mac line ends": DOCUMENT.replace("\n", "\r"),
    "byte order mark": "\ufeff" + OBJECTIVE + PLAN + DO + CHECK + ACT + "\n" + LINKS,
    "links at the end": OBJECTIVE + PLAN + DO + CHECK + ACT + "\n" + LINKS,
    "other order of sections": LINKS + ACT + "\n" + CHECK + DO + PLAN + OBJECTIVE,
    "title and chat around": f"Here is your PDCA.\n\n# PDCA: undo\n\n{DOCUMENT}\n\nAnything else?",
    "setext headings": changed(("## Plan\n", "Plan\n----\n"), ("## Act\n", "Act\n---\n")),
    "emoji, bold and numbers": changed(
        ("## Objective", "## 🎯 **Objective**"), ("## Plan", "## 1. Plan:"), ("## Do", "## __Do__ 🔧")
    ),
    "closed headings": changed(("## Plan\n", "## Plan ##\n")),
    "upper case": changed(("## Check", "## CHECK")),
    "indented by three": changed(("## Plan", "   ## Plan")),
    "nested headings": changed(("## Do\n", "## Do\n### Plan\nAs agreed.\n\n#### Check\nLater.\n\n")),
    "bold labels": changed(("PRECEDES:", "**PRECEDES:**"), ("FOLLOWS:", "**FOLLOWS**:")),
    "bullets and emoji": changed(("PRECEDES:", "- 🔗 PRECEDES:"), ("FOLLOWS:", "- 🔗 FOLLOWS:")),
    "both links in one line": changed((LINKS, f"{PRECEDES} | {FOLLOWS}\n\n")),
    "label over its link": changed((LINKS, f"PRECEDES:\n{FILE}\n\nFOLLOWS:\n- {FILE}\n\n")),
    "links as a table": changed(
        (LINKS, f"| Link | File |\n|-|-|\n| PRECEDES | {FILE} |\n| FOLLOWS | {FILE} |\n\n")
    ),
    "links in a heading by a rule": changed((LINKS, f"{PRECEDES}\n{FOLLOWS}\n---\n\n")),
    "front matter": changed((LINKS, f"---\n{PRECEDES}\n{FOLLOWS}\n---\n\n")),
    "markdown link": changed((FILE, f"{FILE}(./20260302-110000-Web4.Agent.pdca.md)")),
    "inline code": changed((FILE, f"`{FILE}`")),
    "two successors": changed((FILE, f"{FILE}, [20260302-120000-Ada.Tester.pdca.md]")),
    "rule without a blank line": changed(("taken back.\n\n", "taken back.\n---\n")),
    "code with comments": changed(
        ("## Check\n", "## Check\n```bash\n# run\n## all tests\nnpx vitest run\n```\n")
    ),
    "leap day": changed(("20260302-110000", "20240229-235959")),
    "empty sections are not its matter": LINKS + "## Objective\n## Plan\n## Do\n## Check\n## Act\n",
}
BAD = {
    "nothing": ("", "no ## Objective"),
    "refusal": ("I cannot write that.", "no FOLLOWS: link"),
    "no act": (changed((ACT, "")), "no ## Act"),
    "level 1": (changed(("## Plan", "# Plan")), "no ## Plan: found # Plan"),
    "level 3": (changed(("## Plan", "### Plan")), "no ## Plan: found ### Plan"),
    "setext level 1": (changed(("## Plan\n", "Plan\n====\n")), "no ## Plan: found # Plan"),
    "no space": (changed(("## Plan", "##Plan")), "no ## Plan"),
    "bold instead of a heading": (changed(("## Plan\n", "**Plan**\n\n")), "no ## Plan"),
    "longer title": (changed(("## Act", "## Action items")), "no ## Act"),
    "other title named": (changed(("## Do", "## Do and Check")), "no ## Do: found ## Do and Check"),
    "german": (changed(("## Objective", "## Ziel")), "no ## Objective"),
    "all in a fence": (f"```markdown\n{DOCUMENT}\n```", "no ## Objective: only inside a code fence"),
    "act in a fence": (changed((ACT, f"```\n{ACT}\n```\n")), "no ## Act: only inside a code fence"),
    "fence in a longer fence": (
        changed((ACT, f"````markdown\n```\nx\n```\n{ACT}````\n")),
        "no ## Act: only inside a code fence",
    ),
    "unclosed fence": (changed(("## Do\n", "~~~\n## Do\n")), "no ## Check: only inside a code fence"),
    "indented code": (changed(("## Act\n", "    ## Act\n")), "no ## Act"),
    "quoted": (changed(("## Act\n", "> ## Act\n> ")), "no ## Act"),
    "in a comment": (changed(("## Act\n", "<!--\n## Act\n-->\n")), "no ## Act"),
    "in a list": (changed(("## Act\n", "- ## Act\n")), "no ## Act"),
    "in a table": (changed(("## Act\n", "| ## Act |\n|-|\n")), "no ## Act"),
    "escaped": (changed(("## Act", "\\## Act")), "no ## Act"),
    "twice": (DOCUMENT + "\n" + PLAN, "## Plan stands more than once: 2 times"),
    "no precedes": (changed((PRECEDES + "\n", "")), "no PRECEDES: link"),
    "no follows": (changed((FOLLOWS, "")), "no FOLLOWS: link"),
    "lower case label": (changed(("FOLLOWS:", "Follows:")), "no FOLLOWS: link"),
    "label in prose only": (changed((FOLLOWS, "It has no line with FOLLOWS: yet.")), "no FOLLOWS: link"),
    "link in a fence": (changed((FOLLOWS, f"\n```\n{FOLLOWS}\n```")), "no FOLLOWS: link"),
    "link in a quote": (changed((FOLLOWS, f"\n> {FOLLOWS}\n")), "no FOLLOWS: link"),
    "label without a colon": (changed(("FOLLOWS:", "FOLLOWS")), "no FOLLOWS: link"),
    "empty label": (changed((PRECEDES, "PRECEDES:")), "empty PRECEDES link"),
    "empty label before a heading": (changed((FOLLOWS, "FOLLOWS:")), "empty FOLLOWS link"),
    "none": (changed((PRECEDES, "PRECEDES: none")), "malformed PRECEDES link: none"),
    "no brackets": (
        changed((FILE, "20260302-110000-Web4.Agent.pdca.md")),
        "malformed PRECEDES link: 20260302-110000-Web4.Agent.pdca.md",
    ),
    "no role": (
        changed(("110000-Web4.Agent", "110000-Web4")),
        "malformed PRECEDES link: [20260302-110000-Web4.pdca.md]",
    ),
    "plain md": (
        changed(("110000-Web4.Agent.pdca.md", "110000-Web4.Agent.md")),
        "malformed PRECEDES link: [2026",
    ),
    "dashes in the date": (
        changed(("20260302-110000", "2026-03-02-110000")),
        "malformed PRECEDES link: [2026-03",
    ),
    "short time": (changed(("20260302-110000", "20260302-1100")), "malformed PRECEDES link: [20260302-1100-"),
    "25:61 hours": (
        changed(("20260302-110000", "20260302-256100")),
        "malformed PRECEDES link: no such time: 20260302-256100",
    ),
    "30 February": (
        changed(("20260302-110000", "20260230-110000")),
        "malformed PRECEDES link: no such time: 20260230-110000",
    ),
    "arabic digits": (changed(("20260302-110000", "٢٠٢٦٠٣٠٢-١١٠٠٠٠")), "malformed PRECEDES link"),
    "form copied": (
        changed(("20260302-110000-Web4.Agent", "YYYYMMDD-HHMMSS-AgentName.RoleName")),
        "malformed PRECEDES link: [YYYYMMDD",
    ),
    "names copied": (
        changed(("110000-Web4.Agent", "110000-AgentName.RoleName")),
        "malformed PRECEDES link: the names of the template",
    ),
    "second of two broken": (
        changed((FILE, f"{FILE} [20261302-120000-Ada.Tester.pdca.md]")),
        "malformed PRECEDES link: no such time: 20261302-120000",
    ),
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD.keys())
def test_a_complete_document_has_no_problem(text: str) -> None:
    assert check_pdca_document(text) == []


@pytest.mark.parametrize(("text", "problem"), BAD.values(), ids=BAD.keys())
def test_a_missing_part_is_named(text: str, problem: str) -> None:
    assert any(found.startswith(problem) for found in check_pdca_document(text)), check_pdca_document(text)
    assert check_schema(CASE, text).verdict == "failed"


def test_only_the_broken_part_is_named() -> None:
    assert check_pdca_document(changed(("## Plan", "### Plan"))) == ["no ## Plan: found ### Plan"]
    assert check_pdca_document(changed((FILE, "[later]"))) == ["malformed PRECEDES link: [later]"]


def test_the_literal_rule_is_reported_beside_the_verdict() -> None:
    fenced = check_schema(CASE, f"```markdown\n{DOCUMENT}\n```")
    assert (fenced.verdict, fenced.figures["literal_rule"]) == ("failed", True)
    emoji = check_schema(CASE, changed(("## Objective", "## 🎯 Objective")))
    assert (emoji.verdict, emoji.figures["literal_rule"]) == ("passed", False)
    assert not has_literally(changed(("FOLLOWS:", "FOLLOWS")))


def test_deeper_headings_belong_to_their_section() -> None:
    plan = parse_markdown(changed(("## Plan\n", "## Plan\n### Steps\nOne.\n\n"))).named("plan")[0]
    assert [line.text for line in plan.lines][:2] == ["Steps", "One."]


@given(st.text() | st.text(alphabet="#- \n\r`>|[]:PRECEDESFOLLOWS0123456789.<!*_~", max_size=300))
def test_no_text_crashes_the_checker(text: str) -> None:
    assert check_schema(CASE, text).verdict in ("passed", "failed")


@given(
    st.lists(st.sampled_from([*DOCUMENT.splitlines(keepends=True), "```\n", "> ", "- ", "---\n", "\ud800"]))
)
def test_no_mixture_of_lines_crashes_the_checker(lines: list[str]) -> None:
    assert check_schema(CASE, "".join(lines)).verdict in ("passed", "failed")


@pytest.mark.parametrize(
    "unit", ["[", "*a ", "> ", "## a!!", "!", "PRECEDES: ", "<!--", "| a ", "\n|", "`", "a_", "\n"]
)
def test_a_huge_text_takes_seconds_at_most(unit: str) -> None:
    started = time.process_time()
    check_pdca_document(unit * (100_000 // len(unit)))
    assert time.process_time() - started < 10
