"""The suite's own reports before the import's own gate: what the one writes, the other takes or refuses."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evals.finish import finish_run
from evals.harnesses import NAMES
from tests.complete_runs import complete_run, first_ids
from tests.run_files import subject
from web4mlx.artifacts import sha256_bytes
from web4mlx.deploy.clearance import Suite, require_clearance
from web4mlx.deploy.suite import installed_suite
from web4mlx.errors import CheckFailed
from web4mlx.reports import CANARY_REPORT, FINAL_REPORT, FinalReport, read_report

Content = dict[str, Any]
Tampering = Callable[[Path], object]
BYTES = b"GGUF" + bytes(range(256)) * 40


def evaluate(outputs: Path, data: bytes = BYTES, **changes: str) -> Path:
    """A GGUF beside the reports of a complete run of it, as `evals run` leaves them; returns the GGUF."""
    outputs.mkdir(exist_ok=True)
    gguf = outputs / "web4-agent.gguf"
    gguf.write_bytes(data)
    of_it = subject(model=str(gguf), model_sha256=sha256_bytes(data))
    finish_run(complete_run(outputs, changes, subject=of_it), outputs)
    return gguf


@pytest.fixture(scope="module")
def cleared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs folder of a model that answered everything right."""
    return evaluate(tmp_path_factory.mktemp("outputs")).parent


@pytest.fixture
def outputs(cleared: Path, tmp_path: Path) -> Path:
    """A copy of that folder to tamper with."""
    return shutil.copytree(cleared, tmp_path / "outputs")


def refusal(outputs: Path, suite: Suite | None = None) -> str:
    with pytest.raises(CheckFailed) as refused:
        require_clearance(outputs / "web4-agent.gguf", outputs, suite or installed_suite())
    assert refused.value.exit_code == 1
    return refused.value.message


def edit(path: Path, change: Callable[[Content], object]) -> None:
    content = json.loads(path.read_text("utf-8"))
    change(content)
    path.write_text(json.dumps(content), "utf-8")


def report_files(outputs: Path) -> list[Path]:
    names = [f"eval_{name}.json" for name in NAMES if name != "canary"]
    return [outputs / name for name in (*names, CANARY_REPORT, FINAL_REPORT)]


def test_what_the_suite_clears_the_import_takes(outputs: Path) -> None:
    clearance = require_clearance(outputs / "web4-agent.gguf", outputs, installed_suite())
    assert clearance.sha256 == sha256_bytes(BYTES)
    assert clearance.report == read_report(outputs / FINAL_REPORT, FinalReport)


def flip_a_byte(outputs: Path) -> None:
    path = outputs / "web4-agent.gguf"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def raise_a_score(outputs: Path) -> None:
    edit(outputs / "eval_tron_format.json", lambda content: content.update(score=0.99))


def take_the_report_of_another_model(outputs: Path) -> None:
    other = evaluate(outputs.parent / "other", BYTES + b"other").parent
    shutil.copy(other / "eval_refusal.json", outputs)


def take_all_reports_of_another_model(outputs: Path) -> None:
    other = evaluate(outputs.parent / "other", BYTES + b"other").parent
    for path in report_files(other):
        shutil.copy(path, outputs)


def limit_the_run(outputs: Path) -> None:
    """The report of a `--limit` run, which the suite keeps in the run's own folder."""
    limited = outputs.parent / "limited"
    ids = {name: tuple(key.partition("/")[2] for key in first_ids(name, 20)) for name in NAMES}
    run = complete_run(limited, cases=ids, subject=read_report(outputs / FINAL_REPORT, FinalReport).subject)
    finish_run(run, limited)
    assert not (limited / FINAL_REPORT).exists()
    for path in report_files(run.folder):
        shutil.copy(path, outputs)


def lose_a_harness(outputs: Path) -> None:
    (outputs / "eval_refusal.json").unlink()


def empty_a_harness(outputs: Path) -> None:
    edit(
        outputs / "eval_refusal.json",
        lambda content: content.update(planned=0, total=0, passed=0, cases=[]),
    )


def score_what_is_no_number(outputs: Path) -> None:
    edit(outputs / "eval_refusal.json", lambda content: content.update(score=float("nan")))


TAMPERINGS: dict[str, tuple[Tampering, str]] = {
    "one byte of the GGUF": (flip_a_byte, "the reports are of another file"),
    "report edited": (raise_a_score, "its score is 0.99"),
    "one report of another model": (take_the_report_of_another_model, "refusal is of another model"),
    "all reports of another model": (take_all_reports_of_another_model, "the reports are of another file"),
    "limited run": (limit_the_run, "only 20 of 100"),
    "harness missing": (lose_a_harness, "no such report"),
    "no cases": (empty_a_harness, "0 cases planned"),
    "score no number": (score_what_is_no_number, "score"),
}


@pytest.mark.parametrize("way", TAMPERINGS)
def test_a_tampered_evaluation_is_refused(outputs: Path, way: str) -> None:
    tamper, said = TAMPERINGS[way]
    tamper(outputs)
    assert said in refusal(outputs)


def test_a_suite_that_changed_since_is_refused(outputs: Path) -> None:
    changed = replace(installed_suite(), version=lambda: "1.newer")
    assert "the suite is now 1.newer" in refusal(outputs, changed)


def test_nineteen_canaries_are_refused_whatever_the_reports_say(outputs: Path, tmp_path: Path) -> None:
    truth = evaluate(tmp_path / "truth", **{first_ids("canary", 1)[0]: "I do not know."}).parent
    assert "19 of 20 canaries passed" in refusal(truth)
    for path in report_files(outputs):
        shutil.copy(path, truth)
    said = refusal(truth)
    assert "canaries_passed: the report says 20, the responses make 19" in said
    assert "cleared: the report says True, the responses make False" in said
