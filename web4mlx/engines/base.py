"""What every engine speaks: requests, sampling options, responses, and the `Engine` protocol.

No engine lives here and nothing heavy is imported. An engine is a context manager: it is loaded on entry and
leaves no thread, process, socket or file behind on exit.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Protocol, Self

from web4mlx.errors import UsageError

FinishReason = Literal["stop", "length", "error"]
Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SamplingOptions:
    """How the next token is chosen and when an answer ends.

    Defaults are Ollama's, except that `max_tokens` is always a cap. `temperature` 0 is greedy, `top_k` 0 is
    no limit, `seed` None draws a new one each time, `repeat_last_n` is the window of the three penalties in
    tokens.
    """

    temperature: float = 0.8
    top_k: int = 40
    top_p: float = 0.9
    min_p: float = 0.0
    seed: int | None = None
    max_tokens: int = 1024
    stop: tuple[str, ...] = ()
    repeat_penalty: float = 1.0
    repeat_last_n: int = 64
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0

    def __post_init__(self) -> None:
        """Refuse values that no sampler can use.

        Raises:
            UsageError: A value is out of its range; names the field.
        """
        ranges: dict[str, tuple[bool, str]] = {
            "temperature": (0 <= self.temperature <= 100, "0 to 100"),
            "top_k": (self.top_k >= 0, "0 or more"),
            "top_p": (0 < self.top_p <= 1, "above 0, at most 1"),
            "min_p": (0 <= self.min_p <= 1, "0 to 1"),
            "seed": (self.seed is None or 0 <= self.seed < 2**32 - 1, "0 to 4294967294"),
            "max_tokens": (self.max_tokens >= 1, "1 or more"),
            "stop": (all(self.stop), "texts that are not empty"),
            "repeat_penalty": (self.repeat_penalty > 0, "above 0"),
            "repeat_last_n": (self.repeat_last_n >= 0, "0 or more"),
        }
        for name, (is_valid, expected) in ranges.items():
            if not is_valid:
                raise UsageError(f"{name} = {getattr(self, name)!r}: expected {expected}")


@dataclass(frozen=True, slots=True)
class Request:
    """One question: a chat in `messages`, or a raw `prompt` that no template is applied to.

    `tools` are offered to the model by its chat template, in OpenAI's form; llama.cpp only.
    """

    id: str
    messages: tuple[Message, ...] = ()
    prompt: str | None = None
    options: SamplingOptions = SamplingOptions()
    tools: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self) -> None:
        """Refuse a request with neither a chat nor a prompt, or with both.

        Raises:
            UsageError: Names the request.
        """
        if bool(self.messages) == (self.prompt is not None):
            raise UsageError(f"request {self.id!r}: give either messages or a prompt")


@dataclass(frozen=True, slots=True)
class Response:
    """One answer.

    `text` has neither the stop string nor the end token. `finish_reason` is `stop` at an end token or a stop
    string, `length` at `max_tokens` or the end of the context, `error` when the request was refused: then
    `error` says why and `text` is empty. Times count from when the engine took up the request.
    """

    id: str
    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    time_to_first_token_s: float
    total_s: float
    error: str = ""

    @property
    def tokens_per_second(self) -> float:
        """Tokens generated per second after the first one; 0 when there is at most one."""
        decode_s = self.total_s - self.time_to_first_token_s
        return (self.completion_tokens - 1) / decode_s if self.completion_tokens > 1 and decode_s > 0 else 0.0


class AnswerStream:
    """The text of one answer as it is generated; `response` is there once the iteration has ended.

    Args:
        pieces: Starts the answer; yields its text and, last, the response.
    """

    def __init__(self, pieces: Callable[[], Iterator[str | Response]]) -> None:
        self._pieces = pieces
        self.response: Response | None = None

    def __iter__(self) -> Iterator[str]:
        for piece in self._pieces():
            if isinstance(piece, Response):
                self.response = piece
            else:
                yield piece

    def finish(self) -> Response:
        """The response; an answer that was not read to its end is generated first."""
        if self.response is None:
            for _ in self:
                pass
        if self.response is None:
            raise RuntimeError("the engine ended an answer without a response")
        return self.response


class Engine(Protocol):
    """Generates text from one model."""

    def generate(self, requests: Sequence[Request], parallel: int = 1) -> Iterator[Response]:
        """Answer all requests, each exactly once, in the order in which they complete.

        Args:
            requests: Their ids must differ.
            parallel: How many may be worked on at the same time.
        """

    def stream(self, request: Request) -> AnswerStream:
        """Answer one request piece by piece.

        Raises:
            UsageError: While iterating, when the request is refused.
        """

    def describe(self) -> dict[str, Any]:
        """What a report records: engine, version, model path, sha256, context, precision."""

    def close(self) -> None:
        """Stop what is running and release everything."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def refuse_duplicate_ids(requests: Sequence[Request]) -> None:
    """Check that the ids of requests differ.

    Raises:
        UsageError: Names the first id that appears twice.
    """
    seen: set[str] = set()
    for request in requests:
        if request.id in seen:
            raise UsageError(f"request id {request.id!r} is used twice")
        seen.add(request.id)


def context_overflow(prompt_tokens: int, context: int) -> UsageError:
    """The error for a prompt that leaves no room for an answer: nothing is ever cut off silently."""
    return UsageError(
        f"the prompt has {prompt_tokens} tokens, the context holds {context}",
        "Shorten the question or the SYSTEM, or raise `PARAMETER num_ctx` in the Modelfile.",
    )
