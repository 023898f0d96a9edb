import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.micro_models import write_micro_llama
from web4mlx.engines.base import Request, Response, SamplingOptions
from web4mlx.engines.mlx import MlxEngine
from web4mlx.errors import MissingPrerequisite, StageCrashed, UsageError

CHAT = ({"role": "user", "content": "Hello"},)


def request(name: str = "one", **options: object) -> Request:
    return Request(name, CHAT, options=SamplingOptions(**{"temperature": 0, "max_tokens": 12, **options}))  # type: ignore[arg-type]


def answer(engine: MlxEngine, **options: object) -> Response:
    (response,) = engine.generate([request(**options)])
    return response


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_micro_llama(tmp_path_factory.mktemp("mlx") / "micro")


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[MlxEngine]:
    with MlxEngine(folder, context=96, device="cpu") as opened:
        yield opened


def write_adapter(folder: Path, value: float) -> Path:
    """An adapter in mlx-lm's layout whose second matrices hold `value`."""
    import numpy as np
    from safetensors.numpy import save_file

    (folder / "mlx").mkdir(parents=True)
    keys = ["self_attn.q_proj", "mlp.down_proj"]
    tensors = {}
    for name, inputs, outputs in ((keys[0], 64, 64), (keys[1], 128, 64)):
        tensors[f"model.layers.1.{name}.lora_a"] = np.ones((inputs, 4), np.float32)
        tensors[f"model.layers.1.{name}.lora_b"] = np.full((4, outputs), value, np.float32)
        tensors[f"model.layers.1.{name}.lora_b"][:, ::2] *= -1
    save_file(tensors, folder / "mlx" / "adapters.safetensors")
    parameters = {"rank": 4, "scale": 2.0, "dropout": 0.0, "keys": keys}
    config = {"fine_tune_type": "lora", "num_layers": 1, "lora_parameters": parameters}
    (folder / "mlx" / "adapter_config.json").write_text(json.dumps(config))
    return folder


def test_same_seed_same_text_and_other_seed_other_text(engine: MlxEngine) -> None:
    hot = {"temperature": 2.0, "top_p": 1.0, "top_k": 0}
    assert answer(engine, seed=1, **hot).text == answer(engine, seed=1, **hot).text
    assert answer(engine, seed=1, **hot).text != answer(engine, seed=2, **hot).text


def test_parallel_requests_all_return_once_with_the_answers_they_have_alone(engine: MlxEngine) -> None:
    requests = [request(f"r{i}", temperature=1.0, seed=i, max_tokens=3 + i) for i in range(6)]
    alone = {response.id: response.text for response in engine.generate(requests)}
    together = [(response.id, response.text) for response in engine.generate(requests, parallel=3)]
    assert len(together) == 6
    assert dict(together) == alone


def test_max_tokens_ends_by_length(engine: MlxEngine) -> None:
    response = answer(engine, max_tokens=3, temperature=1.0, seed=4)
    assert (response.completion_tokens, response.finish_reason) == (3, "length")
    assert 0 < response.time_to_first_token_s <= response.total_s


def test_the_context_ends_by_length(engine: MlxEngine) -> None:
    response = answer(engine, max_tokens=500)
    assert response.finish_reason == "length"
    assert response.prompt_tokens + response.completion_tokens == 96


def test_a_stop_string_is_cut_and_no_part_of_it_is_streamed(engine: MlxEngine) -> None:
    text = answer(engine, temperature=1.0, seed=4).text
    stop = text[4:7]
    stream = engine.stream(request(temperature=1.0, seed=4, stop=(stop,)))
    assert "".join(stream) == text[: text.index(stop)]
    assert stream.response is not None
    assert stream.response.finish_reason == "stop"
    assert stream.response.text == text[: text.index(stop)]


def test_a_stopped_request_leaves_the_others_alone(engine: MlxEngine) -> None:
    text = answer(engine, temperature=1.0, seed=4).text
    short = request("short", temperature=1.0, seed=4, stop=(text[2:4],))
    answers = {r.id: r.text for r in engine.generate([short, request(temperature=1.0, seed=4)], parallel=2)}
    assert answers == {"short": text[: text.index(text[2:4])], "one": text}


def test_an_over_long_prompt_is_refused_and_the_others_go_on(engine: MlxEngine) -> None:
    too_long = Request("long", ({"role": "user", "content": "x" * 300},))
    refused, answered = sorted(engine.generate([too_long, request()]), key=lambda r: r.finish_reason)
    assert refused.finish_reason == "error"
    assert "context holds 96" in refused.error
    assert answered.completion_tokens > 0
    with pytest.raises(UsageError, match="context holds 96"):
        engine.stream(too_long).finish()


def test_an_adapter_changes_the_answer_and_an_empty_one_does_not(
    folder: Path, engine: MlxEngine, tmp_path: Path
) -> None:
    hot = {"temperature": 1.0, "seed": 4}
    with MlxEngine(folder, write_adapter(tmp_path / "none", 0.0), device="cpu") as same:
        assert answer(same, **hot).text == answer(engine, **hot).text
    with MlxEngine(folder, write_adapter(tmp_path / "some", 3.0), device="cpu") as other:
        assert answer(other, **hot).text != answer(engine, **hot).text
        assert other.describe()["adapter"]


def test_penalties_change_a_repetitive_answer(engine: MlxEngine) -> None:
    plain = answer(engine, max_tokens=30)
    penalized = answer(engine, max_tokens=30, repeat_penalty=5.0, presence_penalty=2.0)
    assert len(set(plain.text)) < len(set(penalized.text))


def test_what_is_missing_or_damaged_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingPrerequisite, match=r"config\.json: missing"):
        MlxEngine(tmp_path)
    with pytest.raises(MissingPrerequisite, match="no adapter in it"):
        MlxEngine(folder, tmp_path, device="cpu")
    damaged = write_micro_llama(tmp_path / "damaged")
    weights = damaged / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(StageCrashed, match="cannot load"):
        MlxEngine(damaged, device="cpu")


def test_the_description_names_model_precision_and_device(engine: MlxEngine) -> None:
    described = engine.describe()
    assert (described["engine"], described["dtype"], described["device"]) == ("mlx", "float32", "cpu")
    assert len(described["sha256"]) == 64
