"""Loading a GGUF into llama.cpp's in-process server, and learning why it would not load.

llama.cpp logs to stderr and raises without a reason. It is kept silent; only when loading fails is it asked
again with its error messages on and caught.
"""

import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from web4mlx.errors import StageCrashed

_SILENT, _ERRORS = 0, 1


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How a GGUF is loaded: context tokens per slot, slots, CPU threads, and the server's Unix socket."""

    context: int
    parallel: int
    threads: int
    socket: Path


def load_server(gguf: Path, options: LoadOptions) -> Any:
    """Load a model into a running `xllamacpp.Server`.

    Raises:
        StageCrashed: llama.cpp cannot load the file; says why.
    """
    import xllamacpp

    try:
        return xllamacpp.Server(_parameters(gguf, options, _SILENT))
    except RuntimeError:
        options.socket.unlink(missing_ok=True)
    with captured_stderr() as read_captured:
        try:
            return xllamacpp.Server(_parameters(gguf, options, _ERRORS))
        except RuntimeError as error:
            raise StageCrashed(
                f"{gguf}: llama.cpp cannot load it: {load_failure(read_captured())}",
                "The file is damaged, incomplete or of an unknown kind; export or copy it again.",
            ) from error


def _parameters(gguf: Path, options: LoadOptions, verbosity: int) -> Any:
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(gguf)
    parameters.n_ctx = options.context * options.parallel
    parameters.n_parallel = options.parallel
    parameters.cpuparams.n_threads = options.threads
    parameters.cpuparams_batch.n_threads = options.threads
    parameters.use_jinja = True
    parameters.force_pure_content_parser = True  # the text as generated, tool calls and all
    parameters.special = True
    parameters.warmup = False
    parameters.cache_ram_mib = 0
    parameters.n_threads_http = 1
    parameters.endpoint_slots = False
    parameters.ui = False
    parameters.hostnames = [str(options.socket)]
    parameters.verbosity = verbosity
    return parameters


def read_properties(socket_path: Path) -> dict[str, Any]:
    """What the server says about its model: `eos_token`, `chat_template` and more."""
    connection = _UnixConnection(socket_path)
    try:
        connection.request("GET", "/props")
        properties: dict[str, Any] = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    return properties


def count_tokens(socket_path: Path, text: str) -> int:
    """Tokens of a text by the model's own tokenizer; control tokens written in it count as what they are.

    Raises:
        StageCrashed: The server does not tell.
    """
    body = json.dumps({"content": text, "add_special": False, "parse_special": True})
    connection = _UnixConnection(socket_path)
    try:
        connection.request("POST", "/tokenize", body, {"Content-Type": "application/json"})
        return len(json.loads(connection.getresponse().read())["tokens"])
    except (OSError, ValueError, KeyError) as error:
        raise StageCrashed(f"llama.cpp does not count tokens: {error}") from error
    finally:
        connection.close()


class _UnixConnection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def load_failure(log: str) -> str:
    """The reason in llama.cpp's error lines: the first that says more than that loading failed."""
    lines = [line.split(" E ", 1)[-1].strip() for line in log.splitlines() if " E " in line]
    telling = [line for line in lines if "failed to load model" not in line]
    reason = (telling or lines or ["it gives no reason"])[0]
    return reason.removeprefix("llama_model_load: error loading model: ")


@contextmanager
def captured_stderr() -> Iterator[Callable[[], str]]:
    """Send what native code writes to stderr into a file; yields a function that reads it so far."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile("w+b") as file:
        os.dup2(file.fileno(), 2)

        def read() -> str:
            deadline = time.monotonic() + 1.0  # the log is written by a thread of its own
            while True:
                file.seek(0)
                text = file.read().decode("utf-8", "replace")
                if "exiting due to" in text or time.monotonic() > deadline:
                    return text
                time.sleep(0.01)

        try:
            yield read
        finally:
            os.dup2(saved, 2)
            os.close(saved)
