"""Paired comparison of two evaluations, and the noise of one model against itself."""

import pytest
from rich.console import Console, RenderableType

from evals.compare import Comparison, compare_reports
from evals.console import render_comparison, render_final, render_noise
from evals.gates import Origin
from evals.noise import aa_noise
from evals.scores import exact_score
from tests.reporting_cases import (
    ORIGIN,
    PDCA,
    REFUSAL,
    TRON,
    case,
    cases,
    decide,
    harness,
    refusal_cases,
    report,
    subject,
)
from web4mlx.errors import UsageError
from web4mlx.reports import BaselineMetrics

OTHER = Origin("run_b", subject("b" * 64), ORIGIN.timestamp)
OTHER_SEED = Origin("run_b", subject(seed=8), ORIGIN.timestamp)


def shown(renderable: RenderableType) -> str:
    console = Console(width=140, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(renderable)
    return console.export_text()


def changed(*numbers: int, planned: int = 100) -> list:
    """All passed except these."""
    return [case(n, "failed" if n in numbers else "passed") for n in range(planned)]


def test_a_regression_and_a_fix_are_told_apart_and_named() -> None:
    result = compare_reports([report(PDCA, changed(1, 2, 3))], [report(PDCA, changed(3, 4), OTHER)])
    counts = result.overall
    assert (counts.pairs, counts.both_passed, counts.regressed, counts.fixed, counts.neither_passed) == (
        100, 96, 1, 2, 1,
    )  # fmt: skip
    assert [change.id for change in result.regressions] == ["case-004"]
    assert [change.id for change in result.fixed] == ["case-001", "case-002"]
    assert result.regressions[0].reasons == ("no ## Check",)
    assert result.regressions[0].prompt == "Question 4?"


def test_a_real_damage_is_called_worse_and_chance_is_not() -> None:
    whole = [report(PDCA)]
    assert compare_reports(whole, [report(PDCA, changed(*range(5)), OTHER)]).overall.change == "worse"
    assert compare_reports([report(PDCA, changed(*range(5)))], whole).overall.change == "better"
    for few in ((), (1,), (1, 2, 3)):
        result = compare_reports(whole, [report(PDCA, changed(*few), OTHER)])
        assert result.overall.change == "no difference shown"


def test_only_cases_that_both_have_are_compared() -> None:
    base = [report(PDCA, cases(2, 23))]
    result = compare_reports(base, [report(PDCA, origin=OTHER)]).harnesses[0]
    assert result.counts.pairs == 25
    assert (result.score_a, result.score_b) == (0.08, 1.0)
    assert result.not_comparable == {"only in b": 75}


def test_a_changed_prompt_and_an_errored_case_are_not_comparable() -> None:
    other = changed()
    other[5] = other[5].model_copy(update={"prompt": "Something else?"})
    other[6] = case(6, "errored")
    result = compare_reports([report(PDCA)], [report(PDCA, other, OTHER)]).harnesses[0]
    assert result.counts.pairs == 98
    assert result.counts.regressed == 0
    assert result.not_comparable == {"another prompt": 1, "errored": 1}


def test_an_unclear_answer_is_a_regression_of_a_passed_one() -> None:
    other = [case(0, "inconclusive", "unclear"), *changed()[1:]]
    assert compare_reports([report(PDCA)], [report(PDCA, other, OTHER)]).overall.regressed == 1


def test_harnesses_of_one_side_only_are_named() -> None:
    result = compare_reports([report(PDCA), report(TRON)], [report(PDCA, origin=OTHER), report(REFUSAL)])
    assert (result.only_in_a, result.only_in_b) == (("tron_format",), ("refusal",))


def test_different_versions_of_the_suite_are_refused() -> None:
    newer = Origin("run_b", subject(suite="suite-2"), ORIGIN.timestamp)
    for compare in (compare_reports, aa_noise):
        with pytest.raises(UsageError, match="different versions") as refused:
            compare([report(PDCA)], [report(PDCA, origin=newer)])
        assert "evals score" in refused.value.hint


@pytest.mark.parametrize(
    ("a", "b"), [([], [report(PDCA)]), ([report(PDCA)], []), ([report(PDCA)], [report(TRON)])]
)
def test_nothing_in_common_is_refused(a: list, b: list) -> None:
    with pytest.raises(UsageError):
        compare_reports(a, b)


def test_an_evaluation_compared_with_itself_changed_nothing() -> None:
    same = compare_reports([report(PDCA, cases(90, 10))], [report(PDCA, cases(90, 10))])
    assert (same.overall.regressed, same.overall.fixed, same.overall.p_value) == (0, 0, 1.0)


def test_refusal_is_compared_by_f1() -> None:
    a, b = report(REFUSAL), report(REFUSAL, refusal_cases(90), OTHER)
    result = compare_reports([a], [b]).harnesses[0]
    assert result.score_b == float(exact_score("f1", b.cases)) == pytest.approx(180 / 190)
    assert result.counts.regressed == 10


def test_a_comparison_is_plain_json() -> None:
    result = compare_reports([report(PDCA)], [report(PDCA, changed(1), OTHER)])
    assert Comparison.model_validate_json(result.model_dump_json()) == result


def test_the_console_lists_regressions_before_fixes() -> None:
    result = compare_reports([report(PDCA, changed(1))], [report(PDCA, changed(2), OTHER)])
    text = shown(render_comparison(result, ("base", "tuned")))
    assert text.index("pdca_schema/case-002: no ## Check") < text.index("pdca_schema/case-001")
    assert "base passed, tuned does not: 1" in text
    assert "1.000" in text


def test_the_console_says_what_was_not_compared() -> None:
    result = compare_reports([report(PDCA, cases(25))], [report(PDCA, origin=OTHER), report(TRON)])
    text = shown(render_comparison(result))
    assert "not comparable in Pdca Schema: 75 only in b" in text
    assert "only in B: tron_format" in text


# noise


def test_noise_counts_flips_both_ways() -> None:
    noise = aa_noise([report(PDCA, changed(1, 2))], [report(PDCA, changed(2, 3), OTHER_SEED)])
    measured = noise.harnesses[0]
    assert (measured.flipped, measured.pairs, measured.flip_rate) == (2, 100, 0.02)
    assert measured.interval == pytest.approx((0.0055, 0.0700), abs=1e-4)
    assert noise.is_stable
    assert noise.seeds == (7, 8)


def test_a_gate_that_flips_is_unstable() -> None:
    noise = aa_noise([report(PDCA, cases(95, 5))], [report(PDCA, cases(94, 6), OTHER_SEED)])
    assert not noise.is_stable
    assert (noise.harnesses[0].gate_a, noise.harnesses[0].gate_b) == ("passed", "failed")
    assert "FLIPS" in shown(render_noise(noise))
    assert "by chance" in shown(render_noise(noise))


@pytest.mark.parametrize(
    "fields",
    [
        {"model_sha256": "0" * 64},
        {"options": {"temperature": 1.0}},
        {"system_sha256": "1" * 64},
        {"messages_sha256": "1" * 64},
        {"context": 8192},
    ],
    ids=["model", "options", "system", "messages", "context"],
)
def test_noise_of_two_different_models_is_refused(fields: dict) -> None:
    other = Origin("run_b", subject(seed=8).model_copy(update=fields), ORIGIN.timestamp)
    with pytest.raises(UsageError, match="differs"):
        aa_noise([report(PDCA)], [report(PDCA, origin=other)])


def test_noise_without_a_scored_case_in_common_is_refused() -> None:
    with pytest.raises(UsageError, match="no scored case"):
        aa_noise([report(PDCA)], [report(TRON, origin=OTHER_SEED)])


# the decision's table


def test_the_table_shows_every_gate_and_ends_with_the_decision() -> None:
    text = shown(render_final(decide(report(PDCA, cases(90, 10)), report(TRON, cases(99, 0, 1)))))
    lines = text.strip().splitlines()
    assert "90 %" in text
    assert "82.6–94.5" in text
    assert "❌ Pdca Schema (failed): 90 % is below 95 %" in text
    assert "⚠️ Tron Format (errored): 1 case could not be asked or scored" in text
    assert "DEPLOYMENT BLOCKED: pdca_schema failed" in " ".join(lines[-2:])


def test_the_table_shows_the_base_and_how_many_cases_it_rests_on() -> None:
    base = BaselineMetrics(
        timestamp=ORIGIN.timestamp, subject=subject("b" * 64), scores={"pdca_schema": 0.04},
        cases={"pdca_schema": 25}, verdicts={},
    )  # fmt: skip
    text = shown(render_final(decide(baseline=base)))
    assert "4 % of 25" in text
    assert "+96.0" in text
    assert text.strip().splitlines()[-1] == "CLEARED FOR DEPLOYMENT"
    assert "❌" not in text


def test_each_condition_beside_the_gates_has_its_own_mark() -> None:
    text = shown(render_final(decide(leaked_prompts=("a/b",), canaries=None)))
    assert "❌ 0 of 20 canaries passed" in text
    assert "❌ 1 prompt found in the training data" in text
    assert "✅ overall 100 %" in text
    assert "❌ the leak check did not run" in shown(render_final(decide(leaked_prompts=None)))
    low = harness("pdca_schema", "quality", threshold=0.5)
    assert "❌ overall 50 %" in shown(render_final(decide(suite=[low], reports=[report(low, cases(50, 50))])))


def test_a_run_has_no_noise_against_itself_nor_against_one_of_the_same_seed() -> None:
    same_seed = Origin("run_b", subject(), ORIGIN.timestamp)
    for origin in (ORIGIN, same_seed):
        with pytest.raises(UsageError, match="both were asked with seed 7"):
            aa_noise([report(PDCA)], [report(PDCA, origin=origin)])
