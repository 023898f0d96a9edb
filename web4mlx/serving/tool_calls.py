"""Calls of tools in a stream of text: `<tool_call>{…}</tool_call>` as the model writes it, taken out of it.

Only for requests that offer tools. What is no valid call stays text: nothing the model said is lost.
"""

import json
from collections.abc import Mapping
from typing import Any

OPEN, CLOSE = "<tool_call>", "</tool_call>"


class CallFilter:
    """Takes calls out of a text that comes in pieces."""

    def __init__(self) -> None:
        self.calls: list[Mapping[str, Any]] = []
        self._held = ""
        self._is_inside = False

    def push(self, text: str) -> tuple[str, list[Mapping[str, Any]]]:
        """Add a piece; returns the text that is certainly none of a call, and the calls that ended."""
        self._held += text
        certain, ended = "", []
        while True:
            mark = CLOSE if self._is_inside else OPEN
            before, found, after = self._held.partition(mark)
            if not found:
                break
            self._held = after
            if self._is_inside:
                call = parse_call(before)
                ended += [call] if call else []
                certain += "" if call else f"{OPEN}{before}{CLOSE}"
            else:
                certain += before
            self._is_inside = not self._is_inside
        if not self._is_inside:
            keep = _doubtful(self._held)
            certain += self._held[: len(self._held) - keep]
            self._held = self._held[len(self._held) - keep :]
        self.calls += ended
        return certain, ended

    def flush(self) -> tuple[str, list[Mapping[str, Any]]]:
        """What is held back at the end of the answer; a call without its closing mark counts if complete."""
        held, self._held = self._held, ""
        if not self._is_inside:
            return held, []
        self._is_inside = False
        call = parse_call(held)
        if call is None:
            return OPEN + held, []
        self.calls.append(call)
        return "", [call]


def _doubtful(text: str) -> int:
    """Length of the longest end of a text that the opening mark begins with."""
    longest = min(len(OPEN) - 1, len(text))
    return next((n for n in range(longest, 0, -1) if OPEN.startswith(text[-n:])), 0)


def parse_call(text: str) -> Mapping[str, Any] | None:
    """Name and arguments of a call; None when it is none."""
    try:
        call = json.loads(text)
    except ValueError:
        return None
    if not isinstance(call, dict) or not isinstance(call.get("name"), str):
        return None
    arguments = call.get("arguments", call.get("parameters", {}))
    return {"name": call["name"], "arguments": arguments} if isinstance(arguments, dict) else None


def ollama_call(call: Mapping[str, Any]) -> dict[str, Any]:
    """A call in Ollama's form: arguments as an object."""
    return {"function": {"name": call["name"], "arguments": call["arguments"]}}


def openai_call(call: Mapping[str, Any], number: int, answer_id: str) -> dict[str, Any]:
    """A call in OpenAI's form: arguments as text, numbered from 0."""
    arguments = json.dumps(call["arguments"], ensure_ascii=False)
    return {
        "index": number,
        "id": f"call_{answer_id}_{number}",
        "type": "function",
        "function": {"name": call["name"], "arguments": arguments},
    }
