"""A GGUF served directly: the official clients, unchanged, and what goes wrong in the right shape."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import ollama
import openai
import psutil
import pytest

from tests.micro_gguf import alphabet, sentence
from tests.serving import MODELFILE, Serving, serving_gguf

HELLO = [{"role": "user", "content": "hi"}]
CALL = '<tool_call>{"name": "read_file", "arguments": {"path": "a.ts"}}</tool_call>'
TOOL = {
    "type": "function",
    "function": {
        "name": "read_file",
        "parameters": {"type": "object", "properties": {"path": {"type": "string"}}},
    },
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving_gguf(tmp_path_factory.mktemp("gguf"), alphabet()) as running:
        yield running


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A model that calls a tool whatever it is asked."""
    words = (
        "Well",
        ' <tool_call>{"name": "read_',
        'file", "arguments": {"path"',
        ': "a.ts"}}</tool',
        "_call>",
    )
    follows = sentence(*words)
    with serving_gguf(tmp_path_factory.mktemp("gguf"), follows, words=words) as running:
        yield running


def client(server: Serving) -> ollama.Client:
    return ollama.Client(server.url, trust_env=False)


def open_ai(server: Serving, **options: object) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=0, **options)  # type: ignore[arg-type]


def test_the_ollama_client_chats_and_streams(server: Serving) -> None:
    whole = client(server).chat("agent", HELLO)
    assert (whole.message.content, whole.done_reason, whole.eval_count) == ("abcdef", "length", 6)
    assert whole.prompt_eval_count == len("?system\nSpell.?\n?user\nhi?\n?assistant\n")
    assert whole.total_duration
    pieces = list(client(server).chat("agent:latest", HELLO, stream=True))
    assert "".join(piece.message.content or "" for piece in pieces) == "abcdef"
    assert [piece.done for piece in pieces] == [False] * 6 + [True]


def test_the_ollama_client_generates_raw_and_with_a_system_text(server: Serving) -> None:
    assert client(server).generate("agent", "hi").response == "abcdef"
    raw = client(server).generate("agent", "m", raw=True, options={"num_predict": 3})
    assert (raw.response, raw.prompt_eval_count) == ("nop", 1)
    own = client(server).generate("agent", "hi", system="S")
    assert own.prompt_eval_count == len("?system\nS?\n?user\nhi?\n?assistant\n")


def test_options_of_the_client_win_over_the_modelfile(server: Serving) -> None:
    capped = client(server).chat("agent", HELLO, options={"num_predict": 20, "stop": ["k"]})
    assert (capped.message.content, capped.done_reason) == ("abcdefghij", "stop")


def test_the_ollama_client_looks_around(server: Serving) -> None:
    (listed,) = client(server).list().models
    assert (listed.model, listed.details and listed.details.family) == ("agent:latest", "llama")
    shown = client(server).show("agent")
    assert shown.modelfile
    assert "SYSTEM Spell." in shown.modelfile
    assert shown.modelinfo
    assert shown.modelinfo["llama.context_length"] == 512
    assert client(server).ps().models[0].model == "agent:latest"
    assert httpx.get(f"{server.url}/api/version").json()["version"]
    assert httpx.get(server.url).text == "Ollama is running"
    assert httpx.get(f"{server.url}/healthz").json()["ok"] is True


def test_loading_without_a_question_says_that_it_is_loaded(server: Serving) -> None:
    assert client(server).generate("agent").done_reason == "load"
    assert client(server).chat("agent", []).done_reason == "load"


def test_the_openai_client_completes_streams_and_lists(server: Serving) -> None:
    said = open_ai(server).chat.completions.create(model="agent", messages=HELLO, max_tokens=4)  # type: ignore[arg-type]
    assert (said.choices[0].message.content, said.choices[0].finish_reason) == ("abcd", "length")
    assert said.usage
    assert said.usage.completion_tokens == 4
    chunks = list(
        open_ai(server).chat.completions.create(
            model="agent",
            messages=HELLO,
            stream=True,
            stream_options={"include_usage": True},  # type: ignore[arg-type]
        )
    )
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(texts) == "abcdef"
    assert chunks[-1].usage
    assert chunks[-1].usage.completion_tokens == 6
    assert [model.id for model in open_ai(server).models.list()] == ["agent:latest"]
    assert open_ai(server).models.retrieve("agent").id == "agent:latest"


def test_parts_of_a_message_are_read_as_its_text(server: Serving) -> None:
    parts = [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]
    said = open_ai(server).chat.completions.create(model="agent", messages=parts)  # type: ignore[arg-type]
    assert said.choices[0].message.content == "abcdef"


def test_tool_calls_reach_the_ollama_client_as_calls(caller: Serving) -> None:
    options = {"num_predict": 40}
    whole = client(caller).chat("agent", HELLO, tools=[TOOL], options=options)
    assert whole.message.tool_calls
    (call,) = whole.message.tool_calls
    assert (call.function.name, dict(call.function.arguments)) == ("read_file", {"path": "a.ts"})
    assert (whole.message.content or "").strip() == "Well"
    pieces = list(client(caller).chat("agent", HELLO, tools=[TOOL], options=options, stream=True))
    streamed = [call for piece in pieces for call in piece.message.tool_calls or ()]
    assert [call.function.name for call in streamed] == ["read_file"]
    assert "tool_call" not in "".join(piece.message.content or "" for piece in pieces)


def test_tool_calls_reach_the_openai_client_as_calls(caller: Serving) -> None:
    said = open_ai(caller).chat.completions.create(
        model="agent",
        messages=HELLO,
        tools=[TOOL],
        max_tokens=40,  # type: ignore[arg-type]
    )
    assert said.choices[0].finish_reason == "tool_calls"
    assert said.choices[0].message.tool_calls
    (call,) = said.choices[0].message.tool_calls
    assert call.type == "function"
    assert json.loads(call.function.arguments) == {"path": "a.ts"}


def test_without_offered_tools_the_same_text_stays_text(caller: Serving) -> None:
    said = client(caller).chat("agent", HELLO, options={"num_predict": 40}).message
    assert said.content == f"Well {CALL}"
    assert not said.tool_calls


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/api/chat", b"{", 400, "invalid JSON"),
        ("/api/chat", b"", 400, "missing request body"),
        ("/api/chat", b"[1]", 400, "expected a JSON object"),
        ("/api/chat", b'{"messages": []}', 400, "model is required"),
        (
            "/api/chat",
            b'{"model": "other", "messages": [{"role": "user", "content": "x"}]}',
            404,
            "not found",
        ),
        ("/api/chat", b'{"model": "agent", "messages": "x"}', 400, "messages is a str"),
        ("/api/chat", b'{"model": "agent", "messages": ["x"]}', 400, "messages must be objects"),
        ("/api/generate", b'{"model": "agent", "prompt": "x", "options": {"seed": "a"}}', 400, "seed"),
        ("/api/generate", b'{"model": "agent", "prompt": "x", "format": "json"}', 400, "format"),
        ("/api/generate", b'{"model": "agent", "prompt": "x", "options": {"top_p": 7}}', 400, "top_p"),
        ("/api/show", b'{"model": "other"}', 404, "not found"),
        ("/v1/chat/completions", b'{"model": "agent", "messages": [}', 400, "invalid JSON"),
        ("/v1/chat/completions", b'{"model": "agent", "messages": []}', 400, "too short"),
        ("/v1/chat/completions", b'{"model": "no", "messages": []}', 404, "not found"),
    ],
)
def test_a_bad_request_has_its_status_and_the_shape_of_its_route(
    server: Serving, path: str, body: bytes, status: int, said: str
) -> None:
    answer = httpx.post(f"{server.url}{path}", content=body)
    error = answer.json()["error"]
    assert answer.status_code == status
    assert said in (error["message"] if path.startswith("/v1/") else error)


def test_unknown_routes_and_methods_are_answered_as_ollama_does(server: Serving) -> None:
    assert httpx.get(f"{server.url}/api/nothing").text == "404 page not found"
    assert httpx.get(f"{server.url}/api/chat").status_code == 405
    assert httpx.post(f"{server.url}/api/pull", json={"model": "x"}).status_code == 404
    assert httpx.post(f"{server.url}/api/embed", json={"model": "agent"}).status_code == 404


@pytest.mark.parametrize("stream", [True, False])
def test_an_over_long_prompt_is_refused_with_its_length_not_cut(server: Serving, stream: bool) -> None:
    body = {"model": "agent", "prompt": "x" * 600, "stream": stream}
    answer = httpx.post(f"{server.url}/api/generate", json=body)
    assert answer.status_code == 400
    assert "606 tokens, the context holds 512" in answer.json()["error"]
    almost = httpx.post(f"{server.url}/api/generate", json={**body, "prompt": "x" * 490})
    assert almost.status_code == 400
    assert "the context holds 512" in almost.json()["error"]


def test_a_body_that_is_too_large_is_refused(server: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web4mlx.serving.app.MAX_BODY_BYTES", 1000)
    answer = httpx.post(f"{server.url}/v1/chat/completions", content=b" " * 2000)
    assert answer.status_code == 413
    assert "too large" in answer.json()["error"]["message"]


def test_twenty_chats_at_once_are_all_answered(server: Serving) -> None:
    def chat(number: int) -> str:
        limit = 3 + number % 5
        pieces = client(server).chat("agent", HELLO, stream=True, options={"num_predict": limit})
        return "".join(piece.message.content or "" for piece in pieces)

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(chat, range(60)))
    assert answers == ["abcdefgh"[: 3 + number % 5] for number in range(60)]


def test_a_client_that_leaves_ends_its_generation(tmp_path: Path) -> None:
    with serving_gguf(tmp_path, alphabet(), parallel=1) as server:
        body = {"model": "agent", "messages": HELLO, "options": {"num_predict": -1}}
        with httpx.stream("POST", f"{server.url}/api/chat", json=body) as answer:
            next(answer.iter_lines())
        (left,) = server.await_served()
        assert left.status == 499
        assert client(server).chat("agent", HELLO).message.content == "abcdef"
    assert not [thread for thread in threading.enumerate() if thread.name == "serve-answer"]


def test_every_request_is_one_event_without_its_text(tmp_path: Path) -> None:
    with serving_gguf(tmp_path, alphabet()) as server:
        client(server).chat("agent", HELLO)
        httpx.get(f"{server.url}/api/nothing")
        asked, lost = server.await_served(2)
    assert (asked.path, asked.status, asked.route, asked.model) == ("/api/chat", 200, "trained", "agent")
    assert 0 < asked.first_byte_ms <= asked.total_ms
    assert lost.status == 404


def test_stopping_leaves_no_thread_and_no_socket(tmp_path: Path) -> None:
    process = psutil.Process()
    with serving_gguf(tmp_path, alphabet()) as server:
        client(server).chat("agent", HELLO)
    before = {thread.name for thread in threading.enumerate()}
    assert not {"serve-answer", "llama-stream"} & before
    assert not [c for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN
                and server.url.endswith(f":{c.laddr.port}")]  # fmt: skip


def test_a_fault_of_the_server_has_the_shape_of_its_route(
    server: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("web4mlx.serving.gguf_backend.refuse_unsupported", broken)
    body = {"model": "agent", "messages": HELLO}
    native = httpx.post(f"{server.url}/api/chat", json=body)
    assert (native.status_code, native.json()) == (
        500,
        {"error": "unexpected ZeroDivisionError: division by zero"},
    )
    other = httpx.post(f"{server.url}/v1/chat/completions", json=body)
    assert other.json()["error"]["type"] == "api_error"


def test_a_page_of_this_machine_may_ask_in_a_browser(server: Serving) -> None:
    asking = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST"}
    allowed = httpx.options(f"{server.url}/api/chat", headers=asking)
    assert allowed.headers["access-control-allow-origin"] == "http://localhost:3000"
    foreign = httpx.options(f"{server.url}/api/chat", headers={**asking, "Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in foreign.headers


def test_stopping_ends_what_is_being_generated(tmp_path: Path) -> None:
    body = {"model": "agent", "messages": HELLO, "options": {"num_predict": -1}}
    with (
        serving_gguf(
            tmp_path, alphabet(), modelfile=MODELFILE.replace("512", "8192"), context=8192
        ) as server,
        httpx.stream("POST", f"{server.url}/api/chat", json=body) as answer,
    ):
        next(answer.iter_lines())
    assert not [thread for thread in threading.enumerate() if thread.name == "serve-answer"]
