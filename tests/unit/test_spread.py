"""Several endpoints as one: every question is answered once, and one dead endpoint loses nothing."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from evals.spread import SpreadEngine
from web4mlx.engines.base import Request, Response
from web4mlx.errors import MissingPrerequisite, UsageError


class Server:
    """An engine that dies after a number of answers; `other` is what it says else of itself."""

    other: dict[str, str] = {}

    def __init__(self, name: str, lives_for: int = 1000) -> None:
        self.name, self.left, self.answered = name, lives_for, 0

    def generate(self, requests: Sequence[Request], parallel: int = 1) -> Iterator[Response]:
        for request in requests:
            if self.answered >= self.left:
                raise MissingPrerequisite(f"{self.name} is gone")
            self.answered += 1
            yield Response(request.id, self.name, "stop", 1, 1, 0.0, 0.0)

    def describe(self) -> dict[str, Any]:
        said = {"engine": "double", "version": "1", "sha256": "a" * 64, "chat_template_sha256": "b" * 64}
        return said | self.other

    def close(self) -> None:
        self.left = 0


REQUESTS = [Request(f"h/{number}", prompt="?") for number in range(40)]


@pytest.mark.parametrize("parallel", [1, 3])
def test_all_questions_are_answered_once(parallel: int) -> None:
    engine = SpreadEngine([Server("a"), Server("b")])  # type: ignore[list-item]
    ids = [response.id for response in engine.generate(REQUESTS, parallel)]
    assert sorted(ids) == sorted(request.id for request in REQUESTS)


def test_the_questions_of_a_dead_endpoint_go_to_the_others() -> None:
    engine = SpreadEngine([Server("a", 3), Server("b")])  # type: ignore[list-item]
    answers = {response.id: response.text for response in engine.generate(REQUESTS, 2)}
    assert len(answers) == len(REQUESTS)


def test_when_all_are_dead_the_error_comes_after_what_was_answered() -> None:
    engine = SpreadEngine([Server("a", 3), Server("b", 5)])  # type: ignore[list-item]
    got: list[str] = []
    with pytest.raises(MissingPrerequisite, match="is gone"):
        got.extend(response.id for response in engine.generate(REQUESTS, 1))
    assert len(got) == 8
    assert engine.describe()["endpoints"] == 2


class Broken(Server):
    """An engine with a fault of its own: no error that a user could act on."""

    def generate(self, requests: Sequence[Request], parallel: int = 1) -> Iterator[Response]:
        raise TypeError("usage is a list")


def test_an_unexpected_error_ends_the_asking_and_does_not_hang() -> None:
    engine = SpreadEngine([Broken("a")])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="usage is a list"):
        list(engine.generate(REQUESTS, 2))


def test_the_questions_of_a_broken_engine_go_to_the_others() -> None:
    engine = SpreadEngine([Broken("a"), Server("b")])  # type: ignore[list-item]
    assert {response.text for response in engine.generate(REQUESTS, 1)} == {"b"}


@pytest.mark.parametrize("field", ["engine", "version", "sha256", "chat_template_sha256"])
def test_endpoints_that_serve_different_things_are_not_one_model(field: str) -> None:
    second = Server("b")
    second.other = {field: "another"}
    with pytest.raises(UsageError, match=f"the endpoints differ in {field}: .*, another"):
        SpreadEngine([Server("a"), second]).describe()  # type: ignore[list-item]
