"""A request for an answer as a client sent it: its bytes, its JSON object, its dialect.

Three routes ask for answers: Ollama's chat and generate, and OpenAI's chat completions.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from web4mlx.errors import UsageError

Dialect = Literal["chat", "generate", "openai"]
DIALECTS: Mapping[str, Dialect] = {
    "/api/chat": "chat",
    "/api/generate": "generate",
    "/v1/chat/completions": "openai",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. `raw` is what the client sent, or what an injection made of it."""

    path: str
    dialect: Dialect
    raw: bytes
    body: Mapping[str, Any]

    @property
    def model(self) -> str:
        """The model's name as the client wrote it; empty when it names none."""
        return str(self.body.get("model") or "")

    @property
    def wants_stream(self) -> bool:
        """Whether the answer is to come in pieces: Ollama's default is yes, OpenAI's no."""
        return bool(self.body.get("stream", self.dialect != "openai"))

    @property
    def options(self) -> Mapping[str, Any]:
        """Ollama's `options`; empty without any."""
        options = self.body.get("options")
        return options if isinstance(options, Mapping) else {}

    @property
    def messages(self) -> tuple[Mapping[str, Any], ...]:
        """The turns of a chat; for generate the system text and the prompt as turns."""
        if self.dialect != "generate":
            return tuple(self.body.get("messages") or ())
        system = str(self.body.get("system") or "")
        turns = [{"role": "system", "content": system}] if system else []
        return (*turns, {"role": "user", "content": str(self.body.get("prompt") or "")})

    @property
    def question(self) -> str:
        """The last user turn if it ends the chat; empty when there is nothing that context could serve.

        Raw prompts and prompts with a suffix (completion of code) are no questions, and neither is a chat
        that ends with the result of a tool: its question was asked, and served, before.
        """
        if self.body.get("raw") or self.body.get("suffix"):
            return ""
        last = self.messages[-1] if self.messages else {}
        return message_text(last) if last.get("role") == "user" else ""

    def with_context(self, block: str) -> Self:
        """The same request with a block of context before its question."""
        body = dict(self.body)
        if self.dialect == "generate":
            body["prompt"] = f"{block}\n\n{body['prompt']}"
        else:
            *earlier, last = body["messages"]
            body["messages"] = [*earlier, {**last, "content": prefixed(last["content"], block)}]
        return replace(self, body=body, raw=json.dumps(body, ensure_ascii=False).encode())


def prefixed(content: Any, block: str) -> Any:
    """A turn's content with a block before it; OpenAI's may be a list of parts."""
    if isinstance(content, list):
        return [{"type": "text", "text": f"{block}\n\n"}, *content]
    return f"{block}\n\n{content}"


def message_text(message: Mapping[str, Any]) -> str:
    """The text of a turn; of OpenAI's parts those that are text."""
    content = message.get("content")
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, Mapping)]
        return "\n".join(str(part.get("text", "")) for part in parts if part.get("type") == "text")
    return str(content or "")


def parse_asked(path: str, raw: bytes) -> Asked:
    """Read the body of a request for an answer.

    Raises:
        UsageError: It is no JSON object, or a field that is needed here has another type.
    """
    body = parse_object(raw)
    dialect = DIALECTS[path]
    asked = Asked(path, dialect, raw, body)
    for name, kind in (("model", str), ("options", Mapping), ("prompt", str), ("messages", list)):
        if body.get(name) is not None and not isinstance(body[name], kind):
            raise UsageError(f"invalid request: {name} is a {type(body[name]).__name__}")
    if not all(isinstance(message, Mapping) for message in body.get("messages") or ()):
        raise UsageError("invalid request: messages must be objects")
    return asked


def parse_object(raw: bytes) -> dict[str, Any]:
    """A JSON object.

    Raises:
        UsageError: The bytes are none.
    """
    if not raw.strip():
        raise UsageError("missing request body")
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"invalid JSON: {error}") from error
    if not isinstance(body, dict):
        raise UsageError(f"invalid request: expected a JSON object, found a {type(body).__name__}")
    return body
