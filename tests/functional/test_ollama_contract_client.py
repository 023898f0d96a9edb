"""What the official client does with a server, and what we make of it. Contract tests 9 and 12 to 15."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import ollama
import pytest

from tests.ollama_double import Fault, OllamaDouble
from tests.ollama_double.agent import ANSWER, write_agent
from web4mlx.deploy.measure import measure_speed, median, per_second, seconds, sharing, unload
from web4mlx.deploy.names import parse_model_name
from web4mlx.engines.ollama_server import OllamaServer
from web4mlx.errors import MissingPrerequisite, StageCrashed, UsageError, Web4Error
from web4mlx.events import EventLog, Warned
from web4mlx.modelfile import read_modelfile

NAME = parse_model_name("a")
LOG = EventLog(None, "test", "import")
ROOT = Path(__file__).parents[2]
QUESTION = [{"role": "user", "content": "What?"}]


@pytest.fixture
def server(double: OllamaDouble, client: ollama.Client, tmp_path: Path) -> Iterator[OllamaServer]:
    """A connection to a server that has the model `a`."""
    digest = client.create_blob(write_agent(tmp_path / "m.gguf"))
    client.create("a", files={"m.gguf": digest}, system="Spell.", parameters={"num_ctx": 512})
    with OllamaServer(double.url, read_timeout_s=5) as opened:
        yield opened


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, UsageError), (404, MissingPrerequisite), (500, StageCrashed), (503, StageCrashed)],
)
def test_9_a_status_is_a_response_error_and_one_of_ours(
    double: OllamaDouble, server: OllamaServer, status: int, kind: type[Web4Error]
) -> None:
    double.faults.append(Fault("/api/generate", "status", status=status, error="no way"))
    with pytest.raises(ollama.ResponseError) as raw:
        server.client.generate("a", "Hi")
    assert raw.value.status_code == status
    with pytest.raises(kind, match="no way"), server.failures("asking"):
        server.client.generate("a", "Hi")


def test_9_an_error_inside_a_stream_has_the_status_minus_1(
    double: OllamaDouble, server: OllamaServer
) -> None:
    double.faults.append(Fault("/api/generate", "error_line", after=2, error="boom"))
    with pytest.raises(ollama.ResponseError) as raw:
        list(server.client.generate("a", "Hi", stream=True))
    assert raw.value.status_code == -1
    with pytest.raises(StageCrashed, match="boom"), server.failures("asking"):
        list(server.client.generate("a", "Hi", stream=True))


def test_9_a_stream_that_ends_early_raises_nothing_by_itself(
    double: OllamaDouble, server: OllamaServer
) -> None:
    double.faults.append(Fault("/api/generate", "end", after=2))
    parts = list(server.client.generate("a", "Hi", stream=True))
    assert not parts[-1].done


def test_9_no_server_is_told_apart_by_stream_and_is_one_thing_to_us(
    double: OllamaDouble, server: OllamaServer
) -> None:
    gone = OllamaServer("127.0.0.1:9")
    with pytest.raises(ConnectionError):
        gone.client.generate("a", "Hi")
    with pytest.raises(httpx.ConnectError):
        list(gone.client.generate("a", "Hi", stream=True))
    for stream in (False, True):
        with pytest.raises(MissingPrerequisite, match="127.0.0.1:9"), gone.failures("asking"):
            list(gone.client.generate("a", "Hi", stream=stream))
    with pytest.raises(MissingPrerequisite, match="no Ollama server there") as missing:
        gone.version()
    assert "ollama.com/download" in missing.value.hint


def test_9_a_silent_server_is_a_failure_in_time(double: OllamaDouble, server: OllamaServer) -> None:
    double.faults.append(Fault("/api/generate", "stall"))
    with (
        OllamaServer(double.url, read_timeout_s=0.2) as hasty,
        pytest.raises(StageCrashed, match="no answer in time"),
        hasty.failures("asking"),
    ):
        hasty.client.generate("a", "Hi")


def test_9_another_program_on_the_port_is_no_ollama(double: OllamaDouble, server: OllamaServer) -> None:
    double.faults.append(Fault("/api/version", "status", status=404, error="not here"))
    with pytest.raises(MissingPrerequisite, match="no Ollama server there"):
        server.version()


def test_12_a_cold_start_is_measured_after_the_model_is_really_gone(
    double: OllamaDouble, server: OllamaServer
) -> None:
    server.client.generate("a", "Hi")
    loads, double.runners.slow_unload_polls = double.runners.loads, 3
    slept: list[float] = []
    speed = measure_speed(server, NAME, LOG, slept.append)
    assert len(slept) == 3
    assert double.runners.loads == loads + 1
    assert speed.cold_load_s is not None
    assert 0 < speed.cold_load_s < speed.cold_first_answer_s
    assert speed.tokens_per_second is not None
    assert speed.tokens_per_second > 0
    warm = server.client.generate("a", "Hi")
    assert (warm.load_duration or 0) / 1e9 < speed.cold_load_s


def test_12_unloading_says_so_and_comes_before_the_end(double: OllamaDouble, server: OllamaServer) -> None:
    server.client.generate("a", "Hi")
    double.runners.slow_unload_polls = 1
    assert server.client.generate("a", keep_alive=0).done_reason == "unload"
    assert len(server.client.ps().models) == 1
    assert len(server.client.ps().models) == 0


def test_12_a_model_that_stays_loaded_is_reported(
    double: OllamaDouble, server: OllamaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web4mlx.deploy.measure.UNLOAD_LIMIT_S", 0.0)
    server.client.generate("a", "Hi")
    double.runners.slow_unload_polls = 1000
    with pytest.raises(StageCrashed, match="stays loaded"):
        unload(server, NAME, lambda s: None)


def test_12_tags_that_share_a_file_are_found_and_unloaded_together(
    double: OllamaDouble, server: OllamaServer
) -> None:
    server.client.copy("a", "a:other")
    assert sharing(server, NAME) == ["a:other"]
    server.client.generate("a:other", "Hi")
    unload(server, NAME, lambda s: None)
    assert list(server.client.ps().models) == []


def test_13_nanoseconds_become_seconds_and_absent_is_unknown() -> None:
    assert seconds(1_500_000_000) == 1.5
    assert (seconds(None), seconds(0)) == (None, None)
    assert per_second(40, 2_000_000_000) == 20.0
    assert (per_second(40, None), per_second(None, 5), per_second(40, 0)) == (None, None, None)
    assert median([None, 3.0, 1.0, 2.0]) == 2.0
    assert median([None]) is None


def test_13_what_is_zero_is_left_out(server: OllamaServer) -> None:
    loaded = server.client.generate("a")
    assert (loaded.done_reason, loaded.eval_count, loaded.load_duration) == ("load", None, None)
    last = list(server.client.generate("a", "Hi", stream=True))[-1]
    assert last.eval_duration is None or last.eval_duration > 0
    assert last.eval_count == len(ANSWER.split()) + 1


def test_13_an_unknown_speed_is_a_warning(double: OllamaDouble, server: OllamaServer) -> None:
    from web4mlx.deploy.measure import Speed, report

    events: list[Any] = []
    report(Speed(9.0, 10.0, None, None, 3), EventLog(None, "t", "import", events.append))
    report(Speed(0.1, 0.2, 4.0, None, 3), EventLog(None, "t", "import", events.append))
    assert [e.code for e in events if isinstance(e, Warned)] == ["slow-load", "no-speed", "slow-answers"]


def rendered(server: OllamaServer, model: str, body: dict[str, Any], path: str = "/api/chat") -> str:
    answer = server.post(path, {"model": model, "_debug_render_only": True, "stream": False, **body})
    return str(answer["_debug_info"]["rendered_template"])


def test_14_system_reaches_both_endpoints_and_can_be_overridden(server: OllamaServer) -> None:
    turn = "<|im_start|>user\nWhat?<|im_end|>\n<|im_start|>assistant\n"
    own, other = "<|im_start|>system\nSpell.<|im_end|>\n", "<|im_start|>system\nOther.<|im_end|>\n"
    assert rendered(server, "a", {"messages": QUESTION}) == own + turn
    assert rendered(server, "a", {"prompt": "What?"}, "/api/generate") == own + turn
    chat = [{"role": "system", "content": "Other."}, *QUESTION]
    assert rendered(server, "a", {"messages": chat}) == other + turn
    assert rendered(server, "a", {"prompt": "What?", "system": "Other."}, "/api/generate") == other + turn


@pytest.mark.parametrize("template", ["", "shipped"])
def test_14_with_and_without_a_template_the_prompt_is_the_same(
    double: OllamaDouble, server: OllamaServer, tmp_path: Path, template: str
) -> None:
    shipped = read_modelfile(ROOT / "configs" / "demo.Modelfile").template
    source = server.show("a")["template"]
    fields = {"template": shipped} if template else {}
    server.client.create("b", from_="a", **fields)
    assert server.show("b")["template"] == (shipped if template else source)
    assert rendered(server, "b", {"messages": QUESTION}) == rendered(server, "a", {"messages": QUESTION})


def test_14_an_old_server_without_a_template_falls_back_to_the_bare_prompt(
    double: OllamaDouble, server: OllamaServer
) -> None:
    double.server_version = "0.24.0"
    assert server.show("a")["template"] == "{{ .Prompt }}"
    assert rendered(server, "a", {"messages": QUESTION}) == "What?"


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_15_proxies_of_the_environment_are_not_used(
    server: OllamaServer, double: OllamaDouble, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    with OllamaServer(double.url) as opened:
        assert opened.version() == "0.33.0"
        assert "a:latest" in opened.digests()


def test_15_a_key_in_the_environment_is_not_sent(
    double: OllamaDouble, server: OllamaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_API_KEY", "secret")
    double.requests.clear()
    with OllamaServer(double.url) as opened:
        opened.version()
        opened.digests()
        list(opened.client.generate("a", "Hi", stream=True))
    assert len(double.requests) == 3
    assert not any("authorization" in map(str.lower, headers) for _, _, headers in double.requests)


def test_15_every_client_has_an_explicit_limit(server: OllamaServer) -> None:
    for timeout in (server.http.timeout, server.client._client.timeout):
        assert None not in (timeout.connect, timeout.read, timeout.write, timeout.pool)


def test_15_redirects_to_elsewhere_are_not_followed(double: OllamaDouble, server: OllamaServer) -> None:
    double.faults.append(Fault("/api/tags", "status", status=302, error="go there"))
    with pytest.raises(Web4Error, match="302"):
        server.digests()
