"""Ollama as an engine: the models of a running server, through the official client.

The server cuts a prompt that does not fit without saying so. The context is therefore always sent, and an
answer to a prompt that may have been cut is an error.
"""

import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self

from web4mlx.artifacts import sha256_bytes
from web4mlx.engines.base import AnswerStream, FinishReason, Request, Response, SamplingOptions
from web4mlx.engines.endpoint import READ_TIMEOUT_S
from web4mlx.engines.ollama_server import OllamaServer
from web4mlx.engines.remote import RESUME, answer_all
from web4mlx.errors import MissingPrerequisite, StageCrashed, UsageError

KEEP_ALIVE = "30m"
TOKENS_PER_TURN = 16  # no template adds more to one turn


class OllamaEngine:
    """Answers from a model of an Ollama server.

    Args:
        model: Its name there.
        host: As in OLLAMA_HOST; empty takes OLLAMA_HOST, else this machine.
        context: Tokens of prompt and answer together; sent as `num_ctx`.
        parallel: Requests sent at the same time; the server itself works on OLLAMA_NUM_PARALLEL, mostly 1.
        allow_remote: Accept another machine than this one.
        read_timeout_s: The longest silence that is not a failure, that of the first load included.

    Raises:
        MissingPrerequisite: No server answers there, or it has no such model.
        StageCrashed: The model cannot be loaded; says why.
    """

    def __init__(
        self,
        model: str,
        host: str = "",
        *,
        context: int = 4096,
        parallel: int = 1,
        allow_remote: bool = False,
        read_timeout_s: float = READ_TIMEOUT_S,
    ) -> None:
        self.model = model
        self.context = context
        self.parallel = parallel
        self.server = OllamaServer(host, allow_remote=allow_remote, read_timeout_s=read_timeout_s)
        try:
            self._version = self.server.version()
            self._digest = find_model(self.server, model)
            self._shown = self.server.show(model)
            self.warm_up()
        except BaseException:
            self.server.close()
            raise

    def warm_up(self) -> None:
        """Load the model with this context, so that no later answer pays for it."""
        with self.server.failures(f"loading {self.model}"):
            loaded = self.server.client.generate(
                self.model, options={"num_ctx": self.context}, keep_alive=KEEP_ALIVE
            )
        if not loaded.done:
            raise StageCrashed(f"{self.server.url}: {self.model} was not loaded", RESUME)

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
        start = time.perf_counter()
        first_at = 0.0
        texts: list[str] = []
        last: Any = None
        with self.server.failures(f"answering {request.id}"):
            for last in self._chunks(request):
                text = last.response if request.messages == () else last.message.content
                if text:
                    first_at = first_at or time.perf_counter()
                    texts.append(text)
                    yield text
        end = time.perf_counter()
        if last is None or not last.done:
            raise StageCrashed(f"{self.server.url}: the answer to {request.id} ends half-way", RESUME)
        prompt_tokens = last.prompt_eval_count or 0
        self._refuse_cut(request, prompt_tokens)
        yield Response(
            id=request.id,
            text="".join(texts),
            finish_reason=finish_reason(last.done_reason),
            prompt_tokens=prompt_tokens,
            completion_tokens=last.eval_count or 0,
            time_to_first_token_s=(first_at or end) - start,
            total_s=end - start,
        )

    def _chunks(self, request: Request) -> Iterator[Any]:
        options = ollama_options(request.options, self.context)
        client = self.server.client
        if request.prompt is not None:
            return client.generate(
                self.model, request.prompt, raw=True, options=options, keep_alive=KEEP_ALIVE, stream=True
            )
        return client.chat(
            self.model, list(request.messages), options=options, keep_alive=KEEP_ALIVE, stream=True
        )

    def _refuse_cut(self, request: Request, prompt_tokens: int) -> None:
        """A token is a byte at least; a cut leaves about half the context."""
        if most_tokens(request) > self.context and prompt_tokens >= self.context // 2 - TOKENS_PER_TURN:
            raise UsageError(
                f"the prompt may have been cut: {prompt_tokens} tokens arrived, num_ctx is {self.context}",
                "Shorten the question or raise `PARAMETER num_ctx` in the Modelfile.",
            )

    def describe(self) -> dict[str, Any]:
        """Engine, version, model, the digest of its manifest, template, context and server."""
        details = self._shown.get("details") or {}
        return {
            "engine": "ollama",
            "version": self._version,
            "model": self.model,
            "sha256": self._digest.removeprefix("sha256:"),
            "chat_template_sha256": sha256_bytes(str(self._shown.get("template", "")).encode()),
            "context": self.context,
            "parallel": self.parallel,
            "precision": str(details.get("quantization_level", "")),
            "endpoint": self.server.url,
        }

    def close(self) -> None:
        """Close the connection; the model stays loaded until its time is over."""
        self.server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def find_model(server: OllamaServer, model: str) -> str:
    """The digest of a model's manifest.

    Raises:
        MissingPrerequisite: The server has no such model; names those it has.
    """
    digests = server.digests()
    wanted = (model if ":" in model.rpartition("/")[2] else f"{model}:latest").casefold()
    for name, digest in digests.items():
        if name.casefold() == wanted:
            return digest
    known = ", ".join(sorted(digests)) or "none"
    raise MissingPrerequisite(
        f"{server.url} has no model {model}", f"It has: {known}. `web4mlx import` adds one."
    )


def ollama_options(options: SamplingOptions, context: int) -> dict[str, Any]:
    """Sampling options in Ollama's names; each is sent, so that nothing depends on the model's own."""
    return {
        "temperature": options.temperature,
        "top_k": options.top_k,
        "top_p": options.top_p,
        "min_p": options.min_p,
        "seed": -1 if options.seed is None else options.seed,
        "num_predict": options.max_tokens,
        "num_ctx": context,
        "stop": list(options.stop),
        "repeat_penalty": options.repeat_penalty,
        "repeat_last_n": options.repeat_last_n,
        "presence_penalty": options.presence_penalty,
        "frequency_penalty": options.frequency_penalty,
    }


def finish_reason(done_reason: str | None) -> FinishReason:
    """Ollama's `done_reason` as ours."""
    return "length" if done_reason == "length" else "stop"


def most_tokens(request: Request) -> int:
    """More tokens than these a prompt cannot have: its bytes, and what templates add."""
    texts = [str(turn.get("content") or "") for turn in request.messages] or [request.prompt or ""]
    return sum(len(text.encode("utf-8", "replace")) + TOKENS_PER_TURN for text in texts)
