"""`evals run` and its companions on a real, scripted GGUF: what is kept, what is decided, what is resumed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evals.checkers.pdca import check_pdca_document
from evals.cli.main import app, load_commands
from evals.harnesses import GATED, NAMES
from tests.chat_server import GOOD, scripted
from tests.micro_gguf import alphabet, write_micro_gguf
from web4mlx.artifacts import Input, new_manifest, write_manifest
from web4mlx.cli.main import run_program
from web4mlx.reports import BASELINE, CANARY_REPORT, FINAL_REPORT

CONFIG = (
    'outputs = "outputs"\nmodelfile = "Modelfile"\n[data]\ntrain = ["data/a.jsonl"]\neval = "data/e.jsonl"\n'
)
METADATA = {"task_type": "t", "sample_id": "s"}
SAMPLE = {"instruction": "Count to ten.", "input": "", "output": "1", "metadata": METADATA}


@pytest.fixture
def workplace(in_tmp: Path) -> Path:
    """A folder with all that a run needs, and a scripted model that answers `abcdef`."""
    write_micro_gguf(in_tmp / "model.gguf", alphabet())
    write_modelfile(in_tmp, tokens=6)
    (in_tmp / "config.toml").write_text(CONFIG)
    (in_tmp / "data").mkdir()
    for name in ("a.jsonl", "e.jsonl"):
        (in_tmp / "data" / name).write_text(json.dumps(SAMPLE) + "\n")
    return in_tmp


def write_modelfile(folder: Path, tokens: int) -> None:
    (folder / "Modelfile").write_text(
        f"FROM ./model.gguf\nSYSTEM Spell.\nPARAMETER temperature 0\nPARAMETER num_ctx 512\n"
        f"PARAMETER num_predict {tokens}\n"
    )


def evals(*arguments: str) -> int:
    """Run `evals …` in this process; returns the exit code."""
    load_commands()
    try:
        run_program(lambda: app([*arguments]))
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def run(*arguments: str) -> int:
    return evals("run", "--model", "model.gguf", "-c", "config.toml", *arguments)


def runs(folder: Path) -> list[Path]:
    return sorted((folder / "outputs" / "evals").glob("run_*"))


def lines(folder: Path) -> list[str]:
    return (folder / "responses.jsonl").read_text("utf-8").splitlines()


def test_a_model_that_knows_nothing_is_blocked_with_reports_and_an_incident(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run() == 1
    out, err = capsys.readouterr()
    assert "DEPLOYMENT BLOCKED" in out
    assert "error: DEPLOYMENT BLOCKED" in err
    outputs = workplace / "outputs"
    final = json.loads((outputs / FINAL_REPORT).read_text())
    assert [item["test_name"] for item in final["harnesses"]] == list(GATED)
    assert not final["cleared"]
    assert final["canaries_total"] == 20
    assert json.loads((outputs / CANARY_REPORT).read_text())["failed"] == 20
    (incident,) = (outputs / "incidents").glob("*.pdca.md")
    assert check_pdca_document(incident.read_text("utf-8")) == []
    page = (outputs / "eval_report.html").read_text("utf-8")
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert len(lines(runs(workplace)[0])) == 720


def test_the_same_run_again_asks_nothing_and_decides_the_same(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("--harness", "tron_format")
    first = capsys.readouterr().out
    (folder,) = runs(workplace)
    before = lines(folder)
    run("--harness", "tron_format", "--resume")
    assert capsys.readouterr().out == first
    assert runs(workplace) == [folder]
    assert lines(folder) == before
    run("--harness", "tron_format", "--no-cache")
    assert len(runs(workplace)) == 2


def test_answers_of_an_earlier_run_come_from_the_cache(workplace: Path) -> None:
    run("--harness", "tron_format")
    run("--harness", "tron_format", "--harness", "refusal", "--limit", "30")
    last = [json.loads(line) for line in lines(runs(workplace)[-1])]
    cached = {item["harness"] for item in last if item["cached"]}
    asked = {item["harness"] for item in last if not item["cached"]}
    assert (cached, asked) == ({"tron_format"}, {"refusal"})


def test_another_model_gets_none_of_the_cached_answers(workplace: Path) -> None:
    run("--harness", "tron_format")
    write_micro_gguf(workplace / "model.gguf", {**alphabet(), "\n": {"x": 20.0}})
    run("--harness", "tron_format")
    assert not any(json.loads(line)["cached"] for line in lines(runs(workplace)[-1]))


@pytest.mark.parametrize("line", ["PARAMETER num_ctx 1024", "MESSAGE user Hi\nMESSAGE assistant Hi."])
def test_another_context_and_other_messages_make_another_run_and_use_no_cached_answer(
    workplace: Path, line: str
) -> None:
    run("--harness", "refusal", "--limit", "2")
    modelfile = workplace / "Modelfile"
    modelfile.write_text(modelfile.read_text().replace("PARAMETER num_ctx 512", line))
    run("--harness", "refusal", "--limit", "2")
    first, second = runs(workplace)
    assert not any(json.loads(answer)["cached"] for answer in lines(second))


def test_a_limited_run_is_no_decision(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--limit", "30") == 1
    assert "30 of 100 cases were asked" in capsys.readouterr().out
    assert not (workplace / "outputs" / FINAL_REPORT).exists()


def test_a_baseline_is_recorded_and_stands_beside_the_results(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--baseline") == 0
    assert "DEPLOYMENT BLOCKED" in capsys.readouterr().out
    recorded = json.loads((workplace / "outputs" / BASELINE).read_text())
    assert recorded["cases"] == {**dict.fromkeys(GATED, 25), "refusal": 25, "canary": 20}
    run("--harness", "refusal")
    final = json.loads((runs(workplace)[-1] / FINAL_REPORT).read_text())
    assert final["harnesses"][0]["base_cases"] == 25


def test_a_prompt_in_a_training_file_blocks(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from evals.harnesses import load_harness

    leaked = SAMPLE | {"instruction": load_harness("tron_format").cases()[0].prompt}
    (workplace / "data" / "a.jsonl").write_text(json.dumps(leaked) + "\n")
    assert run("--harness", "tron_format") == 1
    assert "1 prompt found in the training data" in capsys.readouterr().out


def test_a_leak_check_of_other_files_than_the_models_own_blocks(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = workplace / "adapter"
    folder.mkdir()
    inputs = {"data:a.jsonl": Input(path="a.jsonl", sha256="f" * 64)}
    write_manifest(folder, new_manifest("train", inputs=inputs))
    adapter = {"adapter": Input(path=str(folder), sha256="0")}
    write_manifest(workplace / "model.gguf", new_manifest("fuse", inputs=adapter))
    assert run("--harness", "refusal", "--limit", "2") == 1
    assert "the leak check did not run" in capsys.readouterr().out


def test_a_killed_run_is_resumed_without_losing_an_answer(workplace: Path) -> None:
    write_modelfile(workplace, tokens=100)
    command = [sys.executable, "-m", "evals", "run", "model.gguf", "-c", "config.toml"]
    command += ["--harness", "tron_format", "--parallel", "1"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    child = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 120
    while not any((workplace / "outputs").glob("evals/run_*/responses.jsonl")) or not lines(
        runs(workplace)[0]
    ):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    (folder,) = runs(workplace)
    kept = lines(folder)
    assert run("--harness", "tron_format", "--parallel", "1", "--resume") == 1
    assert lines(folder)[: len(kept)] == kept
    resumed = json.loads((folder / "eval_tron_format.json").read_text())
    run("--harness", "tron_format", "--parallel", "1", "--no-cache")
    whole = json.loads((runs(workplace)[-1] / "eval_tron_format.json").read_text())
    assert [(case["id"], case["response"]) for case in resumed["cases"]] == [
        (case["id"], case["response"]) for case in whole["cases"]
    ]


def test_an_endpoint_that_dies_half_way_is_no_verdict_and_loses_nothing(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("run", "m", "-c", "config.toml", "--harness", "tron_format", "--parallel", "1")
    with scripted(*[(200, GOOD)] * 40) as url:
        assert evals(*arguments, "--endpoint", url) in (3, 4)
    said = capsys.readouterr().err
    assert "40 of 100 answers are kept; `evals run --resume` goes on" in said
    (folder,) = runs(workplace)
    kept = lines(folder)
    assert len(kept) == 40
    with scripted(*[(200, GOOD)] * 60) as url:
        assert evals(*arguments, "--endpoint", url, "--resume") == 1
    assert runs(workplace) == [folder]
    assert lines(folder)[:40] == kept
    assert json.loads((folder / "eval_tron_format.json").read_text())["errored"] == 0


def test_a_served_model_of_the_same_name_is_asked_again(workplace: Path) -> None:
    arguments = ("run", "m", "-c", "config.toml", "--harness", "tron_format", "--limit", "5")
    with scripted(*[(200, GOOD)] * 10) as url:
        evals(*arguments, "--endpoint", url)
        evals(*arguments, "--endpoint", url)
    first, second = runs(workplace)
    assert len(lines(first)) == len(lines(second)) == 5
    assert evals(*arguments, "--endpoint", url, "--resume") in (1, 3)
    assert len(runs(workplace)) == 2


def test_score_list_compare_and_report_work_from_the_stored_answers(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("--harness", "refusal")
    run("--harness", "refusal", "--seed", "8")
    (workplace / "model.gguf").unlink()
    one, other = (str(folder) for folder in runs(workplace))
    capsys.readouterr()
    assert evals("score", one, "--json") == 1
    scored = json.loads(capsys.readouterr().out)
    assert scored == json.loads((Path(one) / FINAL_REPORT).read_text())
    assert not scored["cleared"]
    assert evals("compare", one, other, "--json") == 0
    assert json.loads(capsys.readouterr().out)
    assert evals("compare", one, other, "--noise") == 0
    assert evals("list", "-c", "config.toml", "--json") == 0
    listed = capsys.readouterr().out
    assert [item["run"] for item in json.loads(listed[listed.rindex("[\n  {") :])] == [
        Path(other).name,
        Path(one).name,
    ]
    assert evals("report", one) == 0
    assert capsys.readouterr().out.strip().endswith("eval_report.html")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("run", "gone.gguf"), 3, "no such model"),
        (("run", "--harness", "poetry"), 2, "no such harness"),
        (("run", "model.gguf", "--engine", "torch"), 2, "unknown"),
        (("run", "model.gguf", "--engine", "mlx"), 2, "cannot read it"),
        (("run", "--engine", "ollama"), 2, "name of its model"),
        (("run", "model.gguf", "--resume"), 3, "no run of this model"),
        (("run", "--baseline", "model.gguf", "--limit", "5"), 2, "at least 25"),
        (("run", "--baseline", "model.gguf", "--harness", "refusal"), 2, "of all harnesses"),
        (("score",), 3, "no run of the suite"),
        (("compare", "a", "b"), 3, "no run of the suite"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_mistakes_get_a_message_and_an_exit_code(
    workplace: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, message: str
) -> None:
    config = () if arguments[0] == "compare" else ("-c", "config.toml")
    assert evals(*arguments, *config) == code
    assert message in capsys.readouterr().err


def test_every_harness_has_the_planned_number_of_cases_and_no_prompt_twice() -> None:
    from evals.harnesses import load_harness

    prompts = [case.prompt for name in NAMES for case in load_harness(name).cases()]
    assert len(prompts) == len(set(prompts)) == 720
    assert {name: load_harness(name).planned for name in NAMES} == {
        name: len(load_harness(name).cases()) for name in NAMES
    }
