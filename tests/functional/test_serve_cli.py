"""`web4mlx serve` as a user starts it: signals, refusals, check, Ollama as a child, service units."""

import json
import os
import plistlib
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import ollama
import pytest
import typer

from tests.micro_gguf import alphabet, write_micro_gguf
from tests.ollama_double import OllamaDouble, running_double
from tests.ollama_double.agent import write_agent
from tests.rag_sources import build, write_files
from tests.serving import MODELFILE
from web4mlx.cli import serve
from web4mlx.cli.main import run_program
from web4mlx.engines.ollama_server import OllamaServer
from web4mlx.events import Served, Started, read_events
from web4mlx.serving.checkup import check_exposure, check_tokens
from web4mlx.serving.guard import TOKEN_VARIABLE
from web4mlx.serving.service_unit import service_unit, systemd_quoted

CONFIG = (
    'outputs = "outputs"\nmodelfile = "Modelfile"\n[data]\ntrain = ["data/a.jsonl"]\neval = "data/e.jsonl"\n'
    '[deploy]\nname = "agent"\n'
)
TOKEN = "a-token-of-enough-letters"


@pytest.fixture
def workplace(in_tmp: Path) -> Path:
    write_micro_gguf(in_tmp / "m.gguf", alphabet())
    (in_tmp / "Modelfile").write_text(MODELFILE)
    (in_tmp / "config.toml").write_text(CONFIG)
    return in_tmp


def program(*arguments: str) -> int:
    """Run `web4mlx serve …` in this process; returns the exit code."""
    app = typer.Typer()
    app.callback()(lambda: None)
    serve.register(app)
    try:
        run_program(lambda: app(["serve", "-c", "config.toml", *arguments]))
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@contextmanager
def started(*arguments: str, **environment: str) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """The program as a process; yields its URL when it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "web4mlx", "serve", "-c", "config.toml", "--port", "0", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, **environment},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()  # type: ignore[union-attr]


def test_it_says_where_it_is_answers_logs_and_stops_on_sigterm(workplace: Path) -> None:
    with started("--gguf", "m.gguf") as (url, process):
        assert url.startswith("http://127.0.0.1:")
        said = ollama.Client(url, trust_env=False).chat("agent", [{"role": "user", "content": "hi"}])
        assert said.message.content == "abcdef"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    kinds = [event for event, _ in read_events(workplace / "outputs" / "serve.jsonl")]
    assert isinstance(kinds[0], Started)
    assert [event.path for event in kinds if isinstance(event, Served)] == ["/api/chat"]


def test_with_a_token_only_those_who_show_it_are_answered(workplace: Path) -> None:
    with started("--gguf", "m.gguf", **{TOKEN_VARIABLE: TOKEN}) as (url, _):
        assert httpx.get(f"{url}/api/tags").status_code == 401
        assert httpx.get(f"{url}/healthz").status_code == 401
        wrong = httpx.get(f"{url}/v1/models", headers={"Authorization": "Bearer wrong"})
        assert (wrong.status_code, wrong.json()["error"]["type"]) == (401, "api_error")
        right = httpx.get(f"{url}/v1/models", headers={"Authorization": f"Bearer {TOKEN}"})
        assert right.status_code == 200


def test_other_hosts_and_foreign_pages_are_kept_out(workplace: Path) -> None:
    with started("--gguf", "m.gguf") as (url, _):
        assert httpx.get(f"{url}/api/tags", headers={"Host": "evil.example"}).status_code == 403
        assert httpx.get(f"{url}/api/tags", headers={"Origin": "https://evil.example"}).status_code == 403
        assert httpx.get(f"{url}/api/tags", headers={"Origin": "null"}).status_code == 403
        assert httpx.get(f"{url}/api/tags", headers={"Origin": "http://localhost:3000"}).status_code == 200


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--host", "0.0.0.0"], 2, "0.0.0.0 is not this machine alone"),
        (["--host", "0.0.0.0", "--allow-remote"], 2, "there is no token"),
        (["--gguf", "none.gguf", "--port", "0"], 3, "none.gguf: no such GGUF file"),
        (["--gguf", "Modelfile", "--port", "0"], 4, "llama.cpp cannot load it"),
        (["--ollama", "other.host:1"], 2, "not this machine"),
    ],
)
def test_what_cannot_be_served_is_refused_before_anything_listens(
    workplace: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, said: str
) -> None:
    assert program(*arguments) == code
    err = capsys.readouterr().err
    assert said in err
    assert "hint: " in err


def test_a_taken_port_is_a_missing_prerequisite(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert program("--gguf", "m.gguf", "--port", str(other.getsockname()[1])) == 3
    assert "choose one with --port" in capsys.readouterr().err


def test_a_dry_run_listens_nowhere(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert program("--dry-run", "--json", "--port", "4711") == 0
    planned = json.loads(capsys.readouterr().out)
    store = "none: outputs/rag has not been built (`web4mlx rag build SOURCE --db outputs/rag`)"
    assert planned == {
        "address": "http://127.0.0.1:4711",
        "behind": "http://127.0.0.1:11434",
        "store": store,
        "token": False,
    }


def test_a_dry_run_names_the_store_that_would_be_asked(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build(write_files(workplace / "repo"), workplace / "outputs" / "rag")
    assert program("--dry-run") == 0
    assert "store: outputs/rag\n" in capsys.readouterr().out


@pytest.fixture
def double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OllamaDouble]:
    folder = tmp_path_factory.mktemp("ollama")
    with running_double(folder / "models") as running:
        gguf = write_agent(folder / "m.gguf")
        with OllamaServer(running.url) as server:
            server.client.create("agent", files={"m.gguf": server.client.create_blob(gguf)})
        yield running


def test_the_check_looks_at_everything(
    workplace: Path, double: OllamaDouble, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program("--check", "--json", "--ollama", double.url) == 0
    checkup = json.loads(capsys.readouterr().out)
    names = [item["name"] for item in checkup["items"]]
    assert names == ["reachable", "exposure", "Ollama settings", "environment", "model", "cold load",
                     "warm latency", "speed"]  # fmt: skip
    assert all(item["verdict"] in ("ok", "warning") for item in checkup["items"])
    assert program("--check", "--ollama", double.url) == 0
    assert "cold load" in capsys.readouterr().out


def test_the_check_names_a_missing_server_and_a_missing_model(
    workplace: Path, double: OllamaDouble, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program("--check", "--ollama", "127.0.0.1:9") == 3
    assert "no Ollama server there" in capsys.readouterr().out
    assert program("--check", "--ollama", double.url, "--name", "other") == 3
    assert "no model other" in capsys.readouterr().out


def test_a_server_that_others_reach_fails_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web4mlx.serving.checkup.listening_addresses", lambda port: ("0.0.0.0",))
    exposed = check_exposure("http://127.0.0.1:11434")
    assert (exposed.verdict, exposed.exit_code) == ("problem", 1)
    monkeypatch.setattr("web4mlx.serving.checkup.listening_addresses", lambda port: None)
    assert check_exposure("http://127.0.0.1:11434").verdict == "warning"


def test_a_slow_model_is_a_warning_with_advice() -> None:
    from web4mlx.deploy.measure import Speed

    slow, fast, silent = (check_tokens(Speed(1.0, 1.0, rate, None, 3)) for rate in (3.0, 20.0, None))
    assert (slow.verdict, fast.verdict, silent.verdict) == ("warning", "ok", "warning")
    assert "ollama ps" in slow.fix


FAKE_OLLAMA = """#!{python}
import json, os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
if os.environ.get("FAKE_FAILS"):
    sys.exit("listen tcp: out of luck")
json.dump({{k: v for k, v in os.environ.items() if k.startswith("OLLAMA_")}}, open({record!r}, "w"))
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b'{{"version": "0.33.0"}}')
host, port = os.environ["OLLAMA_HOST"].split(":")
HTTPServer((host, int(port)), Handler).serve_forever()
"""


@pytest.fixture
def fake_ollama(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """An `ollama` program that answers with its version; returns the port it is configured for."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    record = str(workplace / "environment.json")
    (workplace / "bin").mkdir()
    (workplace / "bin" / "ollama").write_text(FAKE_OLLAMA.format(python=sys.executable, record=record))
    (workplace / "bin" / "ollama").chmod(0o755)
    with (workplace / "config.toml").open("a") as file:
        file.write(f'[serve.ollama]\nhost = "127.0.0.1:{port}"\nmodels = "models"\nkeep_alive = "10m"\n')
    monkeypatch.setenv("PATH", f"{workplace / 'bin'}:{os.environ['PATH']}")
    return port


def test_ollama_is_started_with_the_configured_environment_and_stopped_again(
    workplace: Path, fake_ollama: int
) -> None:
    with started("--start-ollama", OLLAMA_ORIGINS="*") as (url, _):
        assert httpx.get(f"{url}/api/version").json() == {"version": "0.33.0"}
    environment = json.loads((workplace / "environment.json").read_text())
    assert environment == {
        "OLLAMA_HOST": f"127.0.0.1:{fake_ollama}",
        "OLLAMA_MODELS": str(workplace / "models"),
        "OLLAMA_NUM_PARALLEL": "1",
        "OLLAMA_MAX_LOADED_MODELS": "1",
        "OLLAMA_KEEP_ALIVE": "10m",
    }
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{fake_ollama}/api/version")


def test_an_ollama_that_does_not_start_is_explained_with_its_log(
    workplace: Path, fake_ollama: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAKE_FAILS", "1")
    assert program("--start-ollama", "--port", "0") == 4
    assert "`ollama serve` ended with code 1: listen tcp: out of luck" in capsys.readouterr().err


def test_an_ollama_that_runs_already_or_is_missing_is_said(
    workplace: Path, double: OllamaDouble, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(workplace / "nothing"))
    assert program("--start-ollama", "--port", "0") == 3
    assert "no `ollama` program in PATH" in capsys.readouterr().err
    monkeypatch.setattr("web4mlx.serving.ollama_process.shutil.which", lambda name: "ollama")
    with (workplace / "config.toml").open("a") as file:
        file.write(f'[serve.ollama]\nhost = "{double.url.removeprefix("http://")}"\n')
    assert program("--start-ollama", "--port", "0") == 2
    assert "a server answers there already" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["0.0.0.0:11434", ":11434", "192.168.1.2"])
def test_ollama_is_never_started_where_others_reach_it(
    workplace: Path, fake_ollama: int, capsys: pytest.CaptureFixture[str], host: str
) -> None:
    text = (workplace / "config.toml").read_text()
    (workplace / "config.toml").write_text(text.replace(f"127.0.0.1:{fake_ollama}", host))
    assert program("--start-ollama", "--port", "0") == 2


def test_a_service_unit_is_written_or_shown_and_how_to_enable_it_said(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program("--install-service", "--dry-run", "--gguf", "m.gguf") == 0
    shown = capsys.readouterr()
    assert "enable it: " in shown.err
    assert str(workplace / "m.gguf") in shown.out
    assert program("--install-service", "--json") == 0
    unit = json.loads(capsys.readouterr().out)
    assert Path(unit["path"]).read_text() == unit["text"]
    assert unit["path"].startswith(os.environ["HOME"])


def test_both_supervisors_get_the_same_command(workplace: Path) -> None:
    arguments = ["--gguf", "a folder/m.gguf", "--name", "50%"]
    launchd = plistlib.loads(service_unit(arguments, workplace, "darwin").text.encode())
    assert launchd["ProgramArguments"][1:] == ["-m", "web4mlx", "serve", *arguments]
    assert launchd["WorkingDirectory"] == str(workplace)
    systemd = service_unit(arguments, workplace, "linux").text
    assert '-m web4mlx serve --gguf "a folder/m.gguf" --name "50%%"' in systemd
    assert systemd_quoted('a"$b') == '"a\\"$$b"'
