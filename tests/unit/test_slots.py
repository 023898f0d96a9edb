"""No more questions at a time than there is memory for."""

from pathlib import Path

import pytest

from evals.slots import bytes_of_a_token, choose_slots, slots_that_fit
from tests.micro_gguf import alphabet, write_micro_gguf
from web4mlx.errors import MissingPrerequisite
from web4mlx.events import Event, Warned


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    return write_micro_gguf(tmp_path / "model.gguf", alphabet())


def test_a_token_costs_keys_and_values_of_every_layer(gguf: Path) -> None:
    from gguf import GGUFReader

    fields = GGUFReader(gguf).fields
    layers, width = (int(fields[f"llama.{key}"].contents()) for key in ("block_count", "embedding_length"))
    assert bytes_of_a_token(gguf) == 2 * 2 * layers * width > 0  # as many key-value heads as heads


@pytest.mark.parametrize("content", [b"", b"GG", b"no model at all, but a text", b"GGUF" + b"\xff" * 40])
def test_a_file_that_is_no_gguf_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(content)
    with pytest.raises(MissingPrerequisite, match="not a GGUF"):
        bytes_of_a_token(file)


def test_memory_decides_and_one_is_the_least(gguf: Path) -> None:
    each = 1000 * bytes_of_a_token(gguf)
    for_three = int((gguf.stat().st_size + 3.5 * each) / 0.8)
    assert slots_that_fit(gguf, 1000, 8, for_three) == 3
    assert slots_that_fit(gguf, 1000, 2, for_three) == 2
    assert slots_that_fit(gguf, 1000, 8, 0) == 1


def test_fewer_than_asked_for_is_said(gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[Event] = []
    assert choose_slots(gguf, 256, 8, events.append) == 8
    assert events == []
    monkeypatch.setattr("evals.slots.slots_that_fit", lambda *_: 2)
    assert choose_slots(gguf, 256, 8, events.append) == 2
    assert isinstance(events[0], Warned)
    assert "2 at a time" in events[0].message
