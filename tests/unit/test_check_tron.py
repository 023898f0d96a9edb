# ruff: noqa: E501  (tables: a case is a line)
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.checkers.tron import check_tron, has_literally
from evals.harnesses.tron_format import HARNESS
from tests.documents import DOCUMENT, TRON

CASE = HARNESS.cases()[0]
T, R, OUT, N = (
    "The disk was full on Monday.",
    "Archive old orders.",
    "Half of the disk is free.",
    "Watch it for a week.",
)
GOOD = {
    "as written": f"## Plan\n{TRON}",
    "in a whole document": DOCUMENT,
    "windows line ends": f"## Plan\n{TRON}".replace("\n", "\r\n"),
    "setext heading": f"Plan\n----\n\n{TRON}",
    "bold with colon inside": f"## Plan\n- **Trigger:** {T}\n- **Response:** {R}\n- **Outcome:** {OUT}\n- **Next:** {N}",
    "bold with colon outside": f"## Plan\n**Trigger**: {T}\n\n**Response**: {R}\n\n**Outcome**: {OUT}\n\n**Next**: {N}",
    "numbered": f"## Plan\n1. Trigger: {T}\n2. Response: {R}\n3. Outcome: {OUT}\n4. Next: {N}",
    "numbers in text": f"## Plan\n1\\. Trigger: {T}\n\n2\\. Response: {R}\n\n(3) Outcome: {OUT}\n\n4) Next: {N}",
    "plain lines": f"## Plan\nTrigger: {T}\nResponse: {R}\nOutcome: {OUT}\nNext: {N}",
    "bracketed letters": f"## Plan\n- [T]rigger: {T}\n- [R]esponse: {R}\n- [O]utcome: {OUT}\n- [N]ext: {N}",
    "bold letters": f"## Plan\n- **T**rigger: {T}\n- **R**esponse: {R}\n- **O**utcome: {OUT}\n- **N**ext: {N}",
    "bold letters in brackets": f"## Plan\n[**T**]rigger: {T}\n\n(**R**)esponse: {R}\n\n[O]utcome: {OUT}\n\n[N]ext: {N}",
    "letters alone": f"## Plan\n- T: {T}\n- R: {R}\n- O: {OUT}\n- N: {N}",
    "letter and word": f"## Plan\n- T - Trigger: {T}\n- **R** Response: {R}\n- [O] Outcome: {OUT}\n- N: Next: {N}",
    "letter behind": f"## Plan\n- Trigger (T): {T}\n- Response (R): {R}\n- Outcome (O): {OUT}\n- Next (N): {N}",
    "dashes": f"## Plan\n- Trigger – {T}\n- Response — {R}\n- Outcome - {OUT}\n- Next → {N}",
    "emoji": f"## Plan\n- ⚡ Trigger: {T}\n- 🔧 Response: {R}\n- 🎯 Outcome: {OUT}\n- ➡️ Next: {N}",
    "sub-headings": f"## Plan\n### Trigger\n{T}\n\n### Response\n{R}\n\n### Outcome\n{OUT}\n\n### Next steps\n- {N}",
    "heading with content": f"## Plan\n### 1. Trigger: {T}\n### 2. Response: {R}\n### 3. Outcome: {OUT}\n### 4. Next: {N}",
    "under a TRON heading": f"## Plan\n\n### TRON decision\n\n{TRON}\n### Steps\n1. Begin.",
    "nested bullets": f"## Plan\n- Trigger\n  - {T}\n- Response\n  - {R}\n- Outcome\n  - {OUT}\n- Next\n  - {N}",
    "content on the next line": f"## Plan\n**Trigger:**\n{T}\n\n**Response:**\n{R}\n\n**Outcome:**\n{OUT}\n\n**Next:**\n{N}",
    "rows": f"## Plan\n| Element | Text |\n|--|--|\n| Trigger | {T} |\n| **Response** | {R} |\n| Outcome | {OUT} |\n| Next | {N} |",
    "rows with letters": f"## Plan\n| | |\n|-|-|\n| T | {T} |\n| R | {R} |\n| O | {OUT} |\n| N | {N} |",
    "columns": f"## Plan\n| Trigger | Response | Outcome | Next |\n|-|-|-|-|\n| {T} | {R} | {OUT} | {N} |",
    "one paragraph": f"## Plan\nTrigger: {T} Response: {R} Outcome: {OUT} Next: {N}",
    "one line with arrows": "## Plan\nTRON: Trigger: full disk → Response: archive orders → Outcome: free disk → Next: watch it",
    "lower case": f"## Plan\n- trigger: {T}\n- response: {R}\n- outcome: {OUT}\n- next: {N}",
    "text before and after": f"## Plan\nWe decide today.\n\n{TRON}\nThe plan ends here.\n\n## Do\nWork.",
    "two decisions": f"## Plan\n{TRON}\n{TRON}",
    "several sentences": f"## Plan\n- Trigger: {T} {T}\n  It grew.\n- Response: {R}\n- Outcome: {OUT}\n- Next: {N}\n- And {N}",
    "label twice": f"## Plan\n### Trigger\nTrigger: {T}\n### Response\nResponse: {R}\n### Outcome\n{OUT}\n### Next\n{N}",
    "words of labels in content": f"## Plan\n{TRON.replace('ten scenarios', 'ten scenarios; the next response has its trigger')}",
    "short clauses": "## Plan\n- Trigger: Slow tests\n- Response: Add pages\n- Outcome: Fast tests\n- Next: Measure again",
}
BAD = {
    "nothing": ("", "no ## Plan"),
    "no plan": (TRON, "no ## Plan"),
    "plan of level 3": (f"### Plan\n{TRON}", "no ## Plan: found ### Plan"),
    "plan in bold": (f"**Plan**\n\n{TRON}", "no ## Plan"),
    "plan in a fence": (f"```\n## Plan\n{TRON}```", "no ## Plan: only inside a code fence"),
    "two plans": (f"## Plan\n{TRON}\n## Plan\n{TRON}", "## Plan stands more than once: 2 times"),
    "empty plan": ("## Plan\n", "no Trigger in the TRON"),
    "prose": (
        "## Plan\nThe trigger was a full disk, so the response is to archive. Next we watch it.",
        "no Trigger in",
    ),
    "elements under Do": (f"## Plan\nSee below.\n\n## Do\n{TRON}", "no Outcome in the TRON"),
    "elements before the plan": (f"{TRON}\n## Plan\nAs above.", "no Next in the TRON"),
    "elements as level 2": (f"## Plan\n\n## Trigger\n{T}\n\n## Response\n{R}", "no Trigger in the TRON"),
    "elements in a fence": (f"## Plan\n```\n{TRON}```", "no Trigger in the TRON"),
    "elements in a quote": (
        "## Plan\n" + "".join(f"> {line}\n" for line in TRON.splitlines()),
        "no Trigger in",
    ),
    "elements in a comment": (f"## Plan\n<!--\n{TRON}-->", "no Trigger in the TRON"),
    "no trigger": (f"## Plan\n- Response: {R}\n- Outcome: {OUT}\n- Next: {N}", "no Trigger in the TRON"),
    "no next": (f"## Plan\n- Trigger: {T}\n- Response: {R}\n- Outcome: {OUT}", "no Next in the TRON"),
    "other word": (
        f"## Plan\n- Trigger: {T}\n- Reaction: {R}\n- Outcome: {OUT}\n- Next: {N}",
        "no Response in the TRON",
    ),
    "german": (
        f"## Plan\n- Auslöser: {T}\n- Antwort: {R}\n- Ergebnis: {OUT}\n- Weiter: {N}",
        "no Trigger in the TRON",
    ),
    "swapped": (
        f"## Plan\n- Trigger: {T}\n- Outcome: {OUT}\n- Response: {R}\n- Next: {N}",
        "TRON out of order: Trigger, Outcome, Response, Next",
    ),
    "reversed": (
        f"## Plan\nNext: {N}\nOutcome: {OUT}\nResponse: {R}\nTrigger: {T}",
        "TRON out of order: Next, Outcome",
    ),
    "swapped columns": (
        f"## Plan\n| Response | Trigger | Outcome | Next |\n|-|-|-|-|\n| {R} | {T} | {OUT} | {N} |",
        "TRON out of order: Response, Trigger",
    ),
    "one too many": (f"## Plan\n{TRON}- Trigger: Something else broke.", "TRON out of order"),
    "nested swap": (
        f"## Plan\n- Trigger: {T}\n  - Outcome: {OUT}\n- Response: {R}\n- Next: {N}",
        "TRON out of order",
    ),
    "response without content": (
        f"## Plan\n- Trigger: {T}\n- Response:\n- Outcome: {OUT}\n- Next: {N}",
        "Response without",
    ),
    "headings without content": (
        "## Plan\n### Trigger\n### Response\n### Outcome\n### Next",
        "Trigger without content",
    ),
    "empty columns": (
        "## Plan\n| Trigger | Response | Outcome | Next |\n|-|-|-|-|\n| | | | |",
        "Next without content",
    ),
    "a row without content": (
        f"## Plan\n| Trigger | {T} |\n|-|-|\n| Response | {R} |\n| Outcome | - |\n| Next | {N} |",
        "Outcome without content",
    ),
    "none": (
        f"## Plan\n- Trigger: {T}\n- Response: {R}\n- Outcome: {OUT}\n- Next: None.",
        "Next without content",
    ),
    "todo": (
        f"## Plan\n- Trigger: {T}\n- Response: TODO\n- Outcome: {OUT}\n- Next: {N}",
        "Response is a placeholder: TODO",
    ),
    "dots": (
        f"## Plan\n- Trigger: ...\n- Response: {R}\n- Outcome: {OUT}\n- Next: {N}",
        "Trigger is a placeholder: ...",
    ),
    "ellipsis": (
        f"## Plan\n- Trigger: …\n- Response: {R}\n- Outcome: {OUT}\n- Next: {N}",
        "Trigger is a placeholder",
    ),
    "insert": (
        f"## Plan\n- Trigger: <insert trigger>\n- Response: {R}\n- Outcome: {OUT}\n- Next: {N}",
        "Trigger is a placeh",
    ),
    "definitions": (
        "## Plan\n- Trigger: What prompted the decision\n- Response: What is done\n- Outcome: What results\n- Next: What follows",
        "Outcome is a placeholder: What results",
    ),
    "one word": (
        f"## Plan\n- Trigger: Disk\n- Response: {R}\n- Outcome: {OUT}\n- Next: {N}",
        "Trigger too short: Disk",
    ),
    "copied": (
        f"## Plan\n- Trigger: {T}\n- Response: {R}\n- Outcome: {T}\n- Next: {N}",
        "Outcome repeats Trigger",
    ),
    "only code as content": (
        f"## Plan\n- Trigger: {T}\n- Response:\n  ```\n  rm -r old\n  ```\n- Outcome: {OUT}\n- Next: {N}",
        "Response without",
    ),
    "letters of another word": (
        f"## Plan\n- Team: {T}\n- Risk: {R}\n- Owner: {OUT}\n- Notes: {N}",
        "no Trigger in the TRON",
    ),
    "second round incomplete": (f"## Plan\n{TRON}\n- Trigger: {T}\n- Response: {R}", "TRON out of order"),
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD.keys())
def test_labelled_elements_in_order_pass(text: str) -> None:
    assert check_tron(CASE, text).reasons == ()


@pytest.mark.parametrize(("text", "problem"), BAD.values(), ids=BAD.keys())
def test_what_is_wrong_is_named(text: str, problem: str) -> None:
    found = check_tron(CASE, text)
    assert found.verdict == "failed"
    assert any(reason.startswith(problem) for reason in found.reasons), found.reasons


def test_only_the_wrong_element_is_named() -> None:
    assert check_tron(
        CASE, f"## Plan\n- Trigger: {T}\n- Response: TBD\n- Outcome: {OUT}\n- Next: {N}"
    ).reasons == ("Response is a placeholder: TBD",)


def test_the_literal_rule_stands_beside() -> None:
    prose = "## Plan\nTrigger, Response, Outcome and Next."
    assert check_tron(CASE, prose).figures == {"literal_rule": True}
    assert check_tron(CASE, prose).verdict == "failed"
    assert not has_literally(f"## Plan\n- Outcome: {OUT}\n- Trigger: {T}\n- Response: {R}\n- Next: {N}")
    assert not has_literally(TRON)


@given(st.text() | st.text(alphabet="TRONtriggerspuocmx:[]()|-*#>\n →`.…", max_size=300))
def test_no_text_crashes_the_checker(text: str) -> None:
    assert check_tron(CASE, "## Plan\n" + text).verdict in ("passed", "failed")


@given(
    st.lists(
        st.sampled_from(
            [
                *GOOD["rows"].splitlines(keepends=True),
                *GOOD["columns"].splitlines(keepends=True),
                *TRON.splitlines(keepends=True),
                "### Next\n",
                "```\n",
                "\n",
                "| T |\n",
            ]
        )
    )
)
def test_no_mixture_of_lines_crashes_the_checker(lines: list[str]) -> None:
    assert check_tron(CASE, "## Plan\n" + "".join(lines)).verdict in ("passed", "failed")


@pytest.mark.parametrize(
    "unit",
    ["T: ", "Trigger: a. ", "→ ", "[T", "- T: a\n", "TRON ", "| T |\n", "( ", "word ", ". Next", "<your "],
)
def test_a_huge_plan_takes_seconds_at_most(unit: str) -> None:
    started = time.process_time()
    check_tron(CASE, "## Plan\n" + unit * (100_000 // len(unit)))
    assert time.process_time() - started < 10
