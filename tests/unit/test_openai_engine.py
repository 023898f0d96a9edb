"""OpenAI-compatible servers as an engine: llama.cpp's own on the loopback, and one that misbehaves."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chat_server import GOOD, chunk, scripted, sse
from tests.micro_gguf import alphabet, write_micro_gguf
from web4mlx.engines.base import Request, SamplingOptions
from web4mlx.engines.openai import OpenAiEngine
from web4mlx.errors import MissingPrerequisite, StageCrashed, UsageError, Web4Error

OPTIONS = SamplingOptions(temperature=0, seed=1, max_tokens=5)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of llama.cpp's own server with a scripted model."""
    import xllamacpp

    gguf = write_micro_gguf(tmp_path_factory.mktemp("llama") / "m.gguf", alphabet())
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(gguf)
    parameters.n_ctx, parameters.n_parallel, parameters.n_threads_http = 512, 1, 2
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    parameters.use_jinja, parameters.warmup, parameters.verbosity = True, False, 0
    parameters.hostnames, parameters.port = ["127.0.0.1"], 0
    server = xllamacpp.Server(parameters)
    yield server.listening_address
    del server


def questions(count: int, text: str = "What?") -> list[Request]:
    return [Request(f"q{n}", ({"role": "user", "content": text},), options=OPTIONS) for n in range(count)]


def test_llama_cpps_own_server_answers(llama: str) -> None:
    with OpenAiEngine(f"{llama}/v1", parallel=2) as engine:
        responses = list(engine.generate(questions(3), parallel=2))
        assert engine.model.endswith("m.gguf")
    assert {response.id for response in responses} == {"q0", "q1", "q2"}
    for response in responses:
        assert (response.text, response.finish_reason) == ("abcde", "length")
        assert (response.prompt_tokens, response.completion_tokens) == (24, 5)
        assert 0 < response.time_to_first_token_s <= response.total_s


def test_a_stop_string_and_a_raw_prompt(llama: str) -> None:
    stop = SamplingOptions(temperature=0, seed=1, max_tokens=20, stop=("fg",))
    with OpenAiEngine(llama) as engine:
        (response,) = engine.generate([Request("r", prompt="c", options=stop)])
    assert (response.text, response.finish_reason) == ("de", "stop")


def test_streaming_yields_pieces(llama: str) -> None:
    with OpenAiEngine(llama) as engine:
        stream = engine.stream(questions(1)[0])
        assert list(stream) == list("abcde")
        assert stream.response is not None


def test_a_prompt_that_does_not_fit_is_one_error_among_answers(llama: str) -> None:
    long = Request("long", ({"role": "user", "content": "x" * 900},), options=OPTIONS)
    with OpenAiEngine(llama) as engine:
        responses = {r.id: r for r in engine.generate([*questions(1), long])}
    assert responses["q0"].text == "abcde"
    assert responses["long"].finish_reason == "error"
    assert "context" in responses["long"].error


BAD_ENDS = {
    "stream ends early": (200, chunk("Hel")),
    "error event": (200, chunk("Hel") + sse({"error": {"message": "out of memory"}})),
    "no json": (200, chunk("Hel") + b"data: {oops\n\n"),
    "not an event": (200, b"data: [1]\n\n"),
    "usage is a list": (200, chunk("Hel") + sse({"choices": [], "usage": [1]})),
    "tokens are no number": (200, chunk("Hel") + sse({"choices": [], "usage": {"prompt_tokens": "many"}})),
    "choices are no list": (200, chunk("Hel") + sse({"choices": {"a": 1}})),
    "server error": (500, b'{"error": {"message": "broken"}}'),
    "busy": (503, b"try later"),
    "unauthorized": (401, b'{"error": "key"}'),
    "unknown model": (404, b'{"error": "no such model"}'),
}


@pytest.mark.parametrize("end", BAD_ENDS)
def test_a_server_that_fails_half_way_ends_with_an_error_after_what_it_answered(end: str) -> None:
    with scripted((200, GOOD), (200, GOOD), BAD_ENDS[end]) as url, OpenAiEngine(url) as engine:
        done = []
        with pytest.raises(Web4Error, match=url) as failed:  # noqa: PT012
            for response in engine.generate(questions(5)):
                done.append(response.text)
        assert done == ["Hello", "Hello"]
        assert failed.value.exit_code in (3, 4)


def test_a_server_that_is_gone_is_named() -> None:
    with scripted((200, GOOD)) as url:
        engine = OpenAiEngine(url)
    with engine, pytest.raises(MissingPrerequisite, match=url):
        list(engine.generate(questions(2)))


def test_a_broken_connection_is_a_crash() -> None:
    with (
        scripted() as url,
        OpenAiEngine(url) as engine,
        pytest.raises(StageCrashed, match="connection broke"),
    ):
        list(engine.generate(questions(1)))


def test_a_refused_request_is_an_answer_with_an_error() -> None:
    with (
        scripted((400, b'{"error": {"message": "too long"}}'), (200, GOOD)) as url,
        OpenAiEngine(url) as engine,
    ):
        first, second = engine.generate(questions(2))
    assert (first.finish_reason, second.text) == ("error", "Hello")
    assert "too long" in first.error


def test_usage_that_is_absent_counts_as_zero() -> None:
    body = chunk("Hi", "length") + b": comment\n\ndata: [DONE]\n\n"
    with scripted((200, body)) as url, OpenAiEngine(url) as engine:
        (response,) = engine.generate(questions(1))
    assert (response.prompt_tokens, response.completion_tokens, response.finish_reason) == (0, 0, "length")


def test_no_server_and_another_machine_are_refused() -> None:
    with pytest.raises(MissingPrerequisite, match="no server answers"):
        OpenAiEngine("http://127.0.0.1:9")
    with pytest.raises(UsageError, match="not this machine"):
        OpenAiEngine("http://example.com/v1")


def test_which_bytes_answered_is_unknown_and_said(tmp_path: Path) -> None:
    with scripted() as url, OpenAiEngine(url, "named") as engine:
        assert engine.describe() | {"endpoint": ""} == {
            "engine": "openai", "version": "", "model": "named", "sha256": "", "parallel": 1, "endpoint": "",
        }  # fmt: skip
