"""`evals canary`: the twenty alone, told as what they are."""

import json
from pathlib import Path

import pytest

from evals.canaries import load_canaries
from tests.complete_runs import complete_run
from tests.eval_place import evals, fill, run
from web4mlx.artifacts import Input, new_manifest, write_manifest


@pytest.fixture
def workplace(in_tmp: Path) -> Path:
    return fill(in_tmp)


def canary(*arguments: str) -> int:
    return evals("canary", "model.gguf", "-c", "config.toml", *arguments)


def test_each_failed_canary_is_named_with_its_reasons(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert canary() == 1
    out, err = capsys.readouterr()
    told = " ".join(out.split())
    for one in load_canaries():
        assert f"{one.group}/{one.id}: " in told
    assert told.endswith("0 of 20 canaries passed")
    assert "since the base model: not known" in told
    assert "DEPLOYMENT" not in out + err
    assert "was not run" not in out
    assert "error: Canaries: 0 of 20 passed" in err
    assert not (workplace / "outputs" / "incidents").exists()


def test_the_change_since_the_base_model_is_told(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--baseline") == 0
    path = workplace / "outputs" / "baseline_metrics.json"
    recorded = json.loads(path.read_text("utf-8"))
    (first, *_) = load_canaries()
    recorded["verdicts"][f"canary/{first.id}"] = "passed"
    path.write_text(json.dumps(recorded), "utf-8")
    capsys.readouterr()
    assert canary() == 1
    assert f"since the base model: 1 regressed ({first.id}); 0 fixed" in capsys.readouterr().out


def test_as_json_it_is_the_canary_report(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert canary("--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["test_name"], told["total"], told["failed"]) == ("canary", 20, 20)
    assert all(case["figures"]["expected"] for case in told["cases"])


def test_when_all_pass_only_the_count_is_told(tmp_path: Path) -> None:
    from rich.console import Console

    from evals.canary_console import render_canaries
    from evals.finish import score_only

    report = score_only(complete_run(tmp_path), tmp_path).reports["canary"]
    console = Console(width=100)
    with console.capture() as printed:
        console.print(render_canaries(report))
    assert printed.get().splitlines()[1:] == ["20 of 20 canaries passed"]


def test_without_a_configuration_that_of_the_models_own_training_counts(workplace: Path) -> None:
    trained = workplace / "web4_run"
    trained.mkdir()
    settings = (workplace / "config.toml").read_text()
    (trained / "config.toml").write_text(settings.replace('"outputs"', '"elsewhere"'))
    adapter = {"adapter": Input(path=str(trained), sha256="0")}
    write_manifest(workplace / "model.gguf", new_manifest("export", inputs=adapter))
    assert evals("canary", "model.gguf") == 1
    assert list((workplace / "elsewhere" / "evals").glob("run_*"))
