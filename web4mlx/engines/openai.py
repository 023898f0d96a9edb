"""Any server that speaks OpenAI's chat completions: llama.cpp's, MLX's, vLLM, LM Studio and others.

Which bytes such a server has loaded it does not say: its answers are measurements, never a clearance.
"""

import json
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self

from web4mlx.engines.base import AnswerStream, Request, Response
from web4mlx.engines.endpoint import READ_TIMEOUT_S, open_http, parse_endpoint
from web4mlx.engines.remote import RESUME, answer_all, http_failures, refused
from web4mlx.errors import MissingPrerequisite, StageCrashed, Web4Error

DEFAULT_PORT = 8080


class OpenAiEngine:
    """Answers from an OpenAI-compatible server.

    Args:
        endpoint: Its URL, with or without `/v1` at the end.
        model: Its name there; empty takes the first that the server lists.
        parallel: Requests sent at the same time.
        allow_remote: Accept another machine than this one.
        read_timeout_s: The longest silence that is not a failure.

    Raises:
        MissingPrerequisite: No server answers there, or it lists no model and none was named.
    """

    def __init__(
        self,
        endpoint: str,
        model: str = "",
        *,
        parallel: int = 1,
        allow_remote: bool = False,
        read_timeout_s: float = READ_TIMEOUT_S,
    ) -> None:
        url = parse_endpoint(endpoint, DEFAULT_PORT, allow_remote=allow_remote)
        self.url = url.removesuffix("/v1")
        self.parallel = parallel
        self.http = open_http(self.url, read_timeout_s)
        try:
            self.model = model or self._first_model()
        except BaseException:
            self.http.close()
            raise

    def _first_model(self) -> str:
        with http_failures(self.url, "listing models"):
            response = self.http.get("/v1/models")
        if response.status_code != 200:
            raise refusal(self.url, response.status_code, response.content, "listing models")
        try:
            return str(response.json()["data"][0]["id"])
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise MissingPrerequisite(f"{self.url} lists no model", "Name one with --model.") from error

    def generate(self, requests: Sequence[Request], parallel: int = 1) -> Iterator[Response]:
        """Answer all requests in the order in which they complete; see `Engine.generate`.

        Raises:
            MissingPrerequisite: The server is gone; what it answered has been yielded.
            StageCrashed: The server failed, likewise.
        """
        return answer_all(requests, min(parallel, self.parallel), self._pieces)

    def stream(self, request: Request) -> AnswerStream:
        """Answer one request piece by piece; leaving the iteration early closes the connection."""
        return AnswerStream(lambda: self._pieces(request))

    def _pieces(self, request: Request) -> Iterator[str | Response]:
        reply = _Reply(request.id, time.perf_counter())
        path = "/v1/chat/completions" if request.prompt is None else "/v1/completions"
        doing = f"answering {request.id}"
        with (
            http_failures(self.url, doing),
            self.http.stream("POST", path, json=request_body(request, self.model)) as stream,
        ):
            if stream.status_code != 200:
                raise refusal(self.url, stream.status_code, stream.read(), doing)
            for line in stream.iter_lines():
                if text := reply.take(self.url, line):
                    yield text
                if reply.is_done:
                    break
        yield reply.response(self.url)

    def describe(self) -> dict[str, Any]:
        """Engine, model and server; its version and the model's digest are unknown."""
        return {
            "engine": "openai",
            "version": "",
            "model": self.model,
            "sha256": "",
            "parallel": self.parallel,
            "endpoint": self.url,
        }

    def close(self) -> None:
        """Close the connection."""
        self.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Reply:
    """One answer as its server-sent events arrive; times by this clock."""

    def __init__(self, request_id: str, start: float) -> None:
        self.request_id = request_id
        self.start = start
        self.first_at = 0.0
        self.texts: list[str] = []
        self.finish = ""
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.is_done = False

    def take(self, url: str, line: str) -> str:
        """Take one line of the stream; returns the text in it.

        Raises:
            StageCrashed: The server reports an error, or the line is not what it should be.
        """
        if not line.startswith("data:"):
            return ""
        data = line.removeprefix("data:").strip()
        if data == "[DONE]":
            self.is_done = True
            return ""
        try:
            event = json.loads(data)
            if "error" in event:
                raise StageCrashed(f"{url}: answering {self.request_id}: {event['error']}", RESUME)
            usage = event.get("usage") or {}
            self.prompt_tokens = int(usage.get("prompt_tokens") or self.prompt_tokens)
            self.completion_tokens = int(usage.get("completion_tokens") or self.completion_tokens)
            choice = (event.get("choices") or [{}])[0]
            self.finish = choice.get("finish_reason") or self.finish
            text = choice.get("text") or (choice.get("delta") or {}).get("content") or ""
        except (ValueError, AttributeError, TypeError, LookupError, OverflowError) as error:
            raise StageCrashed(f"{url}: not an event of an answer: {data[:200]}", RESUME) from error
        if text:
            self.first_at = self.first_at or time.perf_counter()
            self.texts.append(text)
        return str(text)

    def response(self, url: str) -> Response:
        """The complete answer.

        Raises:
            StageCrashed: The stream ended before the answer did.
        """
        end = time.perf_counter()
        if not self.finish:
            raise StageCrashed(f"{url}: the answer to {self.request_id} ends half-way", RESUME)
        return Response(
            id=self.request_id,
            text="".join(self.texts),
            finish_reason="length" if self.finish == "length" else "stop",
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            time_to_first_token_s=(self.first_at or end) - self.start,
            total_s=end - self.start,
        )


def request_body(request: Request, model: str) -> dict[str, Any]:
    """The request in OpenAI's form, with the sampling options that local servers know beyond it."""
    options = request.options
    body: dict[str, Any] = {
        "model": model,
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": options.temperature,
        "top_p": options.top_p,
        "top_k": options.top_k,
        "min_p": options.min_p,
        "max_tokens": options.max_tokens,
        "repeat_penalty": options.repeat_penalty,
        "repeat_last_n": options.repeat_last_n,
        "presence_penalty": options.presence_penalty,
        "frequency_penalty": options.frequency_penalty,
    }
    if options.stop:
        body["stop"] = list(options.stop)
    if options.seed is not None:
        body["seed"] = options.seed
    if request.prompt is None:
        body["messages"] = [dict(message) for message in request.messages]
    else:
        body["prompt"] = request.prompt
    return body


def refusal(url: str, status: int, body: bytes, doing: str) -> Web4Error:
    """What a server says when it does not answer."""
    try:
        said = json.loads(body)["error"]
        message = str(said["message"] if isinstance(said, dict) else said)
    except (ValueError, KeyError, TypeError):
        message = body[:300].decode("utf-8", "replace")
    return refused(url, status, message, doing)
