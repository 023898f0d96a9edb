"""In front of Ollama: byte for byte, context where it is needed, and every way in which Ollama can fail."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import ollama
import openai
import pytest

from tests.endless_upstream import LINE, Endless, endless_upstream
from tests.ollama_double import Fault, OllamaDouble, running_double
from tests.ollama_double.agent import ANSWER, write_agent
from tests.serving import ScriptedStore, Serving, document, example, serving_ollama
from web4mlx.config.serving import AssistantConfig
from web4mlx.engines.ollama_server import OllamaServer

PAST = "How did we solve this in the past?"
READ = "Read Button.tsx"
OPTIONS = {"temperature": 0, "seed": 1, "num_predict": 16}


@pytest.fixture
def double(tmp_path: Path) -> Iterator[OllamaDouble]:
    with running_double(tmp_path / "models") as running:
        gguf = write_agent(tmp_path / "m.gguf")
        with OllamaServer(running.url) as server:
            digest = server.client.create_blob(gguf)
            parameters = {"num_ctx": 2048, "num_predict": 16}
            server.client.create("agent", files={"m.gguf": digest}, system="Be brief.", parameters=parameters)
        running.requests.clear()
        yield running


@pytest.fixture
def store() -> ScriptedStore:
    return ScriptedStore([document(1), document(2, "Symlinks.", score=0.5), example(1), example(2)])


@pytest.fixture
def server(double: OllamaDouble, store: ScriptedStore) -> Iterator[Serving]:
    with serving_ollama(double.url, store) as running:
        yield running


def chat(server: Serving, question: str) -> ollama.ChatResponse:
    client = ollama.Client(server.url, trust_env=False)
    return client.chat("agent", [{"role": "user", "content": question}], options=OPTIONS)


def rendered(server: Serving, question: str, path: str = "/api/chat") -> str:
    """The prompt that arrives at the model."""
    field = {"prompt": question} if path.endswith("generate") else {
        "messages": [{"role": "user", "content": question}]
    }  # fmt: skip
    body = {"model": "agent", "stream": False, "_debug_render_only": True, **field}
    answer = httpx.post(f"{server.url}{path}", json=body)
    return str(answer.json()["_debug_info"]["rendered_template"])


def test_both_official_clients_work_through_it(server: Serving) -> None:
    assert chat(server, "What?").message.content == ANSWER
    client = ollama.Client(server.url, trust_env=False)
    assert client.generate("agent", "What?", options=OPTIONS).response == ANSWER
    assert client.list().models[0].model == "agent:latest"
    assert client.show("agent").modelinfo
    client_2 = openai.OpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=0)
    asked = {
        "model": "agent",
        "messages": [{"role": "user", "content": "What?"}],
        "seed": 1,
        "temperature": 0,
    }
    assert client_2.chat.completions.create(**asked).choices[0].message.content == ANSWER  # type: ignore[call-overload]
    chunks = client_2.chat.completions.create(**asked, stream=True)  # type: ignore[call-overload]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == ANSWER
    assert client_2.models.list().data[0].id == "agent:latest"


def test_what_needs_nothing_goes_on_byte_for_byte_and_comes_back_so(store: ScriptedStore) -> None:
    with endless_upstream(Endless(die_after=3)) as upstream, serving_ollama(upstream.url, store) as server:
        raw = b'{"model":  "agent","messages":[{"role":"user","content":"Was ist TRON? \\u00fc"}] }'
        with httpx.stream("POST", f"{server.url}/api/chat", content=raw) as answer:
            said = b"".join(answer.iter_raw())
    assert upstream.bodies[-1] == raw
    assert said.startswith(LINE * 3)
    assert answer.headers["content-type"] == "application/x-ndjson"


def test_history_stands_before_the_question_and_the_system_text_stays(server: Serving) -> None:
    for path in ("/api/chat", "/api/generate"):
        prompt = rendered(server, PAST, path)
        assert "Be brief." in prompt
        assert prompt.index("We pinned the versions.") < prompt.index(PAST)
        assert '<document number="1" source="pdca/2024-01.pdca.md § Act">' in prompt
        assert "tool_examples" not in prompt
    assert "retrieved_context" not in rendered(server, "What is TRON?")


def test_tool_examples_reach_a_prompt_that_needs_a_tool(server: Serving) -> None:
    prompt = rendered(server, READ)
    assert prompt.count("<example ") == 2
    assert prompt.index("</tool_examples>") < prompt.index(READ)


def test_the_route_and_the_sources_stand_in_headers_and_in_the_event(server: Serving) -> None:
    body = {"model": "agent", "messages": [{"role": "user", "content": PAST}], "stream": False}
    answer = httpx.post(f"{server.url}/api/chat", json={**body, "options": OPTIONS})
    assert answer.json()["message"]["content"] == ANSWER
    assert answer.headers["x-web4mlx-route"] == "history"
    assert answer.headers["x-web4mlx-sources"].startswith("pdca/2024-01.pdca.md")
    (served,) = server.await_served()
    assert (served.route, served.hits, served.examples, served.dropped) == ("history", 2, 0, 0)
    assert served.context_tokens > 0
    assert served.retrieve_ms > 0


def test_raw_prompts_suffixes_and_results_of_tools_get_nothing(server: Serving, store: ScriptedStore) -> None:
    client = ollama.Client(server.url, trust_env=False)
    client.generate("agent", "\n", raw=True, options=OPTIONS)
    client.generate("agent", READ, suffix="end", options=OPTIONS)
    client.chat(
        "agent", [{"role": "user", "content": READ}, {"role": "tool", "content": "x"}], options=OPTIONS
    )
    assert store.queries == []


def test_context_that_does_not_fit_is_dropped_lowest_first_and_said(
    double: OllamaDouble, store: ScriptedStore
) -> None:
    store.hits.append(document(3, "long " * 300, score=0.4))
    with serving_ollama(double.url, store) as server:
        body = {"model": "agent", "messages": [{"role": "user", "content": PAST}], "stream": False}
        httpx.post(f"{server.url}/api/chat", json={**body, "options": {**OPTIONS, "num_ctx": 1400}})
        (served,) = server.await_served()
    assert (served.hits, served.dropped) == (2, 1)
    assert "1 of the found pieces did not fit into the context: pdca/2024-03.pdca.md § Act" in served.note


def test_a_prompt_that_ollama_would_cut_is_refused(server: Serving) -> None:
    for path in ("/api/chat", "/v1/chat/completions"):
        messages = [{"role": "user", "content": "x" * 2100}]
        answer = httpx.post(f"{server.url}{path}", json={"model": "agent", "messages": messages})
        assert answer.status_code == 400
        assert "the context holds 512" in answer.text


def test_a_store_that_fails_costs_the_context_not_the_answer(server: Serving, store: ScriptedStore) -> None:
    store.is_broken = True
    assert chat(server, PAST).message.content == ANSWER
    (served,) = server.await_served()
    assert "answered without the store: the store is gone" in served.note


@pytest.mark.parametrize("stream", [True, False])
def test_errors_of_ollama_pass_through_with_status_and_bytes(
    server: Serving, double: OllamaDouble, stream: bool
) -> None:
    missing = httpx.post(f"{server.url}/api/chat", json={"model": "no", "messages": [], "stream": stream})
    assert (missing.status_code, missing.json()) == (404, {"error": "model 'no' not found"})
    body = {"model": "agent", "messages": [{"role": "user", "content": "x"}], "stream": stream}
    double.faults.append(Fault("/api/chat", "status", status=503, error="server busy, please try again."))
    busy = httpx.post(f"{server.url}/api/chat", json=body)
    assert (busy.status_code, busy.json()) == (503, {"error": "server busy, please try again."})
    lost = httpx.post(f"{server.url}/v1/chat/completions", json={**body, "model": "no"})
    assert (lost.status_code, lost.json()["error"]["type"]) == (404, "not_found_error")


def test_an_error_in_the_middle_of_a_stream_reaches_the_client(server: Serving, double: OllamaDouble) -> None:
    double.faults.append(Fault("/api/chat", "error_line", after=2, error="out of memory"))
    client = ollama.Client(server.url, trust_env=False)
    with pytest.raises(ollama.ResponseError, match="out of memory") as failed:
        list(client.chat("agent", [{"role": "user", "content": "x"}], stream=True, options=OPTIONS))
    assert failed.value.status_code == -1


@pytest.mark.parametrize("is_half_line", [False, True])
def test_an_ollama_that_dies_in_the_middle_of_a_stream_is_an_error_line(is_half_line: bool) -> None:
    with (
        endless_upstream(Endless(die_after=2, is_half_line=is_half_line)) as upstream,
        serving_ollama(upstream.url) as server,
        httpx.stream("POST", f"{server.url}/api/chat", json={"model": "m", "messages": []}) as answer,
    ):
        lines = answer.read().splitlines()
    assert "the connection broke off" in json.loads(lines[-1])["error"]


def test_an_ollama_that_dies_before_it_answered_is_a_bad_gateway(
    server: Serving, double: OllamaDouble
) -> None:
    double.faults.append(Fault("/api/chat", "drop"))
    answer = httpx.post(f"{server.url}/api/chat", json={"model": "agent", "messages": [], "stream": False})
    assert answer.status_code == 502
    assert "broke off" in answer.json()["error"]


def test_without_ollama_it_is_a_bad_gateway_and_not_healthy() -> None:
    with serving_ollama("http://127.0.0.1:9") as server:
        answer = httpx.post(f"{server.url}/v1/chat/completions", json={"model": "m", "messages": []})
        health = httpx.get(f"{server.url}/healthz")
        tags = httpx.get(f"{server.url}/api/tags")
    assert answer.status_code == tags.status_code == 502
    assert answer.json()["error"]["type"] == "api_error"
    assert (health.status_code, health.json()["ok"]) == (503, False)


def test_an_ollama_that_says_nothing_is_a_gateway_timeout(double: OllamaDouble) -> None:
    fault = Fault("/api/chat", "stall")
    double.faults.append(fault)
    with serving_ollama(double.url, stall_s=0.3) as server:
        answer = httpx.post(
            f"{server.url}/api/chat", json={"model": "agent", "messages": [], "stream": False}
        )
    fault.released.set()
    assert answer.status_code == 504


def test_a_client_that_leaves_closes_the_connection_to_ollama() -> None:
    with endless_upstream(Endless()) as upstream, serving_ollama(upstream.url) as server:
        with httpx.stream("POST", f"{server.url}/api/chat", json={"model": "m", "messages": []}) as answer:
            next(answer.iter_raw())
        assert upstream.left.wait(60)
        (served,) = server.await_served()
    assert served.status == 499


def test_a_client_that_does_not_read_is_cut_off_in_the_end() -> None:
    with endless_upstream(Endless()) as upstream, serving_ollama(upstream.url, answer_s=0.5) as server:
        with httpx.stream("POST", f"{server.url}/api/chat", json={"model": "m", "messages": []}):
            assert upstream.left.wait(60)
        (served,) = server.await_served()
    assert "too slow" in served.note


def test_the_ecosystem_decides_which_examples_are_taken(double: OllamaDouble, store: ScriptedStore) -> None:
    store.hits = [example(1, "builtin_read_file", "continue"), example(2)]
    settings = AssistantConfig(ecosystem="continue")
    with serving_ollama(double.url, store, settings=settings) as server:
        prompt = rendered(server, READ)
    assert "tool_core#1" in prompt
    assert "tool_core#2" not in prompt
