"""The Ollama double that functional tests talk to, its official client, and ours."""

from collections.abc import Iterator
from pathlib import Path

import ollama
import pytest

from tests.ollama_double import OllamaDouble, running_double
from web4mlx.engines.ollama_server import OllamaServer


@pytest.fixture
def double(tmp_path: Path) -> Iterator[OllamaDouble]:
    """A double without any model; tests that need one define their own."""
    with running_double(tmp_path / "models") as running:
        yield running


@pytest.fixture
def client(double: OllamaDouble) -> ollama.Client:
    """The official client of the double."""
    return ollama.Client(double.url, timeout=20, trust_env=False)


@pytest.fixture
def server(double: OllamaDouble) -> Iterator[OllamaServer]:
    """Our client of the double."""
    with OllamaServer(double.url, read_timeout_s=20) as opened:
        yield opened
