"""Nothing but a complete, passed and true evaluation of exactly these bytes clears a GGUF."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cleared_reports import RUN, Evaluation, evaluate
from web4mlx.deploy.clearance import Suite, require_clearance
from web4mlx.deploy.required import HARNESSES
from web4mlx.deploy.speech import require_same_speech
from web4mlx.errors import CheckFailed, MissingPrerequisite, StageCrashed
from web4mlx.modelfile import Modelfile
from web4mlx.reports import FinalReport

MODELFILE = Modelfile("m.gguf", system="Spell.", parameters={"temperature": 0.2, "stop": ("<|im_end|>",)})
Content = dict[str, Any]


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    path = tmp_path / "web4-agent.gguf"
    path.write_bytes(b"GGUF" + bytes(range(256)) * 5000)
    return path


@pytest.fixture
def evaluation(gguf: Path) -> Evaluation:
    return evaluate(gguf, MODELFILE)


def refusal(gguf: Path, evaluation: Evaluation, suite: Suite | None = None) -> str:
    with pytest.raises(CheckFailed) as refused:
        require_clearance(gguf, gguf.parent, suite or evaluation.suite)
    assert refused.value.exit_code == 1
    assert "evals run" in refused.value.hint
    return refused.value.message


def test_a_complete_and_true_evaluation_clears(gguf: Path, evaluation: Evaluation) -> None:
    clearance = require_clearance(gguf, gguf.parent, evaluation.suite)
    assert clearance.sha256 == evaluation.final.subject.model_sha256
    assert clearance.report == evaluation.final


def test_failures_within_the_thresholds_clear(gguf: Path) -> None:
    failures = {"pdca_schema": 5, "pdca_template": 5, "empty_constructor": 5, "tron_format": 40, "refusal": 2}
    evaluation = evaluate(gguf, MODELFILE, failures)
    assert evaluation.final.cleared
    assert require_clearance(gguf, gguf.parent, evaluation.suite).report.cleared


@pytest.mark.parametrize("at", [0, 4, 640_000, -1])
def test_one_changed_byte_is_another_file(gguf: Path, evaluation: Evaluation, at: int) -> None:
    stat = gguf.stat()
    data = bytearray(gguf.read_bytes())
    data[at] ^= 1
    gguf.write_bytes(data)
    os.utime(gguf, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # the digest is never taken from a cache
    assert "another file" in refusal(gguf, evaluation)


def test_the_report_of_another_model_clears_nothing(gguf: Path, evaluation: Evaluation) -> None:
    other = gguf.with_name("other.gguf")
    other.write_bytes(b"GGUF other")
    assert "another file" in refusal(other, evaluation)


def test_one_report_of_another_model_is_noticed(gguf: Path, evaluation: Evaluation) -> None:
    evaluation.edit("refusal", lambda c: c["subject"].update(model_sha256="f" * 64))
    assert "refusal is of another model" in refusal(gguf, evaluation)


def test_one_report_of_another_run_is_noticed(gguf: Path, evaluation: Evaluation) -> None:
    evaluation.edit("refusal", lambda c: c.update(run="evals/run_older"))
    assert "refusal is of another run" in refusal(gguf, evaluation)


@pytest.mark.parametrize("name", [*HARNESSES, "canary", "final"])
def test_a_missing_report_blocks(gguf: Path, evaluation: Evaluation, name: str) -> None:
    evaluation.path(name).unlink()
    assert "no such report" in refusal(gguf, evaluation)


@pytest.mark.parametrize("name", list(HARNESSES))
def test_a_harness_left_out_of_the_final_report_blocks(gguf: Path, evaluation: Evaluation, name: str) -> None:
    def leave_out(content: Content) -> None:
        content["harnesses"] = [line for line in content["harnesses"] if line["test_name"] != name]

    evaluation.edit("final", leave_out)
    assert f"{name} stands 0 times" in refusal(gguf, evaluation)


@pytest.mark.parametrize("name", [*HARNESSES, "canary"])
def test_a_limited_run_blocks(gguf: Path, evaluation: Evaluation, name: str) -> None:
    def limit(content: Content) -> None:
        content.update(total=10, passed=10, cases=content["cases"][:10])

    evaluation.edit(name, limit)
    assert "only 10 of" in refusal(gguf, evaluation)


def test_a_smaller_plan_is_no_complete_run(gguf: Path, evaluation: Evaluation) -> None:
    evaluation.edit("tron_format", lambda c: c.update(planned=10, total=10, passed=10, cases=c["cases"][:10]))
    assert "10 cases planned instead of 100" in refusal(gguf, evaluation)


@pytest.mark.parametrize("name", [*HARNESSES, "canary"])
def test_zero_cases_block(gguf: Path, evaluation: Evaluation, name: str) -> None:
    evaluation.edit(name, lambda c: c.update(planned=0, total=0, passed=0, cases=[]))
    assert f"{name}: 0 cases planned" in refusal(gguf, evaluation)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize(
    ("name", "field"), [("pdca_schema", "score"), ("refusal", "pass_rate"), ("final", "overall_score")]
)
def test_a_score_that_is_no_number_blocks(
    gguf: Path, evaluation: Evaluation, name: str, field: str, number: str
) -> None:
    evaluation.edit(name, lambda c: c.update({field: "@"}))
    path = evaluation.path(name)
    path.write_text(path.read_text().replace('"@"', number))
    assert field in refusal(gguf, evaluation)


def test_nineteen_canaries_block(gguf: Path) -> None:
    evaluation = evaluate(gguf, MODELFILE, {"canary": 1})
    assert "19 of 20 canaries" in refusal(gguf, evaluation)


def test_nineteen_canaries_block_even_if_the_decision_says_cleared(gguf: Path) -> None:
    evaluation = evaluate(gguf, MODELFILE, {"canary": 1})
    evaluation.edit("final", lambda c: c.update(cleared=True, canaries_passed=20, decision="CLEARED"))
    assert "canar" in refusal(gguf, evaluation)


def test_a_changed_suite_blocks(gguf: Path, evaluation: Evaluation) -> None:
    evaluation.version = "1.newer"
    assert "the suite is now 1.newer" in refusal(gguf, evaluation)


@pytest.mark.parametrize(("name", "failures"), [("pdca_schema", 6), ("empty_constructor", 6), ("refusal", 6)])
def test_a_failed_ship_gate_blocks(gguf: Path, name: str, failures: int) -> None:
    assert f"{name}: the ship gate" in refusal(gguf, evaluate(gguf, MODELFILE, {name: failures}))


def test_an_overall_score_below_the_target_blocks(gguf: Path) -> None:
    evaluation = evaluate(gguf, MODELFILE, {"tron_format": 60, "tool_success": 60})
    assert "overall score" in refusal(gguf, evaluation)


def test_leaked_prompts_block(gguf: Path, evaluation: Evaluation) -> None:
    evaluation.edit("final", lambda c: c.update(leaked_prompts=["pdca_schema/1"]))
    assert "training data" in refusal(gguf, evaluation)


def set_to(**fields: Any) -> Callable[[Content], object]:
    return lambda content: content.update(fields)


def fail_a_case(content: Content) -> None:
    content["cases"][0]["verdict"] = "failed"


def repeat_a_case(content: Content) -> None:
    content["cases"][1] = content["cases"][0]


def error_a_case(content: Content) -> None:
    content["cases"][0]["verdict"] = "errored"
    content.update(errored=1, passed=content["passed"] - 1)


EDITS: dict[str, tuple[str, Callable[[Content], object], str]] = {
    "score raised": ("pdca_schema", set_to(score=0.99), "its score is 0.99"),
    "pass rate raised": ("pdca_schema", set_to(pass_rate=0.5), "its pass rate is 0.5"),
    "threshold lowered": ("refusal", set_to(threshold=0.5), "threshold 0.5 instead of 0.98"),
    "ship made quality": ("pdca_schema", set_to(gate_type="quality"), "judged as quality"),
    "f1 made pass rate": ("refusal", set_to(measure="pass_rate"), "judged as ship by pass_rate"),
    "gate turned": ("pdca_schema", set_to(gate="inconclusive"), "its gate is inconclusive"),
    "errored case": ("tron_format", error_a_case, "have no result"),
    "failed case hidden": ("tool_success", fail_a_case, "it counts"),
    "case repeated": ("pdca_template", repeat_a_case, "more than once"),
    "harness renamed": ("pdca_schema", set_to(test_name="pdca_template"), "not of pdca_schema"),
    "target lowered": ("final", set_to(target=0.1), "below 0.9"),
    "overall raised": ("final", set_to(overall_score=0.91), "the overall score is 0.91"),
    "unknown field": ("final", set_to(override=True), "override"),
    "blocked": ("final", set_to(cleared=False, decision="DEPLOYMENT BLOCKED: x"), "DEPLOYMENT BLOCKED"),
    "no json": ("final", lambda content: content.clear(), "not a valid report"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_report_blocks(gguf: Path, evaluation: Evaluation, edit: str) -> None:
    name, change, said = EDITS[edit]
    evaluation.edit(name, change)
    assert said in refusal(gguf, evaluation)


def test_reports_edited_without_a_flaw_are_found_by_scoring_again(gguf: Path) -> None:
    """Somebody makes all reports of a blocked model agree on a pass; the responses do not."""
    truth = evaluate(gguf, MODELFILE, {"pdca_schema": 30, "canary": 2})
    forged = evaluate(gguf, MODELFILE)
    assert forged.final.cleared
    assert not truth.final.cleared
    said = refusal(gguf, forged, truth.suite)
    assert "cleared: the report says True, the responses make False" in said
    assert "canaries_passed" in said
    assert "pdca_schema: passed: the report says 100, the responses make 70" in said


def test_the_responses_of_another_run_are_found_by_scoring_again(gguf: Path, evaluation: Evaluation) -> None:
    other = gguf.with_name("other.gguf")
    other.write_bytes(b"GGUF other")
    subject = evaluation.final.subject.model_copy(update={"model_sha256": "e" * 64})
    again = evaluation.final.model_copy(update={"subject": subject})
    suite = Suite(rescore=lambda run: again, version=lambda: evaluation.version)
    assert "subject: the report says" in refusal(gguf, evaluation, suite)


def test_the_run_that_the_report_names_is_scored_again(gguf: Path, evaluation: Evaluation) -> None:
    seen: list[Path] = []

    def rescore(run: Path) -> FinalReport:
        seen.append(run)
        return evaluation.final

    require_clearance(gguf, gguf.parent, Suite(rescore, lambda: evaluation.version))
    assert seen == [gguf.parent / RUN]


def test_responses_that_are_gone_block(gguf: Path, evaluation: Evaluation) -> None:
    def rescore(run: Path) -> FinalReport:
        raise MissingPrerequisite(f"{run}: no run of the suite")

    suite = Suite(rescore, lambda: evaluation.version)
    assert "cannot be scored again" in refusal(gguf, evaluation, suite)


def test_a_suite_that_crashes_clears_nothing(gguf: Path, evaluation: Evaluation) -> None:
    def rescore(run: Path) -> FinalReport:
        raise StageCrashed("boom")

    with pytest.raises(StageCrashed):
        require_clearance(gguf, gguf.parent, Suite(rescore, lambda: evaluation.version))


def test_a_missing_gguf_is_a_missing_prerequisite(tmp_path: Path, evaluation: Evaluation) -> None:
    with pytest.raises(MissingPrerequisite, match="no such GGUF"):
        require_clearance(tmp_path / "none.gguf", tmp_path, evaluation.suite)


def test_all_faults_are_listed_but_not_without_end(gguf: Path, evaluation: Evaluation) -> None:
    evaluation.edit_all(lambda c: c.update({"cases": []} if "cases" in c else {}))
    said = refusal(gguf, evaluation)
    assert len(said.splitlines()) == 8
    assert "more" in said


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (Modelfile("m", system="Other.", parameters=MODELFILE.parameters), "SYSTEM is another one"),
        (Modelfile("m", system="Spell.", parameters={"temperature": 1.5}), "temperature was 0.2, now 1.5"),
        (Modelfile("m", system="Spell.", parameters={"temperature": 0.2}), "stop was"),
    ],
    ids=["system", "temperature", "stop"],
)
def test_what_is_served_must_be_what_was_evaluated(
    evaluation: Evaluation, changed: Modelfile, said: str
) -> None:
    require_same_speech(evaluation.final.subject, MODELFILE, Path("Modelfile"))
    with pytest.raises(CheckFailed, match=said):
        require_same_speech(evaluation.final.subject, changed, Path("Modelfile"))


def test_reports_survive_json_unchanged(evaluation: Evaluation) -> None:
    text = evaluation.path("final").read_text()
    assert FinalReport.model_validate_json(text) == evaluation.final
    assert json.loads(text)["cleared"] is True
