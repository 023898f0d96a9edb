"""Finds tool calls in an answer, in the forms that the editors' examples teach: JSON objects and XML.

The suite has its own, stricter reader; this one only tells whether the answer is a call at all, and of what.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

LONGEST = 20_000
_ELEMENT = re.compile(r"<([A-Za-z_]\w*)>\s*((?:<([A-Za-z_]\w*)>[^<]*</\3>\s*)+)</\1>")
_ARGUMENT = re.compile(r"<([A-Za-z_]\w*)>([^<]*)</\1>")


@dataclass(frozen=True, slots=True)
class Call:
    """A tool's name and its arguments."""

    name: str
    arguments: Mapping[str, Any]


def find_calls(text: str) -> list[Call]:
    """All calls in the first 20,000 characters of an answer."""
    text = text[:LONGEST]
    return [*json_calls(text), *xml_calls(text)]


def json_calls(text: str) -> Iterator[Call]:
    """Objects with a name and arguments, wherever they stand; OpenAI's `function` object too."""
    decoder = json.JSONDecoder()
    at = text.find("{")
    while at >= 0:
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            value, end = None, at + 1
        call = as_call(value)
        if call is not None:
            yield call
        at = text.find("{", end if call else at + 1)  # a call may stand inside another object


def as_call(value: Any) -> Call | None:
    """The call that an object is; None when it is none."""
    if not isinstance(value, dict):
        return None
    value = value["function"] if isinstance(value.get("function"), dict) else value
    name, arguments = value.get("name"), value.get("arguments", value.get("parameters"))
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            return None
    return Call(name, arguments) if isinstance(name, str) and isinstance(arguments, dict) else None


def xml_calls(text: str) -> Iterator[Call]:
    """`<read_file><path>…</path></read_file>`."""
    for match in _ELEMENT.finditer(text):
        yield Call(match[1], {name: value.strip() for name, value in _ARGUMENT.findall(match[2])})


def names_file(call: Call, file: str) -> bool:
    """Whether an argument is the path of a file of this name."""
    values = [value for value in call.arguments.values() if isinstance(value, str)]
    return any(re.split(r"[/\\]", value.strip())[-1] == file for value in values)
