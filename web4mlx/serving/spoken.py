"""One answer on its way out: pieces of an engine become text and calls, in the shape of the request."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from web4mlx.engines.base import Response
from web4mlx.errors import StageCrashed, Web4Error
from web4mlx.serving.asked import Asked
from web4mlx.serving.shapes import Shape
from web4mlx.serving.tool_calls import CallFilter, ollama_call, openai_call

Pieces = AsyncGenerator[str | Response, None]


class Spoken:
    """Turns the pieces of one answer into bytes.

    Args:
        asked: The request; calls are looked for only when it offers tools.
        answer_id: Names the answer.
    """

    def __init__(self, asked: Asked, answer_id: str) -> None:
        self.shape = Shape(asked, answer_id)
        self._answer_id = answer_id
        self._is_openai = asked.dialect == "openai"
        self._filter = CallFilter() if asked.body.get("tools") and asked.dialect != "generate" else None
        self._calls = 0

    async def whole(self, pieces: Pieces) -> dict[str, Any]:
        """The answer in one object."""
        texts: list[str] = []
        calls: list[dict[str, Any]] = []
        async with aclosing(pieces):
            async for piece in pieces:
                text, ended = self._take(piece)
                texts.append(text)
                calls += ended
                if isinstance(piece, Response):
                    return self.shape.whole(piece, "".join(texts), calls)
        raise StageCrashed("the engine ended an answer without a response")

    async def stream(self, first: str | Response, pieces: Pieces) -> AsyncGenerator[bytes, None]:
        """The answer in pieces; an error after the first is one of them."""
        async with aclosing(pieces):
            try:
                for part in self._parts(first):
                    yield part
                if isinstance(first, Response):
                    return
                async for piece in pieces:
                    for part in self._parts(piece):
                        yield part
            except Web4Error as error:
                yield self.shape.failure(error.message)

    def _parts(self, piece: str | Response) -> list[bytes]:
        text, calls = self._take(piece)
        parts = [self.shape.piece(text, calls)] if text or calls else []
        return [*parts, self.shape.end(piece, self._calls > 0)] if isinstance(piece, Response) else parts

    def _take(self, piece: str | Response) -> tuple[str, list[dict[str, Any]]]:
        """The text of a piece and the calls that ended in it; a response ends everything."""
        if self._filter is None:
            return ("" if isinstance(piece, Response) else piece), []
        text, calls = self._filter.flush() if isinstance(piece, Response) else self._filter.push(piece)
        return text, [self._shaped(call) for call in calls]

    def _shaped(self, call: Mapping[str, Any]) -> dict[str, Any]:
        number, self._calls = self._calls, self._calls + 1
        return openai_call(call, number, self._answer_id) if self._is_openai else ollama_call(call)
