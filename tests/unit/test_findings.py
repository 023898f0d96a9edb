"""Findings: leak check, loss curve, quantization, each read from what a run has left."""

from pathlib import Path

import pytest

from evals.findings import (
    find_training_run,
    quantization_finding,
    training_finding,
)
from tests.finding_cases import exported, training_run
from web4mlx.artifacts import Input, new_manifest, write_manifest


@pytest.mark.parametrize(
    ("losses", "verdict", "said"),
    [
        ([2.88, 1.60, 1.21, 1.114, 1.113], "passed", "fell and levelled off"),
        ([2.88, 1.60, 1.20, 1.45], "failed", "rose again after step 40"),
        ([2.88, 1.60, 1.20], "failed", "still falling"),
        ([1.0, 1.1, 1.2], "failed", "never fell"),
        ([2.88], "inconclusive", "fewer than two"),
    ],
)
def test_the_loss_curve_is_read(tmp_path: Path, losses: list[float], verdict: str, said: str) -> None:
    finding = training_finding(training_run(tmp_path, losses))
    assert finding.verdict == verdict
    assert said in finding.text
    assert verdict != "failed" or finding.advice
    assert verdict == "inconclusive" or "2 skipped steps" in finding.text


def test_a_long_curve_is_thinned_and_keeps_both_ends(tmp_path: Path) -> None:
    text = training_finding(training_run(tmp_path, [3 - n / 100 for n in range(101)])).text
    assert text.count("at step") <= 9
    assert "3.000 at step 0" in text
    assert "2.000 at step 2000" in text


@pytest.mark.parametrize("stats", ["", "[]", "{"])
def test_a_training_run_that_cannot_be_read_is_said_so(tmp_path: Path, stats: str) -> None:
    (tmp_path / "training_stats.json").write_text(stats)
    assert training_finding(tmp_path).verdict == "inconclusive"
    assert training_finding(tmp_path / "nowhere").verdict == "inconclusive"
    assert training_finding(None).verdict == "inconclusive"


@pytest.mark.parametrize(("gain", "verdict"), [(0.96, "passed"), (0.5, "failed"), (None, "passed")])
def test_what_quantization_cost_is_read_from_the_export(
    tmp_path: Path, gain: float | None, verdict: str
) -> None:
    finding = quantization_finding(exported(tmp_path, gain))
    assert finding.verdict == verdict
    assert "Q4_K_M against f16 on 24 held-out rows" in finding.text


def test_an_export_without_measurements_is_said_so(tmp_path: Path) -> None:
    assert quantization_finding(tmp_path / "web4-agent.gguf").verdict == "inconclusive"
    write_manifest(tmp_path / "a.gguf", new_manifest("export", metrics={"retention": {"models": {}}}))
    assert quantization_finding(tmp_path / "a.gguf").verdict == "inconclusive"


def test_the_training_run_is_found_through_the_manifests(tmp_path: Path) -> None:
    adapter = training_run(tmp_path, [2.0, 1.5, 1.0])
    merged, gguf = tmp_path / "merged", tmp_path / "web4-agent.gguf"
    merged.mkdir()
    write_manifest(merged, new_manifest("fuse", inputs={"adapter": Input(path=str(adapter), sha256="0")}))
    assert find_training_run(gguf) is None
    write_manifest(gguf, new_manifest("export", inputs={"merged": Input(path=str(merged), sha256="0")}))
    assert find_training_run(gguf) == adapter
    write_manifest(gguf, new_manifest("export", inputs={}))
    assert find_training_run(gguf) is None
