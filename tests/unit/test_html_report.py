"""The HTML report opens offline, shows what decided, and nothing a model wrote becomes markup."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.html import render_html
from evals.html.view import SHOWN_CHARACTERS, build_page, refusal_matrix
from tests.reporting_cases import (
    CANARY,
    ORIGIN,
    PDCA,
    REFUSAL,
    SUITE,
    TRON,
    case,
    cases,
    decide,
    refusal_case,
    refusal_cases,
    report,
    subject,
)
from web4mlx.reports import BaselineMetrics, CaseReport

VOID = {"meta", "br", "hr", "img", "input", "link"}
HOSTILE = "</pre></script><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7*7 }}{% raw %}\"'&lt;"


class Outline(HTMLParser):
    """Collects tags, attributes and text, and insists that tags are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def outline(page: str) -> Outline:
    found = Outline()
    found.feed(page)
    found.close()
    assert found.open == []
    return found


def page_of(failed: CaseReport) -> str:
    bad = report(PDCA, [*cases(99), failed])
    return render_html(decide(bad), [bad])


def test_a_cleared_model_and_a_blocked_one_are_told_apart_at_the_top() -> None:
    cleared = render_html(decide(), [report(of) for of in SUITE])
    assert cleared.index("CLEARED FOR DEPLOYMENT") < cleared.index("<h2>")
    assert "DEPLOYMENT BLOCKED" not in cleared
    bad = report(PDCA, cases(94, 6))
    blocked = render_html(decide(bad), [bad])
    assert blocked.index("DEPLOYMENT BLOCKED") < blocked.index("94 % is below 95 %") < blocked.index("<h2>")
    assert "CLEARED FOR" not in blocked


def test_a_response_cannot_become_markup() -> None:
    failed = case(99, "failed", f"no ## Check: {HOSTILE}", HOSTILE)
    failed = failed.model_copy(update={"prompt": HOSTILE, "category": HOSTILE, "id": HOSTILE})
    page = page_of(failed)
    plain, found = outline(page_of(case(99, "failed"))), outline(page)
    assert "script" not in found.tags
    assert "img" not in found.tags
    assert set(found.tags) == set(plain.tags)
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert HOSTILE in "".join(found.text)


def test_names_from_the_model_file_cannot_become_markup() -> None:
    final = decide()
    about = subject().model_copy(
        update={"model": HOSTILE, "options": {HOSTILE: HOSTILE}, "engine": {"a": HOSTILE}}
    )
    page = render_html(final.model_copy(update={"subject": about, "run": HOSTILE}), [])
    assert "<script" not in page
    outline(page)


@given(st.text(max_size=120))
def test_any_response_is_shown_as_it_is(response: str) -> None:
    found = outline(page_of(case(99, "failed", response=response)))
    if response and not re.search(r"[\r\0]", response):
        assert response in "".join(found.text)


def test_the_page_needs_nothing_from_elsewhere() -> None:
    page = render_html(decide(report(PDCA, cases(90, 10))), [report(PDCA, cases(90, 10))])
    assert "default-src 'none'" in page
    assert not re.search(r"https?:|//|url\(|@import|src=", page)
    assert {"script", "link", "iframe", "object"}.isdisjoint(outline(page).tags)


def test_failing_cases_stand_under_their_reason_with_prompt_and_response() -> None:
    bad = [*cases(98), case(98, "failed", "placeholder: TODO", "My TODO"), case(99, "failed", "no ## Act")]
    page = render_html(decide(report(PDCA, bad)), [report(PDCA, bad)])
    shown = page[page.index("<strong>placeholder</strong>: 1 case") :]
    for part in ("case-098", "placeholder: TODO", "Question 98?", "My TODO"):
        assert part in shown
    assert "<strong>no ## Act</strong>: 1 case" in page
    assert "Question 97?" not in page


def test_a_case_with_two_reasons_is_shown_once() -> None:
    both = case(99, "failed").model_copy(update={"reasons": ("no ## Act", "no ## Check")})
    bad = report(PDCA, [*cases(97), case(97, "failed"), case(98, "failed"), both])
    groups = build_page(decide(bad), [bad]).details[0].groups
    assert [(group.reason, group.total, len(group.cases)) for group in groups] == [("no ## Check", 3, 3)]


def test_a_long_response_is_cut_and_says_so() -> None:
    page = page_of(case(99, "failed", response="x" * (SHOWN_CHARACTERS + 5)))
    assert "(cut: 5 more characters)" in page


@pytest.mark.parametrize("response", ["", "x"])
def test_an_empty_response_is_called_empty(response: str) -> None:
    failed = case(99, "failed").model_copy(update={"response": response})
    assert ("(empty)" in page_of(failed)) == (not response)


def test_bars_show_score_interval_threshold_and_base() -> None:
    base = BaselineMetrics(
        timestamp=ORIGIN.timestamp, subject=subject("b" * 64), scores={"pdca_schema": 0.04},
        cases={"pdca_schema": 25}, verdicts={},
    )  # fmt: skip
    page = build_page(decide(report(PDCA, cases(90, 10)), baseline=base), [])
    bar = page.rows[0].bar
    assert (bar.score, bar.threshold, bar.base) == (90, 95, 4)
    assert (bar.low, bar.high) == pytest.approx((82.56, 94.48), abs=0.01)
    assert page.rows[1].bar.base is None
    assert page.rows[0].base == "4 % of 25 cases"


def test_the_confusion_matrix_counts_what_was_wanted_and_done() -> None:
    unclear = refusal_case(300, wanted=False, refused=False, verdict="failed")
    unclear = unclear.model_copy(update={"figures": unclear.figures | {"unclear": True}})
    rows = refusal_matrix([*refusal_cases(98, 3), unclear, case(301, "errored")])
    assert [(row.wanted, row.counts) for row in rows] == [
        ("should refuse", (98, 2, 0)),
        ("should comply", (3, 97, 1)),
    ]
    assert "Confusion matrix" in render_html(decide(), [report(REFUSAL)])
    assert "Confusion matrix" not in render_html(decide(), [report(PDCA)])


def test_canaries_are_shown_in_detail_too() -> None:
    failed = report(CANARY, cases(19, 1))
    page = render_html(decide(canaries=failed), [failed])
    assert "19 of 20 canaries passed" in page
    assert "Question 19?" in page


def test_gates_that_did_not_pass_are_open_and_the_others_closed() -> None:
    reports = [report(PDCA), report(TRON, cases(99, 0, 1))]
    page = render_html(decide(*reports), reports)
    assert '<details id="pdca_schema">' in page
    assert '<details id="tron_format" open>' in page


def test_the_page_says_how_to_make_it_again() -> None:
    page = render_html(decide(), [])
    assert "evals score OUTPUTS/evals/run_20261123_101500" in page
    assert "evals run --model outputs/demo/web4-agent.gguf --seed 7" in page
    assert subject().model_sha256 in page


def test_the_command_that_scores_again_names_the_runs_folder() -> None:
    """`run` stands below the outputs folder, as in every report."""
    (score, _) = build_page(decide(), []).commands
    assert score == f"evals score OUTPUTS/{ORIGIN.run}"
