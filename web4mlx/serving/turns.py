"""A client's chat as llama.cpp's chat templates expect it, in OpenAI's form."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from web4mlx.serving.asked import Asked, message_text

Turn = Mapping[str, Any]


def engine_turns(asked: Asked, opening: tuple[Turn, ...]) -> list[Turn]:
    """The turns of a chat.

    The Modelfile's SYSTEM and turns come first, as Ollama does it; a system turn or a system text of the
    client replaces the SYSTEM.
    """
    turns = list(asked.messages)
    if turns and turns[0].get("role") == "system":
        opening = tuple(turn for turn in opening if turn["role"] != "system")
        return [_turn(turns[0]), *opening, *map(_turn, turns[1:])]
    return [*opening, *map(_turn, turns)]


def _turn(turn: Turn) -> Turn:
    kept = {"role": str(turn.get("role") or "user"), "content": message_text(turn)}
    if calls := turn.get("tool_calls"):
        return {**kept, "tool_calls": list(_calls(calls))}
    return kept | {key: turn[key] for key in ("tool_call_id", "name") if key in turn}


def _calls(calls: Any) -> Iterator[dict[str, Any]]:
    """Calls with their arguments as JSON text: Ollama's clients send objects."""
    for number, call in enumerate(calls):
        function = call.get("function") or {}
        arguments = function.get("arguments") or {}
        text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        name = str(function.get("name") or "")
        yield {
            "id": str(call.get("id") or f"call_{number}"),
            "type": "function",
            "function": {"name": name, "arguments": text},
        }
