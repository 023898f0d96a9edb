"""The canaries: twenty fair tasks, answers judged with reasons, and a report beside the baseline."""

from collections import Counter
from difflib import SequenceMatcher
from pathlib import Path

import pytest
import tomli
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.canaries import (
    ABBREVIATED_CHARACTERS,
    GROUPS,
    HARNESS,
    Canary,
    canary_report,
    check_canary,
    compare_canaries,
    load_canaries,
)
from evals.checkers.keywords import LONGEST_CHARACTERS, abbreviate, first_out_of_order, normalize, occurs
from web4mlx.data.corpus.grammar import Dealer
from web4mlx.data.corpus.plan import plan
from web4mlx.data.corpus.words import read_list
from web4mlx.errors import Problems
from web4mlx.reports import BaselineMetrics, CaseReport, HarnessReport, Subject

CANARIES = {canary.id: canary for canary in load_canaries()}
ANSWERS = tomli.loads(Path(__file__).with_name("canary_answers.toml").read_text("utf-8"))
GOOD = [(answer["id"], answer["text"]) for answer in ANSWERS["good"]]
BAD = [(answer["id"], answer["text"], answer["reason"]) for answer in ANSWERS["bad"]]
CODE = [canary.id for canary in CANARIES.values() if canary.group == "code_generation"]
# Which fact of the sample corpus each canary asks for.
FACTS = {
    "explain_empty_constructor": "empty_constructor",
    "describe_five_layers": "five_layers",
    "explain_radical_oop": "radical_oop",
    "describe_scenario_state": "scenario_state",
    "explain_init_purpose": "init_method",
    "list_pdca_sections": "pdca_sections",
    "explain_tron": "tron",
    "describe_dual_links": "dual_links",
    "explain_cmm_levels": "cmm_levels",
    "describe_verification_checklist": "verification_checklist",
    "choose_vitest": "vitest_choice",
    "choose_automation": "automation_choice",
    "judge_constructor": "constructor_judgement",
    "explain_read_file": "read_file_use",
    "structure_tool_call": "tool_call_form",
}
SUBJECT = Subject(
    model="m.gguf", model_sha256="0" * 64, suite_version="1", system_sha256="", template_sha256="",
    messages_sha256="", context=4096, seed=1, options={}, engine={},
)  # fmt: skip


def test_there_are_twenty_canaries_in_the_five_groups_of_the_plan() -> None:
    assert Counter(canary.group for canary in CANARIES.values()) == {
        "pattern_knowledge": 5, "pdca_structure": 5, "code_generation": 5, "decisions": 3, "tools": 2,
    }  # fmt: skip
    assert len({canary.prompt for canary in CANARIES.values()}) == sum(GROUPS.values()) == 20


def test_to_the_suite_they_are_a_harness_whose_cases_carry_what_is_expected() -> None:
    cases = HARNESS.cases()
    assert (HARNESS.name, HARNESS.gate_type, HARNESS.threshold, HARNESS.planned) == (
        "canary",
        "canary",
        1,
        20,
    )
    assert HARNESS.data_file.is_file()
    assert [case.id for case in cases] == list(CANARIES)
    for case in cases:
        assert case.category == CANARIES[case.id].group
        for text in (case.prompt, "Vitest", "init() and the scenario"):
            assert HARNESS.check(case, text) == check_canary(CANARIES[case.id], text)


@pytest.mark.parametrize(("id", "text"), GOOD)
def test_a_right_answer_passes(id: str, text: str) -> None:
    assert check_canary(CANARIES[id], text).reasons == ()


@pytest.mark.parametrize(("id", "text", "reason"), BAD)
def test_a_wrong_answer_fails_with_its_reason(id: str, text: str, reason: str) -> None:
    found = check_canary(CANARIES[id], text)
    assert found.verdict == "failed"
    assert any(each.startswith(reason) for each in found.reasons), found.reasons


def test_each_canary_has_a_right_and_a_wrong_answer() -> None:
    assert {id for id, _ in GOOD} == {id for id, _, _ in BAD} == set(CANARIES)


@pytest.mark.parametrize("canary", CANARIES.values(), ids=lambda canary: canary.id)
def test_an_empty_or_echoing_answer_fails(canary: Canary) -> None:
    echoes = ["", " \n", "```", canary.prompt, f"{canary.prompt} {canary.prompt}", canary.title]
    echoes += [f"You asked: {canary.prompt} I do not know.", f"{canary.title}: {canary.prompt}"]
    echoes += [f"```typescript\n// {canary.prompt}\n```"]
    for text in echoes:
        assert check_canary(canary, text).verdict == "failed", text


def test_the_right_answer_to_one_code_task_is_wrong_for_the_others() -> None:
    for id, text in GOOD:
        passed = {other for other in CODE if check_canary(CANARIES[other], text).verdict == "passed"}
        assert passed <= {id}


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=300))
def test_no_text_crashes_the_check(text: str) -> None:
    for canary in CANARIES.values():
        assert check_canary(canary, text).verdict in ("passed", "failed")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from([text for _, text in GOOD] + [text for _, text, _ in BAD]), max_size=4))
def test_no_mixture_of_answers_crashes_the_check(parts: list[str]) -> None:
    for canary in CANARIES.values():
        assert check_canary(canary, "\n".join(parts)).verdict in ("passed", "failed")


def test_an_endless_answer_is_not_read() -> None:
    text = "constructor init " * LONGEST_CHARACTERS
    assert check_canary(CANARIES["explain_tron"], text).reasons == ("longer than 100000 characters",)


@pytest.mark.parametrize(("id", "topic"), FACTS.items())
def test_what_the_sample_corpus_teaches_passes_the_canary_that_asks_for_it(id: str, topic: str) -> None:
    assert check_canary(CANARIES[id], read_list("knowledge")[topic]["answer"]).reasons == ()


def test_each_probed_fact_has_many_questions_in_the_sample_corpus() -> None:
    assert set(FACTS) | set(CODE) == set(CANARIES)
    for topic in FACTS.values():
        assert len(set(read_list("knowledge")[topic]["train"])) >= 15


def test_no_prompt_is_nearly_a_question_of_the_training() -> None:
    dealer = Dealer("train", "canaries")
    asked = {share.produce(dealer).instruction for share in plan("demo") for _ in range(share.train)}
    asked |= {question for topic in read_list("knowledge").values() for question in topic["train"]}
    for canary in CANARIES.values():
        for question in asked:
            matcher = SequenceMatcher(None, canary.prompt.casefold(), question.casefold())
            assert matcher.real_quick_ratio() < 0.85 or matcher.ratio() < 0.85, question


def answered(id: str, verdict: str, response: str = "An answer.") -> CaseReport:
    return CaseReport.model_validate(
        {"id": id, "category": "tools", "prompt": "?", "response": response, "verdict": verdict}
    )


def reported(*cases: CaseReport) -> HarnessReport:
    passed = sum(case.verdict == "passed" for case in cases)
    return HarnessReport(
        test_name="canary", title="Canaries", timestamp="", run="run", subject=SUBJECT, gate_type="canary",
        measure="pass_rate", threshold=1, planned=20, total=len(cases), passed=passed,
        failed=len(cases) - passed, errored=0, pass_rate=0, score=0, interval=(0, 1), gate="failed",
        cases=cases,
    )  # fmt: skip


def baseline(**verdicts: str) -> BaselineMetrics:
    named = {f"canary/{id}": verdict for id, verdict in verdicts.items()}
    return BaselineMetrics.model_validate(
        {"timestamp": "", "subject": SUBJECT, "scores": {}, "cases": {}, "verdicts": named}
    )


def test_the_report_tells_what_was_expected_and_abbreviates_responses() -> None:
    report = canary_report(reported(answered("explain_read_file", "failed", "word " * 1000)))
    case = report.cases[0]
    assert len(case.response) == ABBREVIATED_CHARACTERS
    assert case.response.endswith("…")
    assert "what read_file gives, as in: content" in str(case.figures["expected"])
    assert "baseline" not in case.figures
    told = HarnessReport.model_validate_json(report.model_dump_json())
    assert told == report


def test_every_expectation_is_told_in_words() -> None:
    for canary in CANARIES.values():
        assert canary.describe()
        assert "\\b" not in canary.describe()
    assert CANARIES["write_to_scenario"].describe().endswith("init(); toScenario()")


def test_what_passed_in_the_baseline_and_fails_now_is_a_regression() -> None:
    report = reported(
        answered("explain_tron", "failed"),
        answered("choose_vitest", "passed"),
        answered("explain_read_file", "errored"),
    )
    before = baseline(explain_tron="passed", choose_vitest="failed", judge_constructor="passed")
    changes = compare_canaries(report, before)
    assert (changes.regressions, changes.gains) == (("explain_tron",), ("choose_vitest",))
    written = canary_report(report, before)
    assert written.figures == {"regressions": 1.0, "gains": 1.0}
    assert [case.figures.get("baseline") for case in written.cases] == ["passed", "failed", None]


def test_a_wrong_data_file_is_refused_with_every_place(tmp_path: Path) -> None:
    path = tmp_path / "canaries.toml"
    path.write_text(
        'version = "1"\n'
        '[[canary]]\nid = "a"\ngroup = "tools"\ntitle = "t"\nprompt = "p"\nall_of = ["x ~ ("]\n'
        '[[canary]]\nid = "B"\ngroup = "other"\ntitle = "t"\nprompt = "q"\nany_of = { about = [] }\n'
        '[[canary]]\nid = "c"\ngroup = "tools"\ntitle = "t"\nprompt = "r"\nnone_of = ["x"]\n'
    )
    with pytest.raises(Problems) as caught:
        load_canaries(path)
    for place in (
        "canary.0.all_of.0",
        "canary.1.id",
        "canary.1.group",
        "canary.1.any_of.about",
        "demands nothing",
    ):
        assert place in caught.value.message


def test_a_file_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "canaries.toml"
    path.write_text("version = 1 2\n")
    with pytest.raises(Problems, match="line 1"):
        load_canaries(path)


def test_a_canary_that_stands_twice_or_is_missing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "canaries.toml"
    one = '[[canary]]\nid = "a"\ngroup = "tools"\ntitle = "t"\nprompt = "p"\nall_of = ["x"]\n'
    path.write_text('version = "1"\n' + one + one)
    with pytest.raises(Problems) as caught:
        load_canaries(path)
    for problem in (
        "id 'a' appears twice",
        "prompt 'p' appears twice",
        "group decisions: 0 canaries, expected 3",
    ):
        assert problem in caught.value.message


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("init", "call init()", True),
        ("init", "initial", False),
        ("init", "reinit", False),
        ("init*", "initial", True),
        ("read_file", "`read_file`", True),
        ("no logic", "no **logic**", True),
        ("don't", "don’t", True),
        ("c++", "C++ code", True),
        ("a number ~ \\b\\d+\\b", "level 3", True),
        ("a number ~ \\b\\d+\\b", "level", False),
    ],
)
def test_a_word_stands_alone_unless_a_star_lets_it_go_on(pattern: str, text: str, found: bool) -> None:
    assert occurs(pattern, normalize(text)) is found


def test_order_is_kept_and_the_first_offender_named() -> None:
    assert first_out_of_order(["a", "b", "c"], "a x b y c") is None
    assert first_out_of_order(["a", "b", "c"], "a c b") == "c"
    assert first_out_of_order([], "") is None


def test_only_long_texts_are_abbreviated() -> None:
    assert abbreviate("short", 5) == "short"
    assert abbreviate("a longer text", 9) == "a longer…"
