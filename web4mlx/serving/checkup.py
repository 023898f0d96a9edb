"""`web4mlx serve --check`: is the Ollama server there, has it the model, how fast is it, who can reach it."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import urlsplit

from web4mlx.deploy.measure import Speed, ask, measure_speed
from web4mlx.deploy.names import ModelName
from web4mlx.engines.ollama import find_model
from web4mlx.engines.ollama_server import OllamaServer
from web4mlx.errors import ExitCode, Web4Error
from web4mlx.events import EventLog
from web4mlx.machine.doctor.exposure import STAY_LOCAL, check_settings
from web4mlx.machine.doctor.item import Item, from_error, ok, warning
from web4mlx.machine.doctor.listeners import is_loopback, listening_addresses

COLD_LOAD_TARGET_S = 5.0
TOKENS_PER_SECOND_TARGET = 15.0
WARM_TARGET_S = 0.2
Sleep = Callable[[float], None]


def check_server(server: OllamaServer, name: ModelName, sleep: Sleep = time.sleep) -> Iterator[Item]:
    """Look at everything, in the order in which it matters; what depends on a failure is left out.

    The model is unloaded once, so that its loading can be measured.

    Args:
        server: The connection.
        name: The model.
        sleep: Waits between looks.
    """
    try:
        yield ok("reachable", f"{server.url}: Ollama {server.version()}")
    except Web4Error as error:
        yield from_error("reachable", error)
        return
    yield check_exposure(server.url)
    yield from check_environment(os.environ)
    try:
        digest = find_model(server, str(name))
        yield ok("model", f"{name}, digest {digest.removeprefix('sha256:')[:12]}")
        yield from check_speed(server, name, sleep)
    except Web4Error as error:
        yield from_error("model", error)


def check_speed(server: OllamaServer, name: ModelName, sleep: Sleep) -> Iterator[Item]:
    """Cold load, warm latency, tokens per second against the plan's targets for an M1.

    Raises:
        Web4Error: The server failed meanwhile.
    """
    speed = measure_speed(server, name, EventLog(None, str(name), "check"), sleep)
    start = time.perf_counter()
    ask(server, name, "Say yes.", 1)
    warm_s = time.perf_counter() - start
    cold_s = speed.cold_load_s if speed.cold_load_s is not None else speed.cold_first_answer_s
    yield judged("cold load", cold_s, "s", f"at most {COLD_LOAD_TARGET_S:g} s", cold_s <= COLD_LOAD_TARGET_S)
    yield judged("warm latency", warm_s, "s", f"at most {WARM_TARGET_S:g} s", warm_s <= WARM_TARGET_S)
    yield check_tokens(speed)


def check_tokens(speed: Speed) -> Item:
    """Tokens per second."""
    rate = speed.tokens_per_second
    if rate is None:
        return warning("speed", "the server does not say how fast it answers", "Update Ollama.")
    wanted = f"at least {TOKENS_PER_SECOND_TARGET:g} tokens/s"
    return judged("speed", rate, "tokens/s", wanted, rate >= TOKENS_PER_SECOND_TARGET)


def judged(name: str, value: float, unit: str, wanted: str, is_met: bool) -> Item:
    """A figure; a missed target is a warning, since it depends on the machine."""
    shown = f"{value:.2f} {unit} ({wanted})"
    if is_met:
        return ok(name, shown)
    return warning(name, shown, "Is the model on the GPU, and nothing else loaded? `ollama ps` says so.")


def check_exposure(url: str) -> Item:
    """Whether others can reach the port of the server that was asked."""
    parts = urlsplit(url)
    port = parts.port or 80
    addresses = listening_addresses(port)
    exposed = [address for address in addresses or () if not is_loopback(address)]
    if exposed:
        detail = f"port {port} listens on {', '.join(exposed)}: others can use and delete your models"
        return Item(
            name="exposure", verdict="problem", detail=detail, fix=STAY_LOCAL, exit_code=ExitCode.CHECK_FAILED
        )
    if addresses is None:
        fix = f"Look for yourself: `netstat -an | grep {port}` should show 127.0.0.1 only."
        return warning("exposure", f"cannot see who listens on {port}", fix)
    return ok("exposure", f"port {port} listens on {', '.join(addresses) or parts.hostname} only")


def check_environment(environment: Mapping[str, str]) -> Iterator[Item]:
    """What the environment of this shell would mean for a server that is started from it."""
    yield check_settings(environment)
    named = {key: value for key, value in environment.items() if key.startswith("OLLAMA_")}
    named.pop("OLLAMA_API_KEY", None)
    shown = ", ".join(f"{key}={value}" for key, value in sorted(named.items()))
    if (parallel := named.get("OLLAMA_NUM_PARALLEL", "1")) not in ("", "0", "1"):
        detail = f"OLLAMA_NUM_PARALLEL={parallel}: answers may differ from those of the evaluation"
        yield warning("environment", detail, "`unset OLLAMA_NUM_PARALLEL`, then restart Ollama.")
    else:
        yield ok("environment", shown or "no OLLAMA_ settings: its defaults hold")
