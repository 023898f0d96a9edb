"""Twenty clients at once, well behaved and not: everything is answered in its shape, and nothing leaks."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import ollama
import openai
import psutil
import pytest

from tests.micro_gguf import alphabet, write_micro_gguf
from tests.ollama_double import running_double
from tests.ollama_double.agent import ANSWER, write_agent
from tests.serving import MODELFILE
from web4mlx.engines.ollama_server import OllamaServer

CONFIG = (
    'outputs = "outputs"\nmodelfile = "Modelfile"\n[data]\ntrain = ["data/a.jsonl"]\neval = "data/e.jsonl"\n'
)
HELLO = [{"role": "user", "content": "hi"}]
CLIENTS = 20
SPARE = 6  # of more than a hundred requests
IDLE_S = 12.0  # longer than idle threads and connections are kept
GROWTH_MB = 24.0  # less than a chat's cache kept for one chat in a hundred would be


@contextmanager
def served(*arguments: str) -> Iterator[tuple[str, psutil.Process]]:
    """`web4mlx serve` as a process of its own."""
    command = [sys.executable, "-m", "web4mlx", "serve", "-c", "config.toml", "--port", "0", *arguments]
    process = subprocess.Popen(
        [*command, "--name", "agent"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), psutil.Process(process.pid)
    finally:
        process.terminate()
        process.communicate(timeout=60)


@contextmanager
def behind(kind: str, folder: Path) -> Iterator[tuple[str, psutil.Process, str]]:
    """A server of this kind: its URL, its process, what its model says."""
    (folder / "config.toml").write_text(CONFIG)
    (folder / "Modelfile").write_text(MODELFILE)
    if kind == "gguf":
        write_micro_gguf(folder / "m.gguf", alphabet())
        with served("--gguf", "m.gguf") as (url, process):
            yield url, process, "abcdef"
        return
    with running_double(folder / "models") as double, OllamaServer(double.url) as server:
        digest = server.client.create_blob(write_agent(folder / "agent.gguf"))
        server.client.create("agent", files={"m.gguf": digest}, parameters={"num_ctx": 2048})
        with served("--ollama", double.url) as (url, process):
            yield url, process, ANSWER


def whole(url: str) -> str:
    answer = ollama.Client(url, trust_env=False, timeout=120).chat("agent", HELLO)
    return str(answer.message.content)


def streamed(url: str) -> str:
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0, timeout=120)
    chunks = client.chat.completions.create(model="agent", messages=HELLO, stream=True)  # type: ignore[call-overload]
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def left_early(url: str) -> str:
    body = {"model": "agent", "messages": HELLO, "options": {"num_predict": 64}}
    with httpx.stream("POST", f"{url}/api/chat", json=body, timeout=120) as answer:
        return f"left after {answer.status_code}" if next(answer.iter_lines()) else "nothing"


def read_slowly(url: str) -> str:
    body = {"model": "agent", "messages": HELLO}
    pieces = []
    with httpx.stream("POST", f"{url}/api/chat", json=body, timeout=120) as answer:
        for line in answer.iter_lines():
            time.sleep(0.02)
            pieces.append(json.loads(line)["message"]["content"])
    return "".join(pieces)


def malformed(url: str) -> str:
    answer = httpx.post(f"{url}/api/chat", content=b'{"model": "agent", "messages": [', timeout=120)
    return f"{answer.status_code} {sorted(answer.json())}"


def too_long(url: str) -> str:
    body = {"model": "agent", "messages": [{"role": "user", "content": "x" * 5000}]}
    answer = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=120)
    return f"{answer.status_code} {sorted(answer.json()['error'])}"


KINDS: tuple[Callable[[str], str], ...] = (whole, streamed, left_early, read_slowly, malformed, too_long)


def load(url: str, seconds: float) -> Counter[tuple[str, str]]:
    """What twenty clients were answered, by kind of request; each sends all kinds at least once."""
    deadline = time.monotonic() + seconds
    told: Counter[tuple[str, str]] = Counter()

    def keep_asking(client: int) -> None:
        number = client
        while time.monotonic() < deadline or number < client + len(KINDS):
            ask = KINDS[number % len(KINDS)]
            told[ask.__name__, ask(url)] += 1
            number += 1

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(keep_asking, range(CLIENTS)))
    return told


def state(url: str, process: psutil.Process) -> tuple[int, int]:
    """Threads and open files; after a chat, since idle threads and connections end at the next request."""
    whole(url)
    return process.num_threads(), process.num_fds()


def rests(url: str, process: psutil.Process, before: tuple[int, int]) -> bool:
    """Whether the server comes back to as many threads and open files as before, but for idle ones."""
    for _ in range(60):
        if all(now <= then + SPARE for now, then in zip(state(url, process), before, strict=True)):
            return True
        time.sleep(1)
    return False


@pytest.mark.parametrize("kind", ["gguf", "ollama"])
@pytest.mark.parametrize("seconds", [1.0, pytest.param(60.0, marks=pytest.mark.slow)])
def test_twenty_clients_are_answered_in_shape_and_nothing_leaks(
    in_tmp: Path, kind: str, seconds: float
) -> None:
    with behind(kind, in_tmp) as (url, process, said):
        load(url, 0.0)
        load(url, 0.0)
        time.sleep(IDLE_S)
        before, memory_mb = state(url, process), process.memory_info().rss / 1e6
        told = load(url, seconds)
        assert rests(url, process, before)
        assert process.memory_info().rss / 1e6 < memory_mb + GROWTH_MB
    error = "['code', 'message', 'param', 'type']"
    assert set(told) == {
        ("whole", said),
        ("streamed", said),
        ("left_early", "left after 200"),
        ("read_slowly", said),
        ("malformed", "400 ['error']"),
        ("too_long", f"400 {error}"),
    }
    assert sum(told.values()) >= CLIENTS * len(KINDS)
