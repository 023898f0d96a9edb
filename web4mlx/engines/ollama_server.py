"""The connection to an Ollama server, through its official client where that can do it.

The client has no call for the version, for asking whether a blob exists and for the rendered prompt, and it
drops fields of answers; those few requests are made directly. Every failure is one of our errors.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from web4mlx.engines.endpoint import (
    OLLAMA_PORT,
    READ_TIMEOUT_S,
    drop_authorization,
    explicit_timeout,
    open_http,
    parse_endpoint,
)
from web4mlx.engines.remote import RESUME, http_failures, refused
from web4mlx.errors import MissingPrerequisite, StageCrashed, Web4Error

GET_OLLAMA = (
    "Get Ollama from ollama.com/download, start it with `OLLAMA_HOST=127.0.0.1:11434 ollama serve`, "
    "and run the command again."
)


class OllamaServer:
    """A connection to one Ollama server.

    Args:
        host: As in OLLAMA_HOST; empty takes OLLAMA_HOST, and without that this machine.
        allow_remote: Accept another machine than this one.
        read_timeout_s: The longest silence that is not a failure.

    Raises:
        UsageError: The address is not valid, or another machine.
    """

    def __init__(
        self, host: str = "", *, allow_remote: bool = False, read_timeout_s: float = READ_TIMEOUT_S
    ) -> None:
        import ollama

        given = host or os.environ.get("OLLAMA_HOST", "")
        self.url = parse_endpoint(given, OLLAMA_PORT, allow_remote=allow_remote)
        self.http = open_http(self.url, read_timeout_s)
        self.client = ollama.Client(
            self.url,
            timeout=explicit_timeout(read_timeout_s),
            trust_env=False,
            follow_redirects=False,
            event_hooks={"request": [drop_authorization]},
        )

    @contextmanager
    def failures(self, doing: str) -> Iterator[None]:
        """Turn every failure of the client and of the connection into an error that names the server."""
        import ollama
        from pydantic import ValidationError

        try:
            with http_failures(self.url, doing):
                yield
        except ollama.ResponseError as error:
            raise refusal(self.url, error, doing) from error
        except (ValidationError, ValueError) as error:
            raise StageCrashed(
                f"{self.url}: {doing}: this is no answer of Ollama: {error}", RESUME
            ) from error

    def version(self) -> str:
        """The server's version.

        Raises:
            MissingPrerequisite: No Ollama server answers there.
        """
        try:
            version = self.get("/api/version").get("version")
        except Web4Error as error:
            raise MissingPrerequisite(f"no Ollama server there: {error.message}", GET_OLLAMA) from error
        if not isinstance(version, str):
            raise MissingPrerequisite(f"{self.url} is not an Ollama server: it has no version", GET_OLLAMA)
        return version

    def digests(self) -> dict[str, str]:
        """The digest of each model there, by its full name; newest first."""
        with self.failures("listing models"):
            models = self.client.list().models
        return {str(model.model): str(model.digest) for model in models}

    def show(self, name: str) -> dict[str, Any]:
        """Everything the server says of a model, `system` included; the client drops that."""
        return self.post("/api/show", {"model": name})

    def get(self, path: str) -> dict[str, Any]:
        """A JSON object from the server."""
        with self.failures(f"GET {path}"):
            return json_object(self.url, self.http.get(path))

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send a JSON object and receive one."""
        with self.failures(f"POST {path}"):
            return json_object(self.url, self.http.post(path, json=body))

    def close(self) -> None:
        """Close the connections."""
        self.http.close()
        self.client.close()  # type: ignore[no-untyped-call]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def refusal(url: str, error: Any, doing: str) -> Web4Error:
    """An `ollama.ResponseError` as one of ours; its status is -1 for an error in the middle of a stream."""
    if error.status_code == -1:
        return StageCrashed(f"{url}: {doing}: {error.error}", RESUME)
    return refused(url, error.status_code, str(error.error), doing)


def json_object(url: str, response: Any) -> dict[str, Any]:
    """The JSON object of an HTTP response.

    Raises:
        Web4Error: The status says otherwise.
        ValueError: The body is something else.
    """
    if response.status_code >= 300:
        try:
            message = str(response.json()["error"])
        except (ValueError, KeyError, TypeError):
            message = response.text[:300]
        raise refused(
            url, response.status_code, message, f"{response.request.method} {response.request.url.path}"
        )
    content = response.json()
    if not isinstance(content, dict):
        raise ValueError("expected a JSON object")
    return content
