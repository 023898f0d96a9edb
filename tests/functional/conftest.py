"""The Ollama double that functional tests talk to, and its official client."""

from collections.abc import Iterator
from pathlib import Path

import ollama
import pytest

from tests.ollama_double import OllamaDouble, running_double


@pytest.fixture
def double(tmp_path: Path) -> Iterator[OllamaDouble]:
    """A double without any model; tests that need one define their own."""
    with running_double(tmp_path / "models") as running:
        yield running


@pytest.fixture
def client(double: OllamaDouble) -> ollama.Client:
    """The official client of the double."""
    return ollama.Client(double.url, timeout=20, trust_env=False)
