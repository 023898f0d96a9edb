"""The cache gives an answer again only to the very same question to the very same model."""

from dataclasses import replace
from pathlib import Path

import pytest

from evals.cache import AnswerCache, answer_key, default_path, open_cache
from tests.run_files import answer, subject
from web4mlx.engines.base import Request
from web4mlx.events import Event, EventLog, Warned

REQUEST = Request("refusal/r1", ({"role": "user", "content": "What of r1?"},))


def test_an_answer_comes_back(tmp_path: Path) -> None:
    cache, key = AnswerCache(tmp_path / "a.sqlite"), answer_key(subject(), REQUEST)
    assert cache.find(key) is None
    cache.keep(key, answer("refusal/r1"))
    assert AnswerCache(tmp_path / "a.sqlite").find(key) == answer("refusal/r1")


@pytest.mark.parametrize(
    "change",
    [
        {"model_sha256": "f" * 64},
        {"template_sha256": "f" * 64},
        {"system_sha256": "f" * 64},
        {"messages_sha256": "f" * 64},
        {"context": 8192},
        {"seed": 8},
        {"options": {"temperature": 0.3}},
        {"engine": {"engine": "llama.cpp", "version": "2"}},
        {"engine": {"engine": "ollama", "version": "1"}},
    ],
    ids=str,
)
def test_whatever_decides_an_answer_changes_the_key(change: dict[str, object]) -> None:
    assert answer_key(subject(**change), REQUEST) != answer_key(subject(), REQUEST)


def test_the_prompt_and_the_repeat_are_part_of_the_key() -> None:
    other = replace(REQUEST, messages=({"role": "user", "content": "What of r2?"},))
    keys = {answer_key(subject(), REQUEST), answer_key(subject(), other), answer_key(subject(), REQUEST, 1)}
    assert len(keys) == 3


def test_threads_and_a_changed_checker_do_not_change_the_key() -> None:
    engine = {"engine": "llama.cpp", "version": "1", "threads": 4, "parallel": 8}
    assert answer_key(subject(engine=engine, suite_version="2"), REQUEST) == answer_key(subject(), REQUEST)


def test_a_model_without_a_digest_is_never_cached(tmp_path: Path) -> None:
    key = answer_key(subject(model_sha256=""), REQUEST)
    assert key == ""
    cache = AnswerCache(tmp_path / "a.sqlite")
    cache.keep(key, answer("refusal/r1"))
    assert cache.find(key) is None


def test_errors_are_not_remembered(tmp_path: Path) -> None:
    cache, key = AnswerCache(tmp_path / "a.sqlite"), answer_key(subject(), REQUEST)
    cache.keep(key, answer("refusal/r1", "", finish_reason="error", error="gone"))
    assert cache.find(key) is None


@pytest.mark.parametrize("damage", ["no database", "a torn page"])
def test_a_damaged_cache_is_set_aside_with_a_warning(damage: str) -> None:
    key = answer_key(subject(), REQUEST)
    for number in range(50):
        AnswerCache().keep(f"{key}{number}", answer("refusal/r1", "word " * 300))
    content = default_path().read_bytes()
    torn = content[:8192] + b"\xff" * 8192 + content[16384:]
    default_path().write_bytes(b"no database at all" if damage == "no database" else torn)
    events: list[Event] = []
    with EventLog(None, "run", "evals", events.append) as log:
        cache = open_cache(log)
    assert [type(event) for event in events] == [Warned]
    assert default_path().with_name("answers.sqlite.damaged").is_file()
    cache.keep(key, answer("refusal/r1"))
    assert cache.find(key) == answer("refusal/r1")
