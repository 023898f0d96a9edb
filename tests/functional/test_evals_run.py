"""`evals run` and its companions on a real, scripted GGUF: what is kept, what is decided, what is resumed."""

import json
import shutil
from pathlib import Path

import pytest

from evals import canaries
from evals.checkers.pdca import check_pdca_document
from evals.harnesses import GATED, NAMES, base
from tests.eval_place import SAMPLE, evals, fill, lines, run, runs
from tests.micro_gguf import alphabet, write_micro_gguf
from web4mlx.artifacts import Input, new_manifest, write_manifest
from web4mlx.reports import BASELINE, CANARY_REPORT, FINAL_REPORT


@pytest.fixture
def workplace(in_tmp: Path) -> Path:
    return fill(in_tmp)


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


@pytest.mark.parametrize("broken", ["tron_format.jsonl", "canaries.toml"])
def test_a_broken_file_of_cases_errs_its_harness_and_the_others_are_asked(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], broken: str
) -> None:
    data = workplace / "cases"
    shutil.copytree(base.DATA, data)
    (data / broken).write_bytes(b'{"id": "half\xff')
    monkeypatch.setattr(base, "DATA", data)
    monkeypatch.setattr(canaries, "DATA", data)
    harnesses = ("--harness", "tron_format", "--harness", "refusal", "--harness", "canary")
    assert run(*harnesses, "--limit", "5") == 4
    err = capsys.readouterr().err
    name = {"tron_format.jsonl": "tron_format", "canaries.toml": "canary"}[broken]
    assert f"{name} is not asked: " in err
    assert f"1 of {name}; the first: {data / broken}" in " ".join(err.split())
    (folder,) = runs(workplace)
    asked = {json.loads(line)["harness"] for line in lines(folder)}
    assert asked == {"tron_format", "refusal", "canary"} - {name}
    final = json.loads((folder / FINAL_REPORT).read_text())
    assert not final["cleared"]
    file = CANARY_REPORT if name == "canary" else f"eval_{name}.json"
    report = json.loads((folder / file).read_text())
    assert (report["gate"], report["errored"]) == ("errored", 1)
    assert not (workplace / "outputs" / FINAL_REPORT).exists()
