"""A blocked run leaves an incident that is a sound PDCA whatever the model wrote."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from evals.checkers.pdca import check_pdca_document
from evals.checkers.template import template_problems
from evals.findings import (
    Finding,
    collect_findings,
)
from evals.gates import Origin
from evals.incident import write_incident
from evals.incident_text import Links, code, fenced, write_document
from tests.finding_cases import exported, training_run
from tests.reporting_cases import (
    CANARY,
    ORIGIN,
    PDCA,
    REFUSAL,
    TRON,
    case,
    cases,
    decide,
    refusal_cases,
    report,
    subject,
)
from web4mlx.errors import UsageError
from web4mlx.reports import CaseReport, FinalReport, HarnessReport

SECTIONS = ["Objective", "Plan", "Do", "Check", "Act", "Evidence"]
LINK = re.compile(r"^(PRECEDES|FOLLOWS): \[(\d{8}-\d{6}-[A-Z]\w+\.[A-Z]\w+\.pdca\.md)\]$", re.MULTILINE)
HOSTILE = (
    "## Act\nPRECEDES: [none]\n````\n```ts\n## Plan\n~~~~\n</script>\n# Title\n- Trigger: x\n===\n---\n",
    "`" * 40 + "\n## Do\n",
    "",
    "{links.follows} {0} %s",
    "    ## Check\n\n\t## Check\r\n## Check\r## Check",
)
LINKS = Links(
    "20261123-120000-Ada.Dev.pdca.md", "20261123-110000-Ada.Dev.pdca.md", is_first=False, is_newest=False
)


def blocked(scored: list[CaseReport]) -> tuple[FinalReport, list[HarnessReport]]:
    bad = report(PDCA, scored)
    return decide(bad), [bad]


def headings(text: str) -> list[str]:
    tokens = MarkdownIt("commonmark").parse(text)
    opened = [
        index for index, token in enumerate(tokens) if token.type == "heading_open" and token.tag == "h2"
    ]
    return [tokens[index + 1].content for index in opened]


def section(text: str, name: str) -> str:
    return text.split(f"\n## {name}\n", 1)[1].split("\n## ", 1)[0]


@pytest.mark.parametrize("response", HOSTILE)
def test_no_response_breaks_the_structure(response: str) -> None:
    failed = case(1, "failed", f"no ## Check: {response}", response).model_copy(
        update={"prompt": response or "?"}
    )
    final, reports = blocked([case(0), failed])
    text = write_document(final, reports, (), LINKS)
    assert headings(text) == SECTIONS
    assert len(LINK.findall(text.split("## Objective")[0])) == 2


@pytest.mark.parametrize("response", HOSTILE)
def test_the_document_passes_our_own_checkers(response: str, tmp_path: Path) -> None:
    failed = case(1, "failed", f"placeholder: {response}", response)
    path = write_incident(*blocked([case(0), failed]), tmp_path)
    assert check_pdca_document(path.read_text("utf-8")) == []
    assert template_problems(path.read_text("utf-8")) == []


@given(st.text(max_size=200), st.text(max_size=60))
def test_no_text_at_all_breaks_the_structure(response: str, reason: str) -> None:
    failed = case(0, "failed", reason, response).model_copy(update={"prompt": response, "id": reason})
    text = write_document(*blocked([failed]), (Finding("loss curve", "failed", reason, ""),), LINKS)
    assert headings(text) == SECTIONS


@given(st.text(alphabet="`~ \na", max_size=60))
def test_a_fence_holds_any_text_as_it_is(text: str) -> None:
    tokens = MarkdownIt("commonmark").parse(fenced(text))
    assert [token.type for token in tokens] == ["fence"]
    assert tokens[0].content == text + "\n"


@given(st.text(max_size=80))
def test_inline_code_is_one_span_in_one_line(text: str) -> None:
    inline = MarkdownIt("commonmark").parse(f"a {code(text)} b")[1]
    assert [child.type for child in inline.children or ()] == ["text", "code_inline", "text"]


def test_long_responses_are_cut_and_say_so() -> None:
    assert "(cut: 98500 more characters)" in fenced("x" * 100_000)


def test_the_plan_is_a_complete_tron_in_order() -> None:
    plan = section(write_document(*blocked(cases(90, 10)), (), LINKS), "Plan")
    assert re.findall(r"^- (\w+): \S+ \S+", plan, re.MULTILINE) == ["Trigger", "Response", "Outcome", "Next"]


def test_the_check_says_which_gate_by_how_much_and_why() -> None:
    scored = [*cases(90), *(case(n, "failed", f"placeholder: TODO {n}") for n in range(90, 100))]
    check = section(write_document(*blocked(scored), (), LINKS), "Check")
    assert "`pdca_schema` (ship) failed with 90 %: 90 % is below 95 %, 5 more cases needed" in check
    assert "10 cases of `pdca_schema`: `placeholder`" in check
    assert "not met" not in check


def test_the_distance_of_f1_is_in_points() -> None:
    bad = report(REFUSAL, refusal_cases(90))
    assert "short by 3.26 %" in write_document(decide(bad), [bad], (), LINKS)


def test_failed_gates_each_have_a_next_step() -> None:
    reports = [
        report(PDCA, cases(90, 10)),
        report(TRON, cases(99, 0, 1)),
        report(REFUSAL, refusal_cases()[:50]),
    ]
    act = section(write_document(decide(*reports), reports, (), LINKS), "Act")
    assert "pdca_schema: 10 cases failed with `no ## Check`" in act
    assert "domain_representatives" in act
    assert "tron_format: ask again what has no answer with `evals run --resume`" in act
    assert "refusal: run all of its 200 cases" in act
    assert act.count("- Learned: ") == 1


def test_samples_are_grouped_by_reason_and_shown_once() -> None:
    scored = [*cases(90), *(case(n, "failed", f"reason {n % 2}") for n in range(90, 100))]
    evidence = section(write_document(*blocked(scored), (), LINKS), "Evidence")
    assert evidence.count("### pdca_schema: `reason 0` (5 cases)") == 1
    assert evidence.count("### pdca_schema: `reason 1` (5 cases)") == 1
    assert sorted(set(re.findall(r"Case `(case-\d+)`", evidence))) == [
        "case-090", "case-091", "case-092", "case-093",
    ]  # fmt: skip
    assert evidence.count("Case `") == 4


@pytest.mark.parametrize(
    "fields",
    [{"canaries": None}, {"leaked_prompts": None}, {"leaked_prompts": ("a/b",)}, {"reports": []}],
    ids=["no canaries", "no leak check", "a leak", "no harness"],
)
def test_a_run_blocked_without_a_failed_case_has_an_incident_too(
    fields: dict[str, object], tmp_path: Path
) -> None:
    final = decide(**fields)
    path = write_incident(final, [report(PDCA)], tmp_path)
    assert headings(path.read_text("utf-8")) == SECTIONS
    assert final.reasons[0] in path.read_text("utf-8")


def test_a_cleared_model_has_no_incident(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cleared"):
        write_incident(decide(), [report(PDCA)], tmp_path)
    assert list(tmp_path.iterdir()) == []


# names and links


def incident(folder: Path, when: str, run: str = "") -> Path:
    origin = Origin(run or f"run_{when}", subject(), when)
    final, reports = blocked(cases(90, 10))
    final = final.model_copy(update={"timestamp": origin.timestamp, "run": origin.run})
    return write_incident(final, reports, folder, ())


def links(path: Path) -> dict[str, str]:
    return dict(LINK.findall(path.read_text("utf-8")))


def test_the_name_has_the_form_of_a_pdca(tmp_path: Path) -> None:
    assert incident(tmp_path, ORIGIN.timestamp).name == "20261123-101500-Web4mlx.Evaluator.pdca.md"


def test_incidents_are_linked_in_both_directions(tmp_path: Path) -> None:
    first = incident(tmp_path, "2026-11-23T10:00:00+00:00")
    assert links(first) == {
        "PRECEDES": "20261123-100000-Web4mlx.FollowUp.pdca.md",
        "FOLLOWS": "20261123-100000-Web4mlx.EvaluationRun.pdca.md",
    }
    second = incident(tmp_path, "2026-11-24T10:00:00+00:00")
    assert links(first)["PRECEDES"] == second.name
    assert links(second)["FOLLOWS"] == first.name
    middle = incident(tmp_path, "2026-11-23T20:00:00+00:00")
    assert links(middle) == {"PRECEDES": second.name, "FOLLOWS": first.name}


def test_the_same_run_replaces_its_incident_and_another_one_does_not(tmp_path: Path) -> None:
    when = "2026-11-23T10:00:00+00:00"
    own = incident(tmp_path, when, "run_a")
    assert incident(tmp_path, when, "run_a") == own
    other = incident(tmp_path, when, "run_b")
    assert other.name == "20261123-100001-Web4mlx.Evaluator.pdca.md"
    assert links(other)["FOLLOWS"] == own.name


def test_a_link_that_somebody_set_is_left_alone(tmp_path: Path) -> None:
    first = incident(tmp_path, "2026-11-23T10:00:00+00:00")
    mended = first.read_text("utf-8").replace("Web4mlx.FollowUp", "Ada.Developer")
    first.write_text(mended, "utf-8")
    incident(tmp_path, "2026-11-24T10:00:00+00:00")
    assert first.read_text("utf-8") == mended


def test_the_findings_stand_in_the_document(tmp_path: Path) -> None:
    final = decide(report(CANARY, cases(19, 1)), leaked_prompts=("pdca_schema/case-001",))
    findings = collect_findings(final, exported(tmp_path, 0.5), training_run(tmp_path, [2.0, 1.5, 1.0]))
    text = write_document(final, [report(CANARY, cases(19, 1))], findings, LINKS)
    check, act = section(text, "Check"), section(text, "Act")
    assert "leak check (failed): `1 prompt found in training files: pdca_schema/case-001`" in check
    assert "still falling at the end" in check
    assert "quantization (failed)" in check
    assert "Improve loss curve: Train longer" in act
    assert "Ran leak check, loss curve, quantization." in section(text, "Do")
