"""`ollama serve` as a child: started on the loopback with the configured environment, stopped afterwards."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from web4mlx.config.serving import OllamaEnvironment
from web4mlx.engines.endpoint import OLLAMA_PORT, open_http, parse_endpoint
from web4mlx.engines.ollama_server import GET_OLLAMA
from web4mlx.errors import MissingPrerequisite, StageCrashed, UsageError

READY_WITHIN_S = 60.0
STOP_WITHIN_S = 20.0
POLL_S = 0.1
SHOWN_OF_LOG = 600


def environment_of(settings: OllamaEnvironment) -> dict[str, str]:
    """The variables that `ollama serve` is started with.

    Raises:
        UsageError: The host is not this machine alone.
    """
    parse_endpoint(settings.host, OLLAMA_PORT)  # refuses another machine
    if settings.host.rpartition("://")[2].startswith(("0.0.0.0", "[::]", ":")):
        raise UsageError(
            f"serve.ollama.host = {settings.host!r}: others could use and delete your models",
            "Use 127.0.0.1 with a port.",
        )
    named = {
        "OLLAMA_HOST": settings.host,
        "OLLAMA_MODELS": settings.models and str(settings.models.expanduser().absolute()),
        "OLLAMA_NUM_PARALLEL": str(settings.num_parallel),
        "OLLAMA_MAX_LOADED_MODELS": str(settings.max_loaded_models),
        "OLLAMA_KEEP_ALIVE": settings.keep_alive,
        "OLLAMA_CONTEXT_LENGTH": settings.context_length and str(settings.context_length),
    }
    return {name: value for name, value in named.items() if value}


@contextmanager
def running_ollama(settings: OllamaEnvironment, log: Path) -> Iterator[str]:
    """Start Ollama, wait until it answers, and stop it in the end.

    Args:
        settings: Its environment.
        log: What it writes; appended to.

    Yields:
        Its URL.

    Raises:
        MissingPrerequisite: There is no `ollama` program.
        UsageError: Another server answers there already, or the address is not this machine's.
        StageCrashed: It ended, or does not answer in time; with the end of its log.
    """
    program = shutil.which("ollama")
    if program is None:
        raise MissingPrerequisite("no `ollama` program in PATH", GET_OLLAMA)
    environment = environment_of(settings)
    url = parse_endpoint(settings.host, OLLAMA_PORT)
    if answers(url):
        raise UsageError(f"{url}: a server answers there already", "Leave out --start-ollama to use it.")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as written:
        process = start(program, environment, written)
        try:
            wait_until_ready(process, url, log)
            yield url
        finally:
            stop(process)


def start(program: str, environment: Mapping[str, str], written: IO[bytes]) -> "subprocess.Popen[bytes]":
    """Start it in a process group of its own, so that all of its runners end with it."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OLLAMA_")}
    return subprocess.Popen(
        [program, "serve"],
        env={**inherited, **environment},
        stdin=subprocess.DEVNULL,
        stdout=written,
        stderr=written,
        start_new_session=True,
    )


def wait_until_ready(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    """Wait until it answers.

    Raises:
        StageCrashed: It ended, or took too long.
    """
    deadline = time.monotonic() + READY_WITHIN_S
    while not answers(url):
        code = process.poll()
        if code is None and time.monotonic() < deadline:
            time.sleep(POLL_S)
            continue
        how = "does not answer" if code is None else f"ended with code {code}"
        end = log.read_bytes()[-SHOWN_OF_LOG:].decode("utf-8", "replace").strip()
        raise StageCrashed(f"`ollama serve` {how}: {end or 'it wrote nothing'}", f"Its log: {log}")


def answers(url: str) -> bool:
    """Whether an Ollama server answers there."""
    import httpx

    with open_http(url, read_s=5) as http:
        try:
            return http.get("/api/version").status_code == 200
        except httpx.HTTPError:
            return False


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End it and everything that it started: gently, and after a while not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, number)
        try:
            process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            continue
        return
