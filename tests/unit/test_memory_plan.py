"""What a run says of its memory: predictions of the way it runs, none where there is no telling."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.micro_models import write_micro_llama
from tests.training_project import train_here, write_project
from web4mlx.config import load_config
from web4mlx.events import Event, EventLog, Metric, Warned
from web4mlx.machine.mlx_runtime import load_mlx

load_mlx("cpu")

from web4mlx.train import memory_plan  # noqa: E402
from web4mlx.train.memory_plan import MeasuredMemory  # noqa: E402

PREDICTED, MEASURED = "predicted peak memory", "peak memory of the largest row"


def figures(events: list[Event], name: str) -> list[float]:
    return [event.value for event in events if isinstance(event, Metric) and event.name == name]


def write_interleaved_llama(folder: Path) -> None:
    """A Llama with a kind of rotary embeddings that our layers do not know."""
    write_micro_llama(folder)
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"rope_traditional": True}))


def test_the_prediction_is_of_the_configured_way(in_tmp: Path) -> None:
    predicted = {}
    for way in ("none", "selective", "full", 0, 2):
        _, events = train_here(write_project(in_tmp, epochs=1, recompute=way))
        (predicted[way],) = figures(events, PREDICTED)
    assert len({predicted["none"], predicted["selective"], predicted["full"]}) == 3
    assert predicted[0] == predicted["selective"]
    assert predicted[2] == predicted["full"]


def test_nothing_is_predicted_for_the_library_s_layers(in_tmp: Path) -> None:
    _, events = train_here(write_project(in_tmp, epochs=1, recompute="auto", base=write_interleaved_llama))
    assert "fallback" in [event.code for event in events if isinstance(event, Warned)]
    assert figures(events, PREDICTED) == []
    assert len(figures(events, MEASURED)) == 1


@pytest.fixture
def expected(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The needs that Metal's limits were set for."""
    needs: list[int] = []
    monkeypatch.setattr(memory_plan, "limit_memory", lambda fraction, needed: needs.append(needed))
    return needs


def test_metal_may_wire_what_is_predicted_then_what_was_measured(in_tmp: Path, expected: list[int]) -> None:
    _, events = train_here(write_project(in_tmp, epochs=1, recompute="selective"))
    (predicted,), (measured,) = figures(events, PREDICTED), figures(events, MEASURED)
    assert expected[:2] == pytest.approx([predicted, measured], abs=1)
    assert expected[1:] == sorted(expected[1:])


def test_metal_may_wire_what_the_library_s_layers_were_measured_to_need(
    in_tmp: Path, expected: list[int]
) -> None:
    _, events = train_here(write_project(in_tmp, epochs=1, base=write_interleaved_llama))
    assert expected[0] == figures(events, MEASURED)[0]


def test_a_need_that_was_underestimated_is_raised_and_never_lowered(
    in_tmp: Path, expected: list[int]
) -> None:
    no_network: Any = None
    memory = MeasuredMemory(load_config(write_project(in_tmp)), no_network, EventLog(None, "run", "train"))
    memory.expect(5_000)
    for peak in (4_000, 6_000, 5_500, 7_000):
        memory.watch(peak)
    assert expected == [5_000, 6_000, 7_000]
