from collections import Counter
from types import ModuleType

import pytest

from evals.cases import Case
from evals.checkers.pdca import check_pdca_document
from evals.checkers.template import template_problems
from evals.checkers.tron import check_tron
from evals.harnesses import pdca_schema, pdca_template, tron_format
from evals.harnesses.base import Harness
from evals.harnesses.documents import COMPONENT
from tests.documents import DOCUMENT, changed
from web4mlx.data.corpus import long_documents, short_documents
from web4mlx.data.corpus.grammar import Dealer
from web4mlx.data.corpus.words import entities, read_list
from web4mlx.reports import CaseReport

HARNESSES = [pdca_schema.HARNESS, pdca_template.HARNESS, tron_format.HARNESS]
CATEGORIES = {"create", "debug", "refactor", "integrate", "collaborate"}
by_name = pytest.mark.parametrize("harness", HARNESSES, ids=[harness.name for harness in HARNESSES])
by_style = pytest.mark.parametrize("style", [short_documents, long_documents], ids=["short", "long"])


@by_name
def test_a_complete_run_has_the_planned_cases_in_balance(harness: Harness) -> None:
    cases = harness.cases()
    assert len(cases) == harness.planned == 100
    assert Counter(case.category for case in cases) == dict.fromkeys(CATEGORIES, 20)
    assert max(Counter(case.phrasing for case in cases).values()) <= 5
    assert all(len(case.prompt.split()) <= 60 for case in cases)


def test_the_gates_are_those_of_the_domain() -> None:
    gates = [(harness.gate_type, harness.threshold) for harness in HARNESSES]
    assert gates == [("ship", 0.95), ("ship", 0.95), ("quality", 0.90)]


def test_no_prompt_stands_in_two_harnesses() -> None:
    prompts = [case.prompt.casefold() for harness in HARNESSES for case in harness.cases()]
    assert len(set(prompts)) == len(prompts)


@by_name
def test_no_component_of_a_prompt_is_trained(harness: Harness) -> None:
    trained = tuple(entity.name + role for entity in entities("train") for role in read_list("roles"))
    assert not [case.prompt for case in harness.cases() if any(name in case.prompt for name in trained)]


@by_name
def test_the_literal_rule_is_a_figure_over_all_cases(harness: Harness) -> None:
    case = harness.cases()[0]
    reports = [_report(harness, case, text) for text in (DOCUMENT, "No.", DOCUMENT, "")]
    assert [report.verdict for report in reports] == ["passed", "failed", "passed", "failed"]
    beside = {} if harness is tron_format.HARNESS else {"names_component": 0.0, "distinct_answers": 0.75}
    assert harness.figures(reports) == {"literal_rule": 0.5, **beside}


@pytest.mark.parametrize("harness", [pdca_schema.HARNESS, pdca_template.HARNESS], ids=lambda one: one.name)
def test_one_document_for_every_question_is_seen_in_the_figures(harness: Harness) -> None:
    cases = harness.cases()
    names = [COMPONENT.findall(case.prompt) for case in cases]
    assert all(len(set(found)) == 1 for found in names)
    same = [_report(harness, case, DOCUMENT) for case in cases]
    own = [
        _report(harness, case, changed(("undo to ChapelStore", f"undo to {found[0]} for case {number}")))
        for number, (case, found) in enumerate(zip(cases, names, strict=True))
    ]
    assert {report.verdict for report in (*same, *own)} == {"passed"}
    assert harness.figures(same) | {"literal_rule": 1.0} == {
        "literal_rule": 1.0,
        "names_component": 0.0,
        "distinct_answers": 0.01,
    }
    assert harness.figures(own)["names_component"] == harness.figures(own)["distinct_answers"] == 1.0
    assert harness.figures([])["distinct_answers"] == 0.0


def _report(harness: Harness, case: Case, text: str) -> CaseReport:
    found = harness.check(case, text)
    return CaseReport(
        id=case.id,
        category=case.category,
        prompt=case.prompt,
        response=text,
        verdict=found.verdict,
        reasons=found.reasons,
        figures=found.figures,
    )


@by_style
def test_trained_documents_pass(style: ModuleType) -> None:
    dealer = Dealer("train", "documents")
    for _ in range(40):
        text = style.pdca(dealer).output
        assert check_pdca_document(text) + template_problems(text) == []


@by_style
def test_trained_decisions_pass(style: ModuleType) -> None:
    dealer = Dealer("train", "decisions")
    case = tron_format.HARNESS.cases()[0]
    assert [check_tron(case, style.decision(dealer).output).reasons for _ in range(40)] == [()] * 40
