"""Ollama as an engine: real answers through the double, and failures that are never answers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ollama_double import Fault, OllamaDouble, running_double
from tests.ollama_double.agent import ANSWER, write_agent
from web4mlx.engines.base import Request, Response, SamplingOptions
from web4mlx.engines.llamacpp import LlamaCppEngine
from web4mlx.engines.ollama import OllamaEngine, ollama_options
from web4mlx.engines.ollama_server import OllamaServer
from web4mlx.errors import MissingPrerequisite, StageCrashed, UsageError, Web4Error

OPTIONS = SamplingOptions(temperature=0, seed=1, max_tokens=16)


@pytest.fixture
def double(tmp_path: Path) -> Iterator[OllamaDouble]:
    with running_double(tmp_path / "models") as running:
        gguf = write_agent(tmp_path / "m.gguf")
        with OllamaServer(running.url) as server:
            digest = server.client.create_blob(gguf)
            server.client.create("agent", files={"m.gguf": digest}, parameters={"stop": ["nothing"]})
        running.requests.clear()
        yield running


@pytest.fixture
def engine(double: OllamaDouble) -> Iterator[OllamaEngine]:
    with OllamaEngine("agent", double.url, context=512, parallel=2, read_timeout_s=10) as opened:
        yield opened


def questions(count: int, text: str = "What?") -> list[Request]:
    return [Request(f"q{n}", ({"role": "user", "content": text},), options=OPTIONS) for n in range(count)]


def test_the_model_is_loaded_before_the_first_question(engine: OllamaEngine, double: OllamaDouble) -> None:
    assert double.runners.loads == 1
    list(engine.generate(questions(1)))
    assert double.runners.loads == 1


def test_answers_are_those_of_the_model_itself(engine: OllamaEngine, tmp_path: Path) -> None:
    theirs = list(engine.generate(questions(3), parallel=2))
    with LlamaCppEngine(tmp_path / "m.gguf", context=512, threads=1) as local:
        ours = list(local.generate(questions(1)))
    assert {response.id for response in theirs} == {"q0", "q1", "q2"}
    for response in theirs:
        assert (response.text, response.finish_reason) == (ANSWER, "stop")
        assert response.prompt_tokens == ours[0].prompt_tokens
        assert response.completion_tokens == ours[0].completion_tokens
        assert 0 < response.time_to_first_token_s <= response.total_s


def test_a_raw_prompt_gets_no_template(engine: OllamaEngine) -> None:
    (response,) = engine.generate([Request("r", prompt="\n", options=OPTIONS)])
    assert (response.text, response.prompt_tokens) == (ANSWER, 1)


def test_a_capped_answer_ends_by_length(engine: OllamaEngine) -> None:
    request = Request(
        "q", ({"role": "user", "content": "What?"},), options=SamplingOptions(max_tokens=2, seed=1)
    )
    (response,) = engine.generate([request])
    assert (response.text, response.finish_reason) == ("The constructor", "length")


def test_streaming_yields_pieces_and_a_response(engine: OllamaEngine) -> None:
    stream = engine.stream(questions(1)[0])
    assert "".join(stream) == ANSWER
    assert stream.response is not None
    assert stream.response.text == ANSWER


def test_a_prompt_that_was_cut_is_an_error_not_an_answer(engine: OllamaEngine) -> None:
    (response,) = engine.generate(questions(1, "x" * 2000))
    assert (response.finish_reason, response.text) == ("error", "")
    assert "may have been cut" in response.error


def test_options_are_sent_inside_and_complete() -> None:
    sent = ollama_options(SamplingOptions(seed=None, max_tokens=9, stop=("a",)), 512)
    assert (sent["seed"], sent["num_predict"], sent["num_ctx"], sent["stop"]) == (-1, 9, 512, ["a"])


@pytest.mark.parametrize("kind", ["drop", "die", "end", "error_line", "status"])
@pytest.mark.parametrize("after", [0, 2])
def test_a_server_that_fails_half_way_ends_with_an_error_after_what_it_answered(
    engine: OllamaEngine, double: OllamaDouble, kind: str, after: int
) -> None:
    double.faults.append(Fault("/api/chat", kind, after=after, skip=2))  # type: ignore[arg-type]
    done: list[Response] = []
    with pytest.raises(Web4Error, match=double.url) as failed:
        done.extend(collect(engine, done))
    assert [response.text for response in done] == [ANSWER, ANSWER]
    assert failed.value.exit_code in (3, 4)


def collect(engine: OllamaEngine, done: list[Response]) -> list[Response]:
    for response in engine.generate(questions(5)):
        done.append(response)
    return []


def test_a_request_that_the_server_refuses_is_one_error_among_answers(
    engine: OllamaEngine, double: OllamaDouble
) -> None:
    double.faults.append(Fault("/api/chat", "status", status=400, error="bad message", skip=1, times=1))
    responses = list(engine.generate(questions(3)))
    assert sorted(response.finish_reason for response in responses) == ["error", "stop", "stop"]
    assert "bad message" in next(r.error for r in responses if r.error)


def test_leaving_early_stops_the_work(engine: OllamaEngine, double: OllamaDouble) -> None:
    answers = engine.generate(questions(50))
    next(answers)
    answers.close()  # type: ignore[attr-defined]
    assert double.paths("POST").count("/api/chat") < 10


def test_the_description_names_server_model_and_digest(engine: OllamaEngine, double: OllamaDouble) -> None:
    said = engine.describe()
    manifest = double.store.lookup("agent")
    assert manifest is not None
    assert said["sha256"] == double.store.digest(manifest)
    assert (said["engine"], said["version"], said["context"]) == ("ollama", "0.33.0", 512)
    assert (said["precision"], said["endpoint"]) == ("Q4_K_M", double.url)
    assert len(said["chat_template_sha256"]) == 64


def test_a_missing_model_is_named_with_those_that_are_there(double: OllamaDouble) -> None:
    with pytest.raises(MissingPrerequisite, match="no model other") as missing:
        OllamaEngine("other", double.url)
    assert "agent:latest" in missing.value.hint


def test_no_server_is_a_missing_prerequisite() -> None:
    with pytest.raises(MissingPrerequisite, match="no Ollama server"):
        OllamaEngine("agent", "127.0.0.1:9")


def test_another_machine_is_refused_before_any_request() -> None:
    with pytest.raises(UsageError, match="not this machine"):
        OllamaEngine("agent", "10.1.2.3:11434")


def test_a_model_that_cannot_be_loaded_is_no_engine(double: OllamaDouble) -> None:
    double.faults.append(Fault("/api/generate", "status", error="llama runner process has terminated"))
    with pytest.raises(StageCrashed, match="has terminated"):
        OllamaEngine("agent", double.url)
