"""The head's loss: an evaluation gives the same figure as training and leaves the gradient's work out."""

import io
from pathlib import Path
from typing import Any

import pytest

from tests.training_project import train_here, write_project
from web4mlx.machine.mlx_runtime import load_mlx

mx = load_mlx("cpu")

from web4mlx.train import loop, loss  # noqa: E402

ROWS, HIDDEN, VOCABULARY = 20, 16, 40
CHUNK = (8, 10)
CHUNKS = 3 * 4


@pytest.fixture
def head(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any, Any]:
    """Hidden states, targets and a head's matrix, in three chunks of rows and four of the vocabulary."""
    monkeypatch.setattr(loss, "CHUNK", {"cpu": CHUNK, "gpu": CHUNK})
    keys = mx.random.split(mx.random.key(1), 3)
    hidden = mx.random.normal((ROWS, HIDDEN), key=keys[0])
    targets = mx.random.randint(0, VOCABULARY, (ROWS,), key=keys[1])
    weight = mx.random.normal((VOCABULARY, HIDDEN), key=keys[2])
    mx.eval(hidden, targets, weight)
    return hidden, targets, weight


def products(*results: Any) -> int:
    """Matrix products that computing these results takes."""
    graph = io.StringIO()
    mx.export_to_dot(graph, *results)
    return graph.getvalue().count('label ="Matmul"')


def test_an_evaluation_computes_no_gradient(head: Any) -> None:
    hidden, targets, weight = head
    assert products(loss.head_loss(hidden, targets, weight, with_gradient=False)) == CHUNKS
    differentiated = mx.value_and_grad(lambda h: loss.head_loss(h, targets, weight))(hidden)
    assert products(*differentiated) == 2 * CHUNKS


def test_an_evaluation_gives_the_loss_of_training(head: Any) -> None:
    hidden, targets, weight = head
    evaluated = loss.head_loss(hidden, targets, weight, with_gradient=False)
    assert evaluated.item() == loss.head_loss(hidden, targets, weight).item()


def test_validations_are_evaluations(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[bool] = []
    original, validate = loss.head_loss, loop.Trainer.validate

    def recorded(hidden: Any, targets: Any, weight: Any, with_gradient: bool = True) -> Any:
        calls.append(with_gradient)
        return original(hidden, targets, weight, with_gradient)

    def validated(*args: Any) -> bool:
        before = len(calls)
        enough = validate(*args)
        assert calls[before:] == [False]
        return enough

    monkeypatch.setattr(loss, "head_loss", recorded)
    monkeypatch.setattr(loop.Trainer, "validate", validated)
    train_here(write_project(in_tmp, epochs=1))
    assert calls.count(False) == 2
    assert calls.count(True) >= 2
