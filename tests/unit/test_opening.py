"""A server is asked with the context that the Modelfile demands, as llama.cpp is."""

from pathlib import Path
from typing import Any

import pytest

from evals.opening import Target, reach
from evals.suite import Conditions
from web4mlx.engines.base import SamplingOptions
from web4mlx.modelfile import Modelfile


def test_ollama_gets_the_modelfiles_context(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr("web4mlx.engines.ollama.OllamaEngine", lambda model, **given: asked.update(given))
    modelfile = Modelfile("x.gguf", parameters={"num_ctx": 8192})
    conditions = Conditions(Path("outputs"), modelfile, SamplingOptions(seed=7), (), 1)
    reach(Target("m", "ollama", ("http://127.0.0.1:1",)), "http://127.0.0.1:1", conditions)
    assert asked == {"host": "http://127.0.0.1:1", "context": 8192, "allow_remote": False}
