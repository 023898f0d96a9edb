"""A client's options as sampling options of an engine, on top of the Modelfile's own.

What this server cannot do is refused with the name of the field: an option that is silently ignored gives
another answer than the client asked for.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

from web4mlx.engines.base import SamplingOptions
from web4mlx.errors import UsageError
from web4mlx.serving.asked import Asked

UNSUPPORTED = (
    "suffix",
    "images",
    "template",
    "context",
    "format",
    "think",
    "response_format",
    "logprobs",
    "n",
)
HARMLESS = {"response_format": ({"type": "text"},), "n": (1,)}
SAME_NAME = frozenset(field.name for field in fields(SamplingOptions)) - {"max_tokens", "stop", "seed"}
WHOLE = ("top_k", "repeat_last_n", "max_tokens", "seed")
NO_LIMIT = 2**31 - 1


def refuse_unsupported(asked: Asked) -> None:
    """Refuse fields that only Ollama itself can serve.

    Raises:
        UsageError: Names the field.
    """
    for name in UNSUPPORTED:
        value = asked.body.get(name)
        if value and value not in HARMLESS.get(name, ()):
            raise UsageError(f"{name} is not supported when a GGUF is served directly")
    if any(message.get("images") for message in asked.messages):
        raise UsageError("images are not supported when a GGUF is served directly")


def chosen_options(asked: Asked, defaults: SamplingOptions) -> SamplingOptions:
    """The options of an answer.

    Args:
        asked: Its own options win.
        defaults: Those of the Modelfile.

    Raises:
        UsageError: A value has the wrong type or is out of range; names the option.
    """
    given = dict(_openai_names(asked.body) if asked.dialect == "openai" else _ollama_names(asked.options))
    chosen: dict[str, Any] = {}
    for name, value in given.items():
        if name == "stop":
            chosen[name] = stops(value)
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            kind = "integer" if name in WHOLE else "float"
            raise UsageError(f'option "{name}" must be of type {kind}')
        chosen[name] = int(value) if name in WHOLE else float(value)
    if chosen.get("max_tokens", 1) < 0:  # Ollama's -1 and -2: until the context is full
        chosen["max_tokens"] = NO_LIMIT
    if chosen.get("seed", 0) < 0:
        chosen["seed"] = None
    return replace(defaults, **chosen)


def stops(value: Any) -> tuple[str, ...]:
    """The stop texts of a request; they replace the model's own.

    Raises:
        UsageError: They are no texts.
    """
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise UsageError('option "stop" must be of type array')
    return tuple(text for text in texts if text)


def _ollama_names(options: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in options.items():
        if name == "num_predict":
            yield "max_tokens", value
        elif name in SAME_NAME or name in ("stop", "seed"):
            yield name, value


def _openai_names(body: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in ("temperature", "top_p", "presence_penalty", "frequency_penalty", "seed", "stop"):
        if body.get(name) is not None:
            yield name, body[name]
    if (limit := openai_limit(body)) is not None:
        yield "max_tokens", limit


def openai_limit(body: Mapping[str, Any]) -> Any:
    """The cap of an answer in OpenAI's dialect, under its new or its old name; None without one."""
    return body.get("max_completion_tokens", body.get("max_tokens"))
