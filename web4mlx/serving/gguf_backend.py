"""A GGUF behind the server: llama.cpp in this process, as many answers at a time as it has slots."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, StreamingResponse
from starlette.responses import Response as HttpResponse

from web4mlx.engines.base import Engine, Request, Response, SamplingOptions
from web4mlx.errors import MissingPrerequisite, StageCrashed, UsageError, Web4Error
from web4mlx.serving.asked import Asked, parse_object
from web4mlx.serving.backend import CountTokens, ModelFacts
from web4mlx.serving.bridge import stream_pieces
from web4mlx.serving.disconnect import unless_disconnected
from web4mlx.serving.options import chosen_options, refuse_unsupported
from web4mlx.serving.shapes import NDJSON, SSE, Shape, stamp
from web4mlx.serving.turns import engine_turns

MAX_WAITING = 512  # Ollama's OLLAMA_MAX_QUEUE
BUSY = "server busy, please try again.  maximum pending requests exceeded"


@dataclass(frozen=True, slots=True)
class ServedModel:
    """The model as clients see it: its name, its Modelfile's SYSTEM and turns, and what `show` says."""

    name: str
    context: int
    options: SamplingOptions
    opening: tuple[Mapping[str, Any], ...]
    shown: Mapping[str, Any]
    tag: Mapping[str, Any]


class GgufBackend:
    """Serves one GGUF through an engine.

    Args:
        engine: Opened; it is closed by who opened it.
        model: What clients see.
        count_tokens: Tokens of a text, by the model's own tokenizer.
        parallel: How many answers are generated together.
    """

    kind = "gguf"

    def __init__(
        self, engine: Engine, model: ServedModel, count_tokens: CountTokens, parallel: int = 1
    ) -> None:
        self.engine = engine
        self.model = model
        self.count_tokens = count_tokens
        self._slots = asyncio.Semaphore(parallel)
        self._waiting = 0

    async def open(self) -> None:
        """Nothing to do: the model is loaded."""

    async def close(self) -> None:
        """Nothing to do: the engine is closed by who opened it."""

    async def health(self) -> dict[str, Any]:
        """The model and how many requests wait for a slot."""
        return {"ok": True, "backend": self.kind, "model": self.model.name, "waiting": self._waiting}

    async def facts(self, asked: Asked) -> ModelFacts:
        """Context, cap and tokenizer of the one model."""
        self._require(asked.model)
        limit = chosen_options(asked, self.model.options).max_tokens
        return ModelFacts(self.model.context, min(limit, self.model.context), self.count_tokens, True)

    def _require(self, name: str) -> None:
        if not name:
            raise UsageError("model is required")
        if name.casefold().removesuffix(":latest") != self.model.name.casefold().removesuffix(":latest"):
            raise MissingPrerequisite(f"model '{name}' not found")

    async def answer(self, asked: Asked, http: HttpRequest) -> HttpResponse:
        """Generate an answer; the client's leaving ends the generation."""
        self._require(asked.model)
        refuse_unsupported(asked)
        shape = Shape(asked, uuid.uuid4().hex[:12])
        if not asked.body.get("prompt" if asked.dialect == "generate" else "messages"):
            return self._loaded(asked)
        request = self._request(asked, shape)
        pieces = self._pieces(request)
        if not asked.wants_stream:
            return await unless_disconnected(http, self._whole(shape, pieces))
        first = await unless_disconnected(http, anext(pieces))
        media = SSE if asked.dialect == "openai" else NDJSON
        return StreamingResponse(_stream(shape, first, pieces), media_type=media)

    def _loaded(self, asked: Asked) -> HttpResponse:
        if asked.dialect == "openai":
            raise UsageError("[] is too short - 'messages'")
        is_generate = asked.dialect == "generate"
        empty = {"response": ""} if is_generate else {"message": {"role": "assistant", "content": ""}}
        head = {"model": asked.model, "created_at": stamp_now()}
        return JSONResponse({**head, **empty, "done": True, "done_reason": "load"})

    def _request(self, asked: Asked, shape: Shape) -> Request:
        options = chosen_options(asked, self.model.options)
        name = f"{shape.now.timestamp():.6f}"
        if asked.body.get("raw"):
            return Request(name, prompt=str(asked.body["prompt"]), options=options)
        return Request(name, tuple(engine_turns(asked, self.model.opening)), options=options)

    async def _pieces(self, request: Request) -> AsyncIterator[str | Response]:
        if self._waiting >= MAX_WAITING:
            raise StageCrashed(BUSY)
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
        try:
            async for piece in stream_pieces(self.engine, request):
                yield piece
        finally:
            self._slots.release()

    async def _whole(self, shape: Shape, pieces: AsyncIterator[str | Response]) -> HttpResponse:
        async for piece in pieces:
            if isinstance(piece, Response):
                return JSONResponse(shape.whole(piece, piece.text, []))
        raise StageCrashed("the engine ended an answer without a response")

    async def look(self, path: str, http: HttpRequest) -> HttpResponse | None:
        """`tags`, `ps`, `show`, `version` and OpenAI's list of models."""
        from web4mlx import __version__

        if path == "/api/version":
            return JSONResponse({"version": f"{__version__}-web4mlx"})
        if path in ("/api/tags", "/api/ps"):
            return JSONResponse({"models": [self.model.tag]})
        if path == "/v1/models":
            entry = {"id": self.model.name, "object": "model", "created": 0, "owned_by": "library"}
            return JSONResponse({"object": "list", "data": [entry]})
        if path == "/api/show":
            body = parse_object(await http.body())
            self._require(str(body.get("model") or body.get("name") or ""))
            return JSONResponse(self.model.shown)
        return None


async def _stream(
    shape: Shape, first: str | Response, pieces: AsyncIterator[str | Response]
) -> AsyncIterator[bytes]:
    try:
        if isinstance(first, str):
            yield shape.piece(first)
            async for piece in pieces:
                yield shape.end(piece, False) if isinstance(piece, Response) else shape.piece(piece)
        else:
            yield shape.end(first, False)
    except Web4Error as error:
        yield shape.failure(error.message)


def stamp_now() -> str:
    """The time as Ollama writes it."""
    from datetime import UTC, datetime

    return stamp(datetime.now(UTC))
