"""The tags of an Ollama server: their roles, and which of them may be removed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.models_place import GGUF, NAME, copy_place, put_tags
from tests.ollama_double import OllamaDouble, running_double
from web4mlx.engines.ollama_server import OllamaServer
from web4mlx.errors import MissingPrerequisite, UsageError
from web4mlx.inventory.asking import ask_ollama
from web4mlx.inventory.tags import Tag, freed_bytes, remove_tag, role_of


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = copy_place(tmp_path / "place")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def double(tmp_path: Path) -> Iterator[OllamaDouble]:
    with running_double(tmp_path / "ollama") as running:
        yield running


def test_tags_have_roles_and_only_those_of_imports_are_removed(place: Path, double: OllamaDouble) -> None:
    backup = "web4-agent:rollback-" + "a" * 12
    with OllamaServer(double.url) as server:
        put_tags(server, place / "outputs" / GGUF, NAME, backup, "web4-agent:mine", "other:latest")
        assert {tag.name: tag.role for tag in ask_ollama(NAME, double.url).tags} == {
            NAME: "production", backup: "backup", "web4-agent:mine": "other", "other:latest": "other",
        }  # fmt: skip
        for name in (NAME, "web4-agent:mine", "other:latest"):
            with pytest.raises(UsageError):
                remove_tag(server, name, NAME)
        assert remove_tag(server, backup, NAME).role == "backup"
        with pytest.raises(MissingPrerequisite):
            remove_tag(server, backup, NAME)
        assert NAME in server.digests()


def test_a_shared_model_frees_nothing() -> None:
    one = Tag(name="a:1", digest="x", size_bytes=5, modified=None, role="backup")
    same, other = one.model_copy(update={"name": "a:2"}), one.model_copy(update={"name": "b", "digest": "y"})
    assert freed_bytes(one, [one, same, other]) == 0
    assert freed_bytes(one, [one, other]) == 5


def test_roles_are_of_the_configured_name_only() -> None:
    from web4mlx.deploy.names import parse_model_name

    assert role_of("other:latest", parse_model_name(NAME)) == "other"
    assert role_of("web4-agent:latest", parse_model_name(NAME)) == "production"


def test_without_a_server_the_answer_says_why() -> None:
    server = ask_ollama(NAME, "127.0.0.1:9")
    assert "no Ollama server" in server.problem
    assert "ollama.com" in server.hint
    assert server.digests is None
