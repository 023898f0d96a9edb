"""What the gates screen reads: running, finished and damaged evaluations, the list, a job's result."""

import json
import shutil
import time
from pathlib import Path

import pytest

from evals.finish import finish_run
from evals.rescoring import score_stored
from evals.run_file import RunFile
from tests.complete_runs import complete_run, first_ids
from tests.gate_runs import (
    WRONG,
    age,
    baseline,
    blocked,
    cleared,
    failing_answers,
    name_run,
    running,
    write_events,
)
from tests.run_files import subject
from tui.feed.cached import CachedFile
from tui.feed.evaluation import EvaluationFeed, EvaluationReadings
from tui.feed.evaluations import EvaluationsFeed
from tui.feed.job_result import find_result
from tui.jobs.process import ProcessMark
from tui.jobs.record import Exit, Job, Order, read_job, write_record
from tui.screens.gates_reader import GatesReader, default_run
from tui.screens.gates_reading import GatesWish
from web4mlx.errors import CheckFailed


def read(run: RunFile, job_started: float | None = None, now: float | None = None) -> EvaluationReadings:
    outputs = EvaluationsFeed(run.folder.parent.parent)
    return EvaluationFeed(run.folder).read(outputs.baseline()[0], job_started, now or time.time())


def test_a_finished_run_is_what_its_reports_say(tmp_path: Path) -> None:
    base = baseline(tmp_path)
    run = blocked(tmp_path)
    found = read(run)
    assert (found.state, found.kind, found.done, found.total) == ("finished", "complete", 720, 720)
    assert found.final is not None
    assert not found.final.cleared
    states = {row.name: row.state for row in found.rows}
    assert [name for name, state in states.items() if state == "failed"] == [
        "pdca_template",
        "refusal",
        "canary",
    ]
    schema = found.row("pdca_schema")
    assert schema is not None
    assert (schema.base_score, schema.base_cases) == (0.0, 25)
    assert read(base).kind == "baseline"


def test_canaries_are_read_with_their_whole_answers(tmp_path: Path) -> None:
    long = "word " * 400
    run = complete_run(tmp_path, dict.fromkeys(first_ids("canary", 1), long))
    write_events(run)
    finish_run(run, tmp_path)
    row = read(run).row("canary")
    assert row is not None
    assert row.cases[0].response == long


def test_a_running_one_is_scored_as_the_suite_scores_it(tmp_path: Path) -> None:
    run = running(tmp_path)
    found = read(run)
    assert (found.state, found.done, found.total, found.final) == ("running", 240, 720, None)
    assert found.eta_s == 7 * 60
    rows = {row.name: row for row in found.rows}
    assert [row.state for row in found.rows][:4] == ["answered", "answered", "running", "waiting"]
    assert (rows["tron_format"].done, rows["tron_format"].asked, rows["tron_format"].eta_s) == (40, 100, 60.0)
    scored = score_stored(run, tmp_path).reports["pdca_schema"]
    assert rows["pdca_schema"].score == scored.score == 0.98
    assert rows["pdca_schema"].interval == scored.interval
    assert rows["pdca_schema"].cases == scored.cases


def test_a_run_that_fell_silent_is_interrupted_unless_its_job_lives(tmp_path: Path) -> None:
    run = running(tmp_path)
    began = time.time() - 1000
    age(run, began)
    assert read(run).state == "interrupted"
    assert read(run, job_started=began - 5).state == "running"
    assert read(run, job_started=began + 60).state == "interrupted"  # that job works on another run
    assert {row.state for row in read(run).rows} == {"unfinished", "unasked"}


def test_a_clock_that_jumps_back_changes_nothing(tmp_path: Path) -> None:
    run = running(tmp_path)
    assert read(run, now=time.time() - 60).state == "running"


def test_all_answered_and_not_scored(tmp_path: Path) -> None:
    run = complete_run(tmp_path)
    write_events(run)
    assert read(run).state == "unscored"


def test_reports_of_fewer_answers_than_there_are_now_are_not_believed(tmp_path: Path) -> None:
    names = first_ids("tron_format", 1)
    run = complete_run(tmp_path, dict.fromkeys(names, "LEFT OUT"))
    write_events(run)
    finish_run(run, tmp_path)
    assert read(run).state == "finished"
    with (run.folder / "responses.jsonl").open("a") as file:
        line = json.loads((run.folder / "responses.jsonl").read_text().splitlines()[0])
        case = names[0].partition("/")[2]
        file.write(json.dumps(line | {"harness": "tron_format", "case": case, "text": WRONG}) + "\n")
    found = read(run)
    assert found.state == "unscored"
    row = found.row("tron_format")
    assert row is not None
    assert row.state == "unfinished"


def test_the_first_wrong_lines_are_counted_and_the_others_read(tmp_path: Path) -> None:
    run = running(tmp_path)
    path = run.folder / "responses.jsonl"
    lines = path.read_text("utf-8").splitlines(keepends=True)
    foreign = json.dumps(json.loads(lines[0]) | {"subject_sha256": "0" * 64}) + "\n"
    path.write_text("rubbish\n" + foreign + "".join(lines[2:]), "utf-8")
    found = read(run)
    assert found.done == 238
    assert found.notes == ("2 lines of responses.jsonl are no answers of this run",)


def test_a_file_cut_short_is_read_again(tmp_path: Path) -> None:
    run = running(tmp_path)
    feed = EvaluationFeed(run.folder)
    assert feed.read(None, None, time.time()).done == 240
    path = run.folder / "responses.jsonl"
    lines = path.read_text("utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:10]) + lines[10][:50], "utf-8")
    assert feed.read(None, None, time.time()).done == 10


def test_damaged_reports_are_named_and_the_answers_scored(tmp_path: Path) -> None:
    run = blocked(tmp_path)
    (run.folder / "eval_refusal.json").write_text("{")
    (run.folder / "eval_report_final.json").write_text("[]")
    found = read(run)
    assert (found.state, found.final) == ("unscored", None)
    assert any("eval_refusal.json" in note for note in found.notes)
    row = found.row("refusal")
    assert row is not None
    assert row.score == pytest.approx(0.9756, abs=1e-4)


def test_a_damaged_header_and_a_deleted_folder(tmp_path: Path) -> None:
    run = blocked(tmp_path)
    feed = EvaluationFeed(run.folder)
    before = feed.read(None, None, time.time())
    shutil.rmtree(run.folder)
    gone = feed.read(None, None, time.time())
    assert (gone.state, gone.rows) == ("gone", before.rows)
    other = blocked(tmp_path, "run_20260105_120000")
    (other.folder / "run.json").write_text("{}")
    assert read(other).state == "damaged"
    entries = EvaluationsFeed(tmp_path).runs()
    assert "damaged" in entries[0].problem


def test_a_run_of_an_older_suite_is_shown_as_its_reports_say(tmp_path: Path) -> None:
    run = complete_run(tmp_path, subject=subject(suite_version="1.0123456789ab"))
    write_events(run)
    found = read(run)
    assert not found.is_current
    assert {row.state for row in found.rows} == {"unfinished"}


def test_the_list_names_what_the_import_reads(tmp_path: Path) -> None:
    baseline(tmp_path)
    blocked(tmp_path)
    cleared(tmp_path)
    name_run(complete_run(tmp_path, dict.fromkeys(first_ids("canary", 3), "LEFT OUT")), "run_20260104_120000")
    feed = EvaluationsFeed(tmp_path)
    kinds = [(entry.folder.name[4:12], entry.kind, entry.answered, entry.cleared) for entry in feed.runs()]
    assert kinds == [
        ("20260104", "complete", 717, False), ("20260102", "complete", 720, True),
        ("20260101", "complete", 720, False), ("20251231", "baseline", 170, False),
    ]  # fmt: skip
    published, problem = feed.published()
    assert published is not None
    assert (published.run, published.cleared, problem) == ("run_20260102_120000", True, "")
    assert [path.name[:8] for path in feed.incidents()] == ["20260101"]
    assert default_run(feed.runs()) == tmp_path / "evals" / "run_20260104_120000"


def test_damaged_published_reports_are_said_and_the_rest_shown(tmp_path: Path) -> None:
    run = blocked(tmp_path)
    (tmp_path / "eval_report_final.json").write_text("{")
    (tmp_path / "baseline_metrics.json").write_text("{")
    found = GatesReader(tmp_path).read(GatesWish(), (), time.time())
    assert len(found.problems) == 2
    assert found.run is not None
    assert found.run.folder == run.folder


def test_the_base_model_stands_beside_and_a_compared_run_instead(tmp_path: Path) -> None:
    baseline(tmp_path)
    other = blocked(tmp_path)
    run = cleared(tmp_path)
    reader = GatesReader(tmp_path)
    beside = reader.read(GatesWish(chosen=run.folder), (), time.time()).beside
    assert beside is not None
    assert beside.label == "Base model"
    assert len(beside.cases) == 170
    wish = GatesWish(chosen=run.folder, compared=other.folder)
    beside = reader.read(wish, (), time.time()).beside
    assert beside is not None
    key = next(iter(failing_answers()))
    assert (beside.label, beside.cases[key].response) == (other.folder.name, WRONG)


def ended_job(outputs: Path, log: str, code: int = 0) -> Job:
    folder = outputs / "jobs" / "20260101_000000_evals_compare"
    folder.mkdir(parents=True)
    order = Order(
        id=folder.name, kind="evals compare", title="", command=("evals", "compare", "a", "b"),
        folder=str(outputs), heavy=False, grace_s=1.0, created=100.0,
    )  # fmt: skip
    write_record(folder, "job.json", order)
    write_record(folder, "pid.json", ProcessMark(pid=1, started="ended"))
    write_record(folder, "exit.json", Exit(code=code, ended=101.0))
    (folder / "output.log").write_text(log, "utf-8")
    job = read_job(folder)
    assert job is not None
    return job


def test_the_result_of_a_job_is_found_among_its_notes(tmp_path: Path) -> None:
    job = ended_job(tmp_path, 'note: left out\n{\n  "a": {\n    "b": 1\n  }\n}\nwarning: }\n')
    found = find_result((job,), "evals compare", ("a", "b"), 0.0, {})
    assert found is not None
    assert found.printed == {"a": {"b": 1}}
    assert find_result((job,), "evals compare", ("a", "c"), 0.0, {}) is None
    assert find_result((job,), "evals compare", ("a", "b"), 200.0, {}) is None


@pytest.mark.parametrize("log", ["", "error: no run\n", "{\n  rubbish\n}\n", "{\n"])
def test_a_job_without_a_result_says_so(tmp_path: Path, log: str) -> None:
    found = find_result((ended_job(tmp_path, log, 1),), "evals compare", ("a", "b"), 0.0, {})
    assert found is not None
    assert found.printed is None
    assert "holds no result" in found.error


def test_a_file_is_parsed_once_and_a_broken_one_raises_each_time(tmp_path: Path) -> None:
    calls = []

    def parse(path: Path) -> str:
        calls.append(path)
        text = path.read_text()
        if text == "bad":
            raise CheckFailed("bad")
        return text

    path = tmp_path / "a"
    file = CachedFile(path, parse)
    assert file.read() is None
    path.write_text("one")
    assert [file.read(), file.read()] == ["one", "one"]
    path.write_text("bad")
    for _ in range(2):
        with pytest.raises(CheckFailed):
            file.read()
    assert len(calls) == 2
    path.unlink()
    assert file.read() is None
