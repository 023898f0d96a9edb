"""What stands behind the server: something that answers, and says what it is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.requests import Request as HttpRequest
from starlette.responses import Response as HttpResponse

from web4mlx.serving.asked import Asked

CountTokens = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What fitting a prompt needs to know of a model.

    `context` is in tokens, prompt and answer together; `answer_tokens` is the cap of an answer, 0 without
    one; `opening_tokens` are those of the SYSTEM and the turns before each chat. `is_exact` is false when
    tokens can only be estimated.
    """

    context: int
    answer_tokens: int
    opening_tokens: int
    count_tokens: CountTokens
    is_exact: bool


class Backend(Protocol):
    """Answers requests; opened and closed with the server."""

    kind: str

    async def answer(self, asked: Asked, http: HttpRequest, headers: dict[str, str]) -> HttpResponse:
        """Answer one of the three routes that ask for answers, with further headers.

        Raises:
            Web4Error: It is refused or fails before anything is sent.
        """

    async def look(self, path: str, raw: bytes, http: HttpRequest) -> HttpResponse | None:
        """Answer any other route, with the body as it came; None when there is no such route here."""

    async def facts(self, asked: Asked) -> ModelFacts | None:
        """What is known of the model that a request names; None when its own answer will say what is wrong.

        Raises:
            Web4Error: There is no such model.
        """

    async def health(self) -> dict[str, Any]:
        """What `/healthz` shows; `ok` is false when it cannot answer."""

    async def open(self) -> None:
        """Called once, in the event loop, before the first request."""

    async def close(self) -> None:
        """Called once, in the event loop, after the last request."""
