"""Readings of the Smoke screen: reports, servers that answer and do not, request logs, the gate's answers."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.dashboards import write_job_folder
from tests.micro_gguf import alphabet
from tests.ollama_double import running_double
from tests.ollama_double.agent import write_agent
from tests.serving import serving_gguf
from tui.jobs.record import list_jobs
from tui.serving.gate import answer_of, read_gate
from tui.serving.requests import OPENING_BYTES, RequestFeed
from tui.serving.servers import ServeFeed, read_health, read_ollama
from tui.serving.smoke import progress_of, read_smoke, timing_of
from web4mlx.events import EventLog, Served, Started
from web4mlx.serving.guard import TOKEN_VARIABLE
from web4mlx.smoke.report import SmokeCheck


def free_url() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{one.getsockname()[1]}"


@contextmanager
def server_that_says(body: bytes, status: int = 200) -> Iterator[str]:
    """Any other server on the loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_our_server_answers_and_is_asked_for_its_health_seldom(tmp_path: Path) -> None:
    feed = ServeFeed()
    with serving_gguf(tmp_path, alphabet()) as serving:
        state = feed.read(serving.url)
        assert (state.word, state.behind) == ("answers", "agent:latest")
        for _ in range(5):
            assert feed.read(serving.url) is state
        assert [one.path for one in serving.await_served()] == ["/healthz"]
    assert feed.read(serving.url).word == "silent"


def test_a_token_is_shown_and_its_lack_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving_gguf(tmp_path, alphabet(), token="a-token-of-enough-letters") as serving:
        assert TOKEN_VARIABLE in read_health(serving.url).detail
        monkeypatch.setenv(TOKEN_VARIABLE, "a-token-of-enough-letters")
        assert read_health(serving.url).word == "answers"


@pytest.mark.parametrize("body", [b"hello", b"[1]", b'{"ok": true}', b"\xff"])
def test_another_server_is_not_taken_for_ours(body: bytes) -> None:
    with server_that_says(body) as url:
        assert read_health(url).word == "foreign"
        assert "is not Ollama" in read_ollama("web4-agent", url).problem


def test_a_server_that_is_silent_is_waited_for_only_shortly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.serving.servers.WAIT_S", 0.2)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        assert "does not answer" in read_health(url).detail
        assert "does not answer" in read_ollama("web4-agent", url).problem


def test_ollama_shows_its_models_those_of_ours_first(tmp_path: Path) -> None:
    with running_double(tmp_path / "models") as double:
        assert read_ollama("web4-agent", double.url).models == ()
        import ollama

        client = ollama.Client(double.url, trust_env=False)
        digest = client.create_blob(write_agent(tmp_path / "a.gguf"))
        for name in ("another", "web4-agent", "web4-agent:rollback-0123456789ab"):
            client.create(name, files={"a.gguf": digest})
        state = read_ollama("web4-agent", double.url)
        assert state.version == double.server_version
        assert [(one.name, one.role) for one in state.models] == [
            ("web4-agent:latest", "production"), ("web4-agent:rollback-0123456789ab", "backup"),
            ("another:latest", ""),
        ]  # fmt: skip
    assert read_ollama("web4-agent", double.url).problem == "nobody answers there"
    assert "not this machine" in read_ollama("web4-agent", "example.org").problem


def served(log: EventLog, path: str = "/api/chat", status: int = 200, first_ms: float = 5.0) -> None:
    log.write(Served, method="POST", path=path, status=status, first_byte_ms=first_ms, total_ms=9.0)


def test_requests_are_followed_and_health_is_none_of_them(tmp_path: Path) -> None:
    path = tmp_path / "serve.jsonl"
    feed = RequestFeed(path)
    assert feed.read().problem == "it is not there yet"
    with EventLog(path, "serve", "serve") as log:
        log.write(Started, plan={"http://127.0.0.1:1": "in front of x.gguf, no store"})
        for status in (200, 404, 200):
            served(log, status=status)
        served(log, "/healthz")
        requests = feed.read()
        assert (requests.url, requests.behind) == ("http://127.0.0.1:1", "in front of x.gguf, no store")
        assert (len(requests.served), requests.failed, requests.median_ms) == (3, 1, 5.0)
        with path.open("a") as file:
            file.write("garbage\n")
        served(log)
    requests = feed.read()
    assert (len(requests.served), requests.garbage) == (4, 1)
    path.unlink()
    assert feed.read().problem == "it has been deleted"


def test_of_a_long_log_only_the_end_is_read(tmp_path: Path) -> None:
    path = tmp_path / "serve.jsonl"
    with EventLog(path, "serve", "serve") as log:
        served(log)
    line = path.read_bytes()
    path.write_bytes(line * (OPENING_BYTES // len(line) + 9000))
    requests = RequestFeed(path).read()
    assert len(requests.served) == 500
    assert requests.garbage == 0
    assert 9000 < requests.first + 500 < OPENING_BYTES // len(line) + 2


def test_times_are_those_of_the_report() -> None:
    def of(measured: str, expected: str) -> object:
        timing = timing_of(SmokeCheck(name="t", measured=measured, expected=expected, verdict="passed"))
        return timing and (timing.measured_ms, timing.budget_ms)

    assert of("812 ms", "below 3000 ms") == (812.0, 3000.0)
    assert of("3 words", "not empty") is None


def test_a_report_that_is_rubbish_is_said(tmp_path: Path) -> None:
    assert read_smoke(tmp_path).report is None
    (tmp_path / "smoke_test_report.json").write_text("{")
    assert "cannot be read" in read_smoke(tmp_path).problem
    (tmp_path / "smoke_test_report.json").unlink()
    (tmp_path / "smoke_test_report.json").mkdir()
    assert "smoke_test_report.json: " in read_smoke(tmp_path).problem


@pytest.mark.parametrize(
    ("arguments", "code", "log", "word", "line"),
    [
        (
            ["--dry-run"],
            0,
            '{\n  "sha256": "aabbccddeeff0011"\n}\n',
            "cleared",
            "sha256: a",
        ),
        (["--dry-run"], 1, "error: a.gguf is not:\n  - no report\nhint: run it\n", "refused", "- no report"),
        ([], 3, "error: no Ollama server there\nhint: get it\n", "failed", "no Ollama server there"),
        (["--rollback"], 0, '{\n  "name": "a:latest", "backup": ""\n}\n', "rolled back", "name: a:latest"),
        ([], 0, "nothing else\n", "imported", "nothing else"),
    ],
)
def test_the_gate_is_understood(
    tmp_path: Path, arguments: list[str], code: int, log: str, word: str, line: str
) -> None:
    command = ["web4mlx", "import", *arguments]
    folder = write_job_folder(tmp_path, "20260101_120000_00_import", log, kind="import", command=command)
    assert read_gate(list_jobs(tmp_path)) is None
    (folder / "pid.json").write_text('{"pid": 999999, "started": "1"}')
    (folder / "exit.json").write_text(f'{{"code": {code}, "ended": 2000}}')
    (job,) = list_jobs(tmp_path)
    answer = answer_of(job)
    assert answer.word == word
    assert any(one.startswith(line) for one in answer.lines), answer
    assert answer.hint == {"refused": "run it", "failed": "get it"}.get(word, "")


def test_running_smoke_tests_say_how_far_they_are() -> None:
    assert progress_of(()) == {"trained": "running"}
    lines = ("loading", "passed by", "      passed  trained", "      failed  history  no citation [=")
    assert progress_of(lines) == {"trained": "passed", "history": "failed", "tools": "running"}
    assert progress_of((*lines, "     errored  tools"))["tools"] == "errored"
