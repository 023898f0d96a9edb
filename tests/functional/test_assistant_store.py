"""The assistant on a real store with a fake embedder: `ask` cites it, `serve` brings it into prompts."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import typer

from tests.micro_gguf import alphabet, write_micro_gguf
from tests.rag_sources import WordEmbedder, build, write_files, write_tools
from tests.serving import serving_gguf
from web4mlx.assistant.one_thread import OneThread
from web4mlx.assistant.store import Lazily, describe_store, find_store
from web4mlx.cli import ask
from web4mlx.cli.main import run_program
from web4mlx.config.serving import AssistantConfig
from web4mlx.errors import MissingPrerequisite

PAST = "How did we pin the versions of components in the past?"
MODELFILE = (
    "FROM ./m.gguf\nSYSTEM Spell.\nPARAMETER temperature 0\nPARAMETER num_ctx 4096\nPARAMETER num_predict 6\n"
)
CONFIG = (
    'outputs = "outputs"\nmodelfile = "Modelfile"\n[data]\ntrain = ["data/a.jsonl"]\neval = "data/e.jsonl"\n'
)


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rag")
    build(write_files(folder / "repo"), folder / "db", tools=write_tools(folder / "tools"))
    return folder / "db"


@pytest.fixture(autouse=True)
def fake_embedder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web4mlx.rag.embedder_source.open_embedder", lambda settings: WordEmbedder())


@pytest.fixture
def store(db: Path) -> Iterator[OneThread]:
    found = find_store(db)
    assert found is not None
    with OneThread(found) as opened:
        yield opened


def test_without_a_store_there_is_none_and_a_named_one_must_exist(in_tmp: Path) -> None:
    assert find_store(None) is None
    named = find_store(in_tmp / "nothing")
    assert named is not None
    with pytest.raises(MissingPrerequisite), OneThread(named):
        pass


def test_the_runs_own_store_is_taken_when_it_has_been_built(in_tmp: Path, db: Path) -> None:
    assert find_store(None, default=in_tmp / "nothing") is None
    assert find_store(None, default=db) is not None
    assert "has not been built" in describe_store(None, in_tmp / "nothing")
    assert describe_store(None, db) == describe_store(db, in_tmp / "nothing") == str(db)


def test_a_store_is_opened_by_the_first_question_only(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[int] = []
    monkeypatch.setattr(
        "web4mlx.rag.embedder_source.open_embedder", lambda settings: opened.append(1) or WordEmbedder()
    )
    found = find_store(db)
    assert found is not None
    with Lazily(found):
        assert opened == []


def test_a_prompt_through_the_server_gets_documents_of_the_store(tmp_path: Path, store: OneThread) -> None:
    (tmp_path / "serve").mkdir()
    settings = AssistantConfig(document_similarity=0.01)
    with serving_gguf(
        tmp_path / "serve", alphabet(), retriever=store, settings=settings, modelfile=MODELFILE, context=4096
    ) as server:
        body = {"model": "agent", "messages": [{"role": "user", "content": PAST}], "stream": False}
        answer = httpx.post(f"{server.url}/api/chat", json=body, timeout=60)
        (served,) = server.await_served()
    assert answer.status_code == 200
    assert answer.headers["x-web4mlx-route"] == "history"
    assert "pdca" in answer.headers["x-web4mlx-sources"]
    assert served.hits >= 1


def test_an_answer_lists_its_sources(
    in_tmp: Path, db: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_micro_gguf(in_tmp / "m.gguf", alphabet(), context=4096)
    (in_tmp / "Modelfile").write_text(MODELFILE)
    (in_tmp / "config.toml").write_text(CONFIG + "[assistant]\ndocument_similarity = 0.01\n")
    app = typer.Typer()
    app.callback()(lambda: None)
    ask.register(app)
    arguments = ["ask", PAST, "-m", "m.gguf", "-c", "config.toml"]
    (in_tmp / "config.toml").write_text(
        (in_tmp / "config.toml").read_text() + f"[rag]\ndb = {json.dumps(str(db))}\n"
    )
    for extra in ([], ["--json"]):
        with pytest.raises(SystemExit) as ended:
            run_program(lambda extra=extra: app([*arguments, *extra]))  # type: ignore[misc]
        assert not ended.value.code
        out, err = capsys.readouterr()
        assert f"store: {db}" in err
        if extra:
            said = json.loads(out)
            assert said["route"] == "history"
            assert said["sources"][0]["number"] == 1
        else:
            assert out.startswith("abcdef\n[1] ")
