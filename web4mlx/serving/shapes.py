"""Answers and errors in the shapes that clients expect: Ollama's lines and OpenAI's events.

Durations are in nanoseconds and zero values are left out, as Ollama does.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from web4mlx.engines.base import Response
from web4mlx.serving.asked import Asked, Dialect

NDJSON, JSON, SSE = "application/x-ndjson", "application/json; charset=utf-8", "text/event-stream"
OPENAI_KINDS = {400: "invalid_request_error", 404: "not_found_error"}
DONE = b"data: [DONE]\n\n"


def error_body(dialect: str | None, status: int, message: str) -> dict[str, Any]:
    """An error as the dialect writes it."""
    if dialect != "openai":
        return {"error": message}
    kind = OPENAI_KINDS.get(status, "api_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}


def encode(dialect: Dialect, content: Mapping[str, Any]) -> bytes:
    """One object of a stream."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    return b"data: " + text + b"\n\n" if dialect == "openai" else text + b"\n"


class Shape:
    """The pieces of one answer in the dialect of its request.

    Args:
        asked: The request.
        answer_id: Names the answer in OpenAI's dialect.
    """

    def __init__(self, asked: Asked, answer_id: str) -> None:
        self.asked = asked
        self.now = datetime.now(UTC)
        self._head: dict[str, Any] = {"model": asked.model, "created_at": stamp(self.now)}
        if asked.dialect == "openai":
            self._head = {
                "id": f"chatcmpl-{answer_id}",
                "object": "chat.completion.chunk",
                "created": int(self.now.timestamp()),
                "model": asked.model,
                "system_fingerprint": "fp_web4mlx",
            }

    def piece(self, text: str, calls: list[dict[str, Any]] | None = None) -> bytes:
        """A piece of the answer: text, or calls of tools."""
        message = self._message(text, calls)
        if self.asked.dialect == "openai":
            return self._event({"choices": [choice("delta", message, None)]})
        self._head["created_at"] = stamp(datetime.now(UTC))
        field = {"response": text} if self.asked.dialect == "generate" else {"message": message}
        return self._event({**field, "done": False})

    def end(self, response: Response, has_calls: bool) -> bytes:
        """What ends a stream."""
        if self.asked.dialect != "openai":
            return self._event(self._last(response, "", []))
        reason = "tool_calls" if has_calls else response.finish_reason
        events = self._event({"choices": [choice("delta", {"content": ""}, reason)]})
        if (self.asked.body.get("stream_options") or {}).get("include_usage"):
            events += self._event({"choices": [], "usage": usage(response)})
        return events + DONE

    def whole(self, response: Response, text: str, calls: list[dict[str, Any]]) -> dict[str, Any]:
        """The answer in one object."""
        if self.asked.dialect != "openai":
            return {**self._head, **self._last(response, text, calls)}
        reason = "tool_calls" if calls else response.finish_reason
        choices = [choice("message", self._message(text, calls), reason)]
        head = {**self._head, "object": "chat.completion"}
        return {**head, "choices": choices, "usage": usage(response)}

    def failure(self, message: str) -> bytes:
        """An error in the middle of a stream."""
        return encode(self.asked.dialect, error_body(self.asked.dialect, 500, message))

    def _event(self, content: Mapping[str, Any]) -> bytes:
        return encode(self.asked.dialect, {**self._head, **content})

    def _last(self, response: Response, text: str, calls: list[dict[str, Any]]) -> dict[str, Any]:
        is_generate = self.asked.dialect == "generate"
        field = {"response": text} if is_generate else {"message": self._message(text, calls)}
        return {**field, "done": True, "done_reason": response.finish_reason, **metrics(response)}

    def _message(self, text: str, calls: list[dict[str, Any]] | None) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": text}
        return {**message, "tool_calls": calls} if calls else message


def choice(field: str, message: Mapping[str, Any], reason: str | None) -> dict[str, Any]:
    """The only choice of an answer in OpenAI's dialect."""
    return {"index": 0, field: message, "finish_reason": reason}


def metrics(response: Response) -> dict[str, int]:
    """Ollama's counts and durations of an answer; the model is loaded already, so there is no load time."""
    first_ns, total_ns = round(response.time_to_first_token_s * 1e9), round(response.total_s * 1e9)
    counted = {
        "total_duration": total_ns,
        "prompt_eval_count": response.prompt_tokens,
        "prompt_eval_duration": first_ns,
        "eval_count": response.completion_tokens,
        "eval_duration": total_ns - first_ns,
    }
    return {name: value for name, value in counted.items() if value}


def usage(response: Response) -> dict[str, int]:
    """OpenAI's counts of an answer."""
    total = response.prompt_tokens + response.completion_tokens
    return {
        "prompt_tokens": response.prompt_tokens,
        "completion_tokens": response.completion_tokens,
        "total_tokens": total,
    }


def stamp(moment: datetime) -> str:
    """A time as Ollama writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
