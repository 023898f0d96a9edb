"""`web4mlx smoke` through its command line: scripted models, a store with a fake or the real embedder."""

import json
from pathlib import Path

import pytest

from tests.micro_gguf import alphabet, sentence, write_micro_gguf
from tests.rag_sources import RULES, VERSION, WordEmbedder
from tests.smoke_project import CONFIG, build_smoke_store, program, read_report, write_smoke_project
from web4mlx.errors import ExitCode, StageCrashed
from web4mlx.events import EventLog
from web4mlx.rag.build import BuildRequest, build_store
from web4mlx.rag.embedder_source import open_embedder
from web4mlx.rag.sample import write_sample
from web4mlx.rag.sample.write import SCALES
from web4mlx.rag.settings import EmbedderSettings
from web4mlx.smoke.asking import Bench
from web4mlx.smoke.report import ALL_PASSED

FEW = {"pdcas": 10, "components": 1, "process_docs": 1, "tool_core": 120, "tool_neg": 3}


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_smoke_store(tmp_path_factory.mktemp("rag"))


@pytest.fixture
def fake_embedder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web4mlx.rag.embedder_source.open_embedder", lambda settings: WordEmbedder())


@pytest.fixture
def project(in_tmp: Path) -> Path:
    return write_smoke_project(in_tmp)


@pytest.mark.usefixtures("fake_embedder")
def test_all_passed_is_said_only_when_so(project: Path, db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert program("--db", str(db)) == 0
    assert ALL_PASSED in capsys.readouterr().out
    report = read_report()
    assert (report.verdict, report.passed, report.total) == ("passed", 3, 3)
    trained, history, tools = report.tests
    assert VERSION in "".join(history.sources)
    assert tools.examples == 3
    assert all(check.measured and check.expected for test in report.tests for check in test.checks)
    assert 0 < trained.first_token_ms <= trained.total_ms
    assert len(report.model_sha256) == 64


@pytest.mark.usefixtures("fake_embedder")
def test_a_model_that_babbles_fails_by_name(
    project: Path, db: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_micro_gguf(project / "babble.gguf", alphabet(), context=8192)
    assert program("--db", str(db), "--model", "babble.gguf") == ExitCode.CHECK_FAILED
    out, err = capsys.readouterr()
    assert ALL_PASSED not in out
    assert "trained failed, tools failed" in err
    assert [test.verdict for test in read_report().tests] == ["failed", "passed", "failed"]


@pytest.mark.usefixtures("fake_embedder")
@pytest.mark.parametrize(
    ("name", "verdict"), [(Path(VERSION).name, "passed"), ("2025-01-01-none.md", "failed")]
)
def test_a_pdca_that_the_answer_names_must_be_in_the_store(
    project: Path, db: Path, name: str, verdict: str
) -> None:
    words = ("We did it in ", name)
    gguf = write_micro_gguf(project / "named.gguf", sentence(*words), words=words, context=8192)
    program("--db", str(db), "--model", str(gguf))
    history = read_report().tests[1]
    assert history.verdict == verdict
    assert history.response == "".join(words)


@pytest.mark.usefixtures("fake_embedder")
def test_a_missed_budget_fails(project: Path, db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = CONFIG.replace("tools_total_ms = 1e9", "tools_total_ms = 1e-6")
    (project / "config.toml").write_text(text)
    assert program("--db", str(db), "--json") == ExitCode.CHECK_FAILED
    (failed,) = (test for test in json.loads(capsys.readouterr().out)["tests"] if test["verdict"] == "failed")
    assert [check["name"] for check in failed["checks"] if check["verdict"] == "failed"] == ["total time"]


@pytest.mark.usefixtures("fake_embedder")
def test_an_engine_that_breaks_is_errored_and_the_others_are_asked(
    project: Path, db: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    original = Bench.ask

    def ask(self: Bench, question: str, max_tokens: int | None = None) -> object:
        if question.startswith("How did we solve"):
            raise StageCrashed("the engine broke")
        return original(self, question, max_tokens)

    monkeypatch.setattr(Bench, "ask", ask)
    assert program("--db", str(db)) == ExitCode.STAGE_CRASHED
    assert "the engine broke" in capsys.readouterr().out
    assert [test.verdict for test in read_report().tests] == ["passed", "errored", "passed"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 3, "outputs/rag: no RAG store"),
        (["--engine", "torch"], 2, "--engine torch: unknown"),
        (["--engine", "mlx"], 2, "llamacpp can"),
        (["--engine", "openai"], 2, "needs --endpoint"),
        (["--model", "none.gguf"], 3, "none.gguf: no such model"),
        (["--modelfile", "none"], 3, "none: no such Modelfile"),
        (["--engine", "llamacpp", "--endpoint", "http://127.0.0.1:1"], 2, "takes no --endpoint"),
        (["--engine", "ollama", "--endpoint", "http://127.0.0.1:1"], 3, "127.0.0.1:1"),
    ],
)
def test_what_is_missing_is_named_with_its_code(
    project: Path,
    db: Path,
    fake_embedder: None,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    said: str,
) -> None:
    store = ["--db", str(db)] if arguments else []
    assert program(*store, *arguments) == code
    assert said in capsys.readouterr().err


@pytest.mark.usefixtures("fake_embedder")
def test_an_old_report_does_not_outlive_a_run_that_breaks(
    project: Path, db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert program("--db", str(db)) == 0
    (project / "bad.gguf").write_bytes((project / "outputs" / "m.gguf").read_bytes()[:5000])
    assert program("--db", str(db), "--model", "bad.gguf") == ExitCode.STAGE_CRASHED
    assert not (project / "outputs" / "smoke_test_report.json").exists()


@pytest.mark.usefixtures("fake_embedder")
def test_a_dry_run_asks_nothing(project: Path, db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert program("--db", str(db), "--dry-run") == 0
    assert "engine: llamacpp" in capsys.readouterr().out
    assert not (project / "outputs" / "smoke_test_report.json").exists()


def test_the_sample_store_with_the_real_embedder_serves_all_three(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(SCALES, "demo", FEW)
    log = EventLog(None, "test", "rag")
    write_sample(project / "rag", "demo", 12, log)  # so few documents: not every seed has one that answers
    request = BuildRequest(project / "rag" / "repo", project / "outputs" / "rag", project / "rag" / "tools")
    build_store(request, RULES, open_embedder(EmbedderSettings()), log)
    (project / "config.toml").write_text(CONFIG.replace("0.01", "0.25"))
    assert program() == 0
    assert ALL_PASSED in capsys.readouterr().out
