"""A server is asked with the context that the Modelfile demands, as llama.cpp is."""

from pathlib import Path
from typing import Any

import pytest

from evals.opening import Target, Typed, conditions_of, reach, reach_all
from evals.suite import Conditions
from web4mlx.config import RunConfig
from web4mlx.engines.base import SamplingOptions
from web4mlx.engines.openai import OpenAiEngine
from web4mlx.errors import UsageError
from web4mlx.modelfile import Modelfile


def test_ollama_gets_the_modelfiles_context(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr("web4mlx.engines.ollama.OllamaEngine", lambda model, **given: asked.update(given))
    modelfile = Modelfile("x.gguf", parameters={"num_ctx": 8192})
    conditions = Conditions(Path("outputs"), modelfile, SamplingOptions(seed=7), (), 1)
    reach(Target("m", "ollama", ("http://127.0.0.1:1",)), "http://127.0.0.1:1", conditions)
    assert asked == {"host": "http://127.0.0.1:1", "context": 8192, "allow_remote": False}


def test_an_endpoint_that_is_no_url_closes_those_that_were_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []
    monkeypatch.setattr(OpenAiEngine, "close", lambda self: closed.append(self.url))
    conditions = Conditions(
        outputs=Path("outputs"), modelfile=Modelfile("x.gguf"), options=SamplingOptions(seed=7),
        training_files=(), parallel=1,
    )  # fmt: skip
    target = Target("m", "openai", ("http://127.0.0.1:9", "http://example.org:9"))
    with pytest.raises(UsageError):
        reach_all(target, conditions, lambda event: None)
    assert closed == ["http://127.0.0.1:9"]


@pytest.mark.parametrize(
    ("typed", "is_configured"),
    [
        (Typed(), True),
        (Typed(parallel=2, seed=7, use_cache=False), True),
        (Typed(seed=8), False),
        (Typed(max_tokens=5), False),
        (Typed(modelfile=Path("other")), False),
        (Typed(modelfile=Path("Modelfile")), True),
    ],
    ids=str,
)
def test_another_seed_cap_or_modelfile_is_not_as_configured(
    in_tmp: Path, typed: Typed, is_configured: bool
) -> None:
    (in_tmp / "Modelfile").write_text("FROM ./m.gguf\nPARAMETER num_predict 9\n")
    (in_tmp / "other").write_text("FROM ./m.gguf\nPARAMETER num_predict 9\nPARAMETER num_ctx 512\n")
    config = RunConfig.model_validate(
        {"modelfile": "Modelfile", "data": {"train": ["a.jsonl"], "eval": "e.jsonl"}, "evals": {"seed": 7}}
    )
    assert conditions_of(config, typed).is_configured is is_configured
