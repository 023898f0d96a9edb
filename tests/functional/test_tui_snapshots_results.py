"""Data, Gates, RAG, Smoke and Models as they look in each state, in two sizes and both themes.

Reports hold fixed times; what is never the same twice, such as digests and versions, is hidden.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.data_files import make_row, write_rows
from tests.gate_places import make
from tests.models_place import GGUF, MERGED, clear_gguf, copy_place, run_of, write_place
from tests.snapshots import NOW, STATES, compare_screens, job, set_times, still_world
from tests.stores import store_place, write_store
from tui.place import Place, find_place
from web4mlx.config import load_config
from web4mlx.data.check import check_data
from web4mlx.events import EventLog
from web4mlx.models.base import find_base
from web4mlx.models.tokenizer import ChatTokenizer
from web4mlx.rag.findings import CheckReport, Latency
from web4mlx.rag.folder import require_generation
from web4mlx.rag.schema import DATABASE
from web4mlx.reports import Verdict
from web4mlx.smoke.judging import CASES
from web4mlx.smoke.report import SMOKE_REPORT, SmokeCheck, SmokeReport, SmokeTest

SUITE = r"\d\.[0-9a-f]{12}"
DIGEST = r"[0-9a-f]{8,}…?"
VERSION = r"\d+\.\d+\.\d[\w.+]*"
STAMP = r"\d{8}_\d{6}"
BYTES = r" *[\d.]+ k?B\b"


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    still_world(monkeypatch, tmp_path)
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")


def begin(outputs: Path, kind: str, line: str) -> None:
    """Let a job of a kind run that has printed a line."""
    job(outputs, "running", f"{line}\n", kind, f"web4mlx {kind}")


@pytest.mark.parametrize("state", STATES)
def test_data(tmp_path: Path, state: str) -> None:
    write_place(tmp_path)
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    expected: tuple[str, ...] = ("Nothing has been checked yet",)
    if state == "failed":
        rows = [make_row("style-0"), make_row("style-1", output=" ")]
        write_rows(tmp_path / "data" / "style_core.jsonl", rows)
        expected = ("✗ failed",)
    if state in ("passed", "failed", "running"):
        config = load_config(Path("config.toml"))
        check_data(config, ChatTokenizer(find_base(config.model)), EventLog(None, "tiny", "data"))
        expected = expected if state == "failed" else ("✓ passed",)
    set_times(tmp_path)
    if state == "running":
        begin(outputs, "data check", "style_core 8 of 8")
        expected = ("● running",)
    elif state == "error":
        (outputs / "data_report.json").write_text('{"ok": true,')
        expected = ("! errored", "Run the check again.")
    if state != "empty":
        expected = (*expected, "style_core.jsonl")
    compare_screens(find_place("config.toml"), "data", state, expected)


@pytest.mark.parametrize("state", STATES)
def test_gates(tmp_path: Path, state: str) -> None:
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    made = {"passed": "cleared", "failed": "blocked", "error": "damaged"}.get(state, state)
    make(made, outputs)
    set_times(outputs)
    write_place(tmp_path)
    expected = {
        "empty": "No evaluation is here yet", "running": "240 of 720 answers", "passed": "every gate holds",
        "failed": "✗ blocked", "error": "it cannot be read",
    }[state]  # fmt: skip
    compare_screens(find_place("config.toml"), "gates", state, (expected,), hides=f"{SUITE}|{DIGEST}")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_store(tmp_path_factory.mktemp("store"))


def fixed(report: Path) -> str:
    """A report of a check with times that do not change."""
    times = (("semantic", 12.0, 31.0), ("graph", 0.4, 0.9), ("temporal", 1.5, 2.5), ("hybrid", 70.0, 130.0))
    latencies = tuple(
        Latency(kind=kind, queries=5, median_ms=median, p95_ms=p95, budget_ms=200.0, target_ms=100.0)
        for kind, median, p95 in times
    )
    found = CheckReport.model_validate_json(report.read_bytes())
    return found.model_copy(update={"latencies": latencies}).model_dump_json()


@pytest.mark.parametrize("state", STATES)
def test_rag(tmp_path: Path, made: Path, state: str) -> None:
    rag: dict[str, object] = {"db": Path("none"), "source": Path("repo")} if state == "empty" else {}
    if state == "error":
        (tmp_path / "broken" / "generation-1").mkdir(parents=True)
        (tmp_path / "broken" / "CURRENT").write_text("generation-1")
        (tmp_path / "broken" / "generation-1" / DATABASE).write_bytes(b"no database" * 2000)
        assert require_generation(tmp_path / "broken").name == "generation-1"
        rag = {"db": Path("broken")}
    if state == "failed":
        rag = {"settings": str(made / "failed.toml")}
    place = store_place(tmp_path, made, **rag)
    if state in ("passed", "failed", "running"):
        report = made / f"{'failed' if state == 'failed' else 'passed'}.json"
        (place.outputs / "rag_check.json").write_text(fixed(report))
        set_times(place.outputs)
    if state == "running":
        begin(place.outputs, "rag check", "measuring semantic 3/5")
    expected = {
        "empty": ("No store is at",), "running": ("● running rag check", "pdca_historical"),
        "passed": ("✓ passed", "pdca_historical"), "failed": ("✗ failed: counts",), "error": ("! errored",),
    }[state]  # fmt: skip
    compare_screens(place, "rag", state, expected, hides=DIGEST)


def smoke_report(outcome: Verdict) -> SmokeReport:
    """A report of three tests, the last of which has an outcome."""
    tests = []
    for case in CASES:
        is_last = case is CASES[-1]
        verdict: Verdict = outcome if is_last else "passed"
        checks = (
            SmokeCheck(
                name="time to first token", measured="480 ms", expected="below 2000 ms", verdict="passed"
            ),
            SmokeCheck(name="tool call", measured="none", expected="one", verdict=verdict),
        )  # fmt: skip
        error = "the engine broke" if verdict == "errored" else ""
        tests.append(SmokeTest(
            name=case.name, title=case.title, question=case.question, verdict=verdict,
            checks=() if error else checks, error=error,
        ))  # fmt: skip
    counts = {name: sum(test.verdict == name for test in tests) for name in ("passed", "failed", "errored")}
    return SmokeReport(
        timestamp="2026-11-26T22:00:00+00:00", model="outputs/m.gguf", model_sha256="", engine={},
        modelfile="Modelfile", store="rag", total=3, verdict=outcome, tests=tuple(tests), **counts,
    )  # fmt: skip


def with_closed_ports(place: Place) -> Place:
    """The same place, whose server is on a port where nobody answers."""
    serve = place.settings.serve.model_copy(update={"port": 9})
    return replace(place, settings=place.settings.model_copy(update={"serve": serve}))


@pytest.mark.parametrize("state", STATES)
def test_smoke(tmp_path: Path, state: str) -> None:
    outputs = write_place(tmp_path) / "outputs"
    outputs.mkdir()
    expected = {
        "empty": "not run yet", "running": "● running", "passed": "ALL SMOKE TESTS PASSED",
        "failed": "✗ failed  2 of 3 passed", "error": "! errored  2 of 3 passed",
    }[state]  # fmt: skip
    outcomes: dict[str, Verdict] = {"passed": "passed", "failed": "failed", "error": "errored"}
    if state in outcomes:
        (outputs / SMOKE_REPORT).write_text(smoke_report(outcomes[state]).model_dump_json())
        set_times(outputs)
    if state == "running":
        begin(outputs, "smoke", "      passed  trained")
    compare_screens(
        with_closed_ports(find_place("config.toml")), "smoke", state, (expected, "○ not reachable")
    )


@pytest.mark.parametrize("state", STATES)
def test_models(tmp_path: Path, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.feed.models.free_bytes", lambda folder: 4 * 10**11)
    folder = tmp_path / "place"
    if state == "empty":
        folder.mkdir()
        write_place(folder)
        (folder / "models").rename(tmp_path / "elsewhere")
    else:
        copy_place(folder)
    monkeypatch.chdir(folder)
    expected = {
        "empty": ("Training makes one",), "running": ("● running",), "passed": ("✓ cleared", "✓ whole"),
        "failed": ("◔ unfinished",), "error": ("· not made here",),
    }[state]  # fmt: skip
    if state == "passed":
        clear_gguf(folder)
    elif state == "failed":
        (run_of(folder) / "manifest.json").unlink()
    elif state == "error":
        (folder / "outputs" / MERGED / "manifest.json").write_text('{"stage":')
        (folder / "outputs" / GGUF).with_suffix(".manifest.json").write_bytes(b"\xff")
    elif state == "running":
        begin(folder / "outputs", "models verify", "hashing")
    for path in folder.rglob("*manifest.json"):
        keep_time(path)
    hides = "|".join((VERSION, STAMP, DIGEST, BYTES))
    compare_screens(find_place("config.toml"), "models", state, expected, hides=hides)


def keep_time(manifest: Path) -> None:
    """Date a manifest to a fixed time, if it is one."""
    try:
        content = json.loads(manifest.read_bytes())
    except ValueError:
        return
    manifest.write_text(json.dumps(content | {"created": "2026-11-26T22:00:00+00:00"}))
    set_times(manifest, NOW - 3600)
