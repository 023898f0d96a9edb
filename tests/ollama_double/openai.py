"""`/v1/chat/completions` of the double: the answer of `chat` in OpenAI's shape, num_ctx ignored as there."""

import json
from collections.abc import Iterator
from typing import Any

Lines = Iterator[dict[str, Any]]


def as_chat(body: dict[str, Any]) -> dict[str, Any]:
    """The request as `chat` takes it."""
    options = {name: body[name] for name in ("temperature", "seed", "stop") if name in body}
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    options |= {"num_predict": limit} if limit else {}
    return {"model": body.get("model"), "messages": body.get("messages"), "options": options}


def events(lines: Lines) -> Iterator[bytes]:
    """The answer as server-sent events."""
    for line in lines:
        reason = line.get("done_reason")
        choice = {"index": 0, "delta": line["message"], "finish_reason": reason}
        yield sse({**head(line, "chat.completion.chunk"), "choices": [choice]})
    yield b"data: [DONE]\n\n"


def whole(lines: Lines) -> dict[str, Any]:
    """The answer in one object."""
    said = list(lines)
    text = "".join(line["message"]["content"] for line in said)
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": said[-1]["done_reason"],
    }
    prompt, answer = said[-1].get("prompt_eval_count", 0), said[-1].get("eval_count", 0)
    usage = {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}
    return {**head(said[-1], "chat.completion"), "choices": [choice], "usage": usage}


def head(line: dict[str, Any], kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": line["model"]}


def sse(event: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def error(status: int, message: str) -> dict[str, Any]:
    kind = {400: "invalid_request_error", 404: "not_found_error"}.get(status, "api_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}
