"""A GGUF behind the server: llama.cpp in this process, as many answers at a time as it has slots."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse
from starlette.responses import Response as HttpResponse

from web4mlx import __version__
from web4mlx.assistant.counting import RememberedCounts
from web4mlx.engines.base import Engine, Request, SamplingOptions
from web4mlx.errors import MissingPrerequisite, UsageError
from web4mlx.serving.asked import Asked, parse_object
from web4mlx.serving.backend import CountTokens, ModelFacts
from web4mlx.serving.bridge import Slots
from web4mlx.serving.disconnect import LimitedStream, unless_disconnected
from web4mlx.serving.options import chosen_options, refuse_unsupported
from web4mlx.serving.shapes import NDJSON, SSE, stamp
from web4mlx.serving.spoken import Spoken
from web4mlx.serving.turns import engine_turns

LONGEST_LINE = 512  # Ollama's OLLAMA_MAX_QUEUE


@dataclass(frozen=True, slots=True)
class ServedModel:
    """The model as clients see it.

    `opening` is the Modelfile's SYSTEM and turns, `shown` what `show` says, `tag` its entry in the list.
    """

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
        answer_s: Longest time of one answer.
    """

    kind = "gguf"

    def __init__(
        self,
        engine: Engine,
        model: ServedModel,
        count_tokens: CountTokens,
        parallel: int = 1,
        answer_s: float = 1800,
    ) -> None:
        self.model = model
        self.count_tokens = RememberedCounts(count_tokens)
        self.answer_s = answer_s
        self.slots = Slots(engine, parallel, LONGEST_LINE)
        opening = "\n".join(str(turn["content"]) for turn in model.opening)
        self._opening_tokens = count_tokens(opening) if opening else 0

    async def open(self) -> None:
        """Nothing to do: the model is loaded."""

    async def close(self) -> None:
        """Stop what is being generated; the engine is closed by who opened it."""
        await self.slots.close()

    async def health(self) -> dict[str, Any]:
        """The model and how many requests wait for a slot."""
        return {"ok": True, "backend": self.kind, "model": self.model.name, "waiting": self.slots.waiting}

    async def facts(self, asked: Asked) -> ModelFacts:
        """Context, cap and tokenizer of the one model."""
        self._require(asked.model)
        limit = min(chosen_options(asked, self.model.options).max_tokens, self.model.context)
        return ModelFacts(self.model.context, limit, self._opening_tokens, self.count_tokens, True)

    def _require(self, name: str) -> None:
        if not name:
            raise UsageError("model is required")
        if name.casefold().removesuffix(":latest") != self.model.name.casefold().removesuffix(":latest"):
            raise MissingPrerequisite(f"model '{name}' not found")

    async def answer(self, asked: Asked, http: HttpRequest, headers: dict[str, str]) -> HttpResponse:
        """Generate an answer; the client's leaving ends the generation."""
        self._require(asked.model)
        refuse_unsupported(asked)
        if not asked.body.get("prompt" if asked.dialect == "generate" else "messages"):
            return self._loaded(asked)
        answer_id = uuid.uuid4().hex[:12]
        spoken = Spoken(asked, answer_id)
        pieces = self.slots.stream(self._request(asked, answer_id))
        if not asked.wants_stream:
            whole = await unless_disconnected(http, spoken.whole(pieces), self.answer_s)
            return JSONResponse(whole, headers=headers)
        first = await unless_disconnected(http, anext(pieces), self.answer_s)
        media = SSE if asked.dialect == "openai" else NDJSON
        return LimitedStream(spoken.stream(first, pieces), media, self.answer_s, headers=headers)

    def _loaded(self, asked: Asked) -> HttpResponse:
        """What a request without a question gets: it only wanted the model loaded."""
        if asked.dialect == "openai":
            raise UsageError("[] is too short - 'messages'")
        is_generate = asked.dialect == "generate"
        empty = {"response": ""} if is_generate else {"message": {"role": "assistant", "content": ""}}
        head = {"model": asked.model, "created_at": stamp(datetime.now(UTC))}
        return JSONResponse({**head, **empty, "done": True, "done_reason": "load"})

    def _request(self, asked: Asked, answer_id: str) -> Request:
        options = chosen_options(asked, self.model.options)
        if asked.body.get("raw"):
            return Request(answer_id, prompt=str(asked.body["prompt"]), options=options)
        turns = tuple(engine_turns(asked, self.model.opening))
        return Request(answer_id, turns, options=options, tools=tuple(asked.body.get("tools") or ()))

    async def look(self, path: str, raw: bytes, http: HttpRequest) -> HttpResponse | None:
        """`tags`, `ps`, `show`, `version` and OpenAI's list of models."""
        if path == "/api/version":
            return JSONResponse({"version": __version__})
        if path in ("/api/tags", "/api/ps"):
            return JSONResponse({"models": [self.model.tag]})
        if path.startswith("/v1/models"):
            entry = {"id": self.model.name, "object": "model", "created": 0, "owned_by": "library"}
            if path == "/v1/models":
                return JSONResponse({"object": "list", "data": [entry]})
            self._require(path.removeprefix("/v1/models/"))
            return JSONResponse(entry)
        if path == "/api/show":
            body = parse_object(raw)
            self._require(str(body.get("model") or body.get("name") or ""))
            return JSONResponse(dict(self.model.shown))
        return None
