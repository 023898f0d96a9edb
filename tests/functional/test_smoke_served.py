"""`web4mlx smoke` through servers: Ollama, and our own server in both of its dialects."""

from pathlib import Path

import pytest

from tests.micro_gguf import sentence
from tests.ollama_double import running_double
from tests.ollama_double.agent import write_agent
from tests.rag_sources import WordEmbedder
from tests.serving import serving_gguf
from tests.smoke_project import (
    MODELFILE,
    WORDS,
    build_smoke_store,
    program,
    read_report,
    write_smoke_project,
)
from web4mlx.engines.ollama_server import OllamaServer
from web4mlx.errors import ExitCode
from web4mlx.smoke.report import ALL_PASSED


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_smoke_store(tmp_path_factory.mktemp("rag"))


@pytest.fixture(autouse=True)
def project(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("web4mlx.rag.embedder_source.open_embedder", lambda settings: WordEmbedder())
    return write_smoke_project(in_tmp)


def test_a_model_in_ollama_is_tested(project: Path, db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running_double(project / "models") as double, OllamaServer(double.url) as server:
        digest = server.client.create_blob(write_agent(project / "agent.gguf", WORDS))
        server.client.create("agent", files={"m.gguf": digest}, system="Spell.")
        asked = ("--engine", "ollama", "--endpoint", double.url, "--db", str(db))
        assert program(*asked, "--model", "agent") == 0
        assert ALL_PASSED in capsys.readouterr().out
        assert read_report().engine["engine"] == "ollama"
        assert program(*asked, "--model", "another") == ExitCode.MISSING_PREREQUISITE
        assert "another" in capsys.readouterr().err


@pytest.mark.parametrize(("engine", "path"), [("openai", "/v1"), ("ollama", "")])
def test_a_model_behind_our_own_server_is_tested(
    project: Path, db: Path, capsys: pytest.CaptureFixture[str], engine: str, path: str
) -> None:
    follows = sentence(*WORDS)
    with serving_gguf(project, follows, words=WORDS, modelfile=MODELFILE, context=8192) as server:
        asked = ("--engine", engine, "--endpoint", server.url + path, "--db", str(db), "--model", "agent")
        assert program(*asked) == 0
        paths = {served.path for served in server.served}
    assert ALL_PASSED in capsys.readouterr().out
    assert ("/v1/chat/completions" in paths) == (engine == "openai")
    assert [test.verdict for test in read_report().tests] == ["passed"] * 3
