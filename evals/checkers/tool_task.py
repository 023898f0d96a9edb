"""Judges the tool call of an answer: structure, right tool, parameters, types, and values that fit the task.

`evals/data/tools.json` holds the JSON Schemas of the tools. What a task expects stands in its case,
`{"tools": ["read_file"], "arguments": {"path": {"path": "src/a.ts"}}}`: any of these tools and, per
parameter, one of the comparisons in `COMPARISONS`.

Text around the call is no failure: a chat shows it beside the call. More than one call is one, because a host
runs every call that it finds, and the tasks ask for one action; only reading a file before editing it is
prudence.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from posixpath import normpath
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from evals.cases import DATA, Case
from evals.checkers.toolcalls import Call, find_calls
from evals.outcome import Outcome, outcome

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

TOOLS_FILE = DATA / "tools.json"
SHOWN_CHARS = 80


def is_same_path(value: str, expected: str) -> bool:
    """Whether two paths name the same file: `./src//a.ts` is `src/a.ts`, `/src/a.ts` is not."""
    return normpath(value.strip()) == normpath(expected)


def is_same_search(value: str, expected: str) -> bool:
    r"""Whether a pattern searches this text: as it is, with its signs escaped, or between `\b`."""
    return re.sub(r"\\([^\w\s])", r"\1", re.sub(r"^\\b|\\b$", "", value)) == expected or value == expected


def is_same_command(value: str, expected: str) -> bool:
    """Whether two command lines are equal but for white space."""
    return value.split() == expected.split()


COMPARISONS: dict[str, Callable[[str, str], bool]] = {
    "equal": lambda value, expected: value == expected,
    "contains": lambda value, expected: expected in value,
    "regex": lambda value, expected: re.fullmatch(expected, value, re.DOTALL) is not None,
    "path": is_same_path,
    "search": is_same_search,
    "command": is_same_command,
}


class Expectation(BaseModel):
    """What a task expects of the call: one of `tools`, and for some parameters a comparison with a text."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    tools: tuple[str, ...] = Field(min_length=1)
    arguments: dict[str, dict[str, str]] = Field(default_factory=dict)

    @field_validator("tools")
    @classmethod
    def _known_tools(cls, tools: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := set(tools) - set(tool_schemas()):
            raise ValueError(f"unknown tools: {sorted(unknown)}")
        return tools

    @field_validator("arguments")
    @classmethod
    def _known_comparisons(cls, arguments: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
        for name, comparison in arguments.items():
            if len(comparison) != 1 or not set(comparison) <= set(COMPARISONS):
                raise ValueError(f"{name}: one of {sorted(COMPARISONS)} is expected")
        return arguments


@cache
def tool_schemas() -> Mapping[str, Mapping[str, Any]]:
    """The JSON Schema of each tool's arguments, by the tool's name."""
    return {tool["name"]: tool["parameters"] for tool in json.loads(TOOLS_FILE.read_text("utf-8"))}


@cache
def _validator(tool: str) -> "Draft202012Validator":
    from jsonschema import Draft202012Validator

    return Draft202012Validator(tool_schemas()[tool])


def validate_call(call: Call) -> list[str]:
    """Reasons why a call does not satisfy its tool's schema; none when it does."""
    if call.name not in tool_schemas():
        return [f"unknown tool: {_show(call.name)}"]
    reasons: list[str] = []
    for error in _validator(call.name).iter_errors(dict(call.arguments)):
        name = str(error.path[0]) if error.path else ""
        if error.validator == "required":
            reasons += [
                f"missing parameter: {key}" for key in error.validator_value if key not in call.arguments
            ]
        elif error.validator == "additionalProperties":
            known = tool_schemas()[call.name]["properties"]
            reasons += [f"unexpected parameter: {_show(key)}" for key in call.arguments if key not in known]
        elif error.validator == "type":
            reasons.append(f"wrong type: {name}")
        else:
            reasons.append(f"wrong value: {name} is {_show(error.instance)}")
    return list(dict.fromkeys(reasons))


def chosen_call(calls: Sequence[Call], expected: Expectation) -> Call | None:
    """The one call of an answer: the only one, or the edit asked for after a look at the same file."""
    names = tuple(call.name for call in calls)
    if names == ("read_file", "edit_file") and "edit_file" in expected.tools:
        read, edit = (call.arguments.get("path") for call in calls)
        if isinstance(read, str) and isinstance(edit, str) and is_same_path(read, edit):
            return calls[1]
    return calls[0] if len(calls) == 1 else None


def check_tool_task(case: Case, text: str) -> Outcome:
    """Judge one answer.

    Figures: `literal_rule` (some call of a known tool with all required parameters: structure and presence,
    as the plan words it), `right_tool`, `calls`.
    """
    expected = Expectation.model_validate(case.expect)
    calls, faults = find_calls(text, tool_schemas().keys())
    reasons = [fault.reason for fault in faults]
    call = chosen_call(calls, expected)
    if call:
        reasons += _judge(call, expected)
    elif calls:
        reasons.append(f"more than one call: {len(calls)}")
    elif not faults:
        reasons.append("no call")
    return outcome(
        list(dict.fromkeys(reasons)),
        literal_rule=any(_has_required(call) for call in calls),
        right_tool=call is not None and call.name in expected.tools,
        calls=len(calls),
    )


def _judge(call: Call, expected: Expectation) -> list[str]:
    if call.name in tool_schemas() and call.name not in expected.tools:
        return [f"wrong tool: {call.name} instead of {' or '.join(expected.tools)}"]
    return validate_call(call) or _compare(call, expected)


def _compare(call: Call, expected: Expectation) -> list[str]:
    """Reasons why the values of a valid call do not fit the task."""
    known = tool_schemas()[call.name]["properties"]
    reasons: list[str] = []
    for name, comparison in expected.arguments.items():
        if name not in known:
            continue  # belongs to another of the expected tools
        [(kind, wanted)] = comparison.items()
        if name not in call.arguments:
            reasons.append(f"missing parameter: {name}")
        elif not COMPARISONS[kind](call.arguments[name], wanted):
            reasons.append(f"wrong value: {name} is {_show(call.arguments[name])} instead of {_show(wanted)}")
    return reasons


def _has_required(call: Call) -> bool:
    schema = tool_schemas().get(call.name)
    return schema is not None and all(name in call.arguments for name in schema["required"])


def _show(value: object) -> str:
    """A value in plain ASCII, so that any report can hold it, and cut."""
    shown = json.dumps(value)
    return shown if len(shown) <= SHOWN_CHARS else shown[:SHOWN_CHARS] + "…"
