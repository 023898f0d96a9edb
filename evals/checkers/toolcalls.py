"""Finds tool calls in an answer, wherever they stand and in whichever common form they are written.

Known forms are JSON objects (bare, in prose, fenced, in `<tool_call>`), OpenAI's `function` and `tool_calls`
objects, and XML: `<read_file><path>…</path></read_file>` and `<invoke name="…"><parameter name="…">…`. What
looks like a call and is none becomes a fault with its reason. Whether a call is the right one is not decided
here.

XML is read by an own scan: no entity is ever declared or resolved but the five of XML itself, nothing
external is loaded. All values of XML are texts, without white space around them. Every scan moves forward
only, so that 100 KB of anything take a moment.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn
from xml.sax.saxutils import unescape

DEEPEST = 20
LOOKAHEAD = 400
CALL_KEYS = ("name", "function", "function_call", "tool_calls", "tool", "tool_name")
ARGUMENT_KEYS = ("arguments", "parameters")
OPENING = re.compile(rf"\{{\s*[\"']?(?:{'|'.join((*CALL_KEYS, *ARGUMENT_KEYS, 'id', 'type'))})[\"']?\s*:")
TAGGED = re.compile(r"\s*(?:```\w*\s*)?(?=\{)")
INVOKE = re.compile(r"<invoke\s+name\s*=\s*([\"'])([^\"'<>]{1,80})\1\s*>")
PARAMETER = re.compile(r"\s*<parameter\s+name\s*=\s*([\"'])([^\"'<>]{1,80})\1\s*>")
ELEMENT = re.compile(r"\s*<([A-Za-z_][\w.-]{0,79})>")
# What JSON that matters begins with; all other braces cost nothing.
OBJECT = re.compile(r'\{\s*"[^"\\]{0,80}"\s*:')
# A string, closed or not, or a brace: possessive, so that an open string is read once, not from each quote.
BRACES = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[{}]', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call: a name and arguments, not yet validated."""

    name: str
    arguments: Mapping[str, Any]
    form: Literal["json", "xml"]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that was meant to be a call; the reason is stable, details stand after a colon."""

    reason: str


Finding = Call | Fault


class _Malformed(ValueError):
    pass


def find_calls(text: str, tools: Collection[str]) -> tuple[list[Call], list[Fault]]:
    """All calls and all failed attempts at one, in the order of the text.

    Args:
        text: Anything.
        tools: Names of the known tools: they tell an XML call from other tags, and a nameless attempt from
            other JSON. Calls of unknown tools are found in JSON and in `<invoke>`.
    """
    starts = re.compile(
        "|".join((r"\{", "<tool_call>", r"<invoke\s", *(f"<{name}[\\s/>]" for name in tools)))
    )
    findings: list[Finding] = []
    position = 0
    while match := starts.search(text, position):
        found, position = _read_at(text, match, tools)
        findings += found
    calls = [finding for finding in findings if isinstance(finding, Call)]
    return calls, [finding for finding in findings if isinstance(finding, Fault)]


def _read_at(text: str, match: re.Match[str], tools: Collection[str]) -> tuple[list[Finding], int]:
    """What begins at a match, and where to go on."""
    start = match.start()
    if match[0] == "{":
        return _read_json(text, start, tools, is_tagged=False)
    if match[0] == "<tool_call>":
        inner = TAGGED.match(text, match.end())
        if inner:
            return _read_json(text, inner.end(), tools, is_tagged=True)
        # XML inside the tag is read on its own
        is_xml = text[match.end() : match.end() + LOOKAHEAD].lstrip().startswith("<")
        return ([] if is_xml else [Fault("malformed JSON: no object in <tool_call>")]), match.end()
    if match[0].startswith("<invoke"):
        return _read_invoke(text, start)
    return _read_element(text, start, match[0][1:-1])


def _read_json(
    text: str, start: int, tools: Collection[str], *, is_tagged: bool
) -> tuple[list[Finding], int]:
    if not is_tagged and not OBJECT.match(text, start) and not OPENING.match(text, start):
        return [], start + 1
    try:
        value, end = _DECODER.raw_decode(text, start)
        _refuse_depth(value)
    except (ValueError, RecursionError) as error:
        if is_tagged or _looks_like_call(text[start : start + LOOKAHEAD], tools):
            return [Fault(f"malformed JSON: {_explain(error)}")], _end_of_object(text, start)
        # not even a recursion that failed may be tried again from each of its braces
        return [], len(text) if isinstance(error, RecursionError) else start + 1
    found = list(_calls_of(value, tools))
    if is_tagged and not found:
        found = [Fault("wrong structure: no name and arguments in <tool_call>")]
    return found, end


def _calls_of(value: dict[str, Any], tools: Collection[str]) -> Iterator[Finding]:
    """The calls of one JSON object: itself, its `function`, or its `tool_calls`."""
    several = value.get("tool_calls")
    if isinstance(several, list):
        for item in several:
            found = list(_calls_of(item, tools)) if isinstance(item, dict) else []
            yield from found or [Fault("wrong structure: an entry of tool_calls is no call")]
        return
    for key in ("function", "function_call"):
        if isinstance(inner := value.get(key), dict):
            yield _call_of(inner)
            return
    names = [value[key] for key in CALL_KEYS if isinstance(value.get(key), str)]
    if "name" in value and any(key in value for key in ARGUMENT_KEYS):
        yield _call_of(value)
    elif any(name in tools for name in names) or (names and any(key in value for key in ARGUMENT_KEYS)):
        yield Fault("wrong structure: a call has the keys name and arguments")


def _call_of(value: dict[str, Any]) -> Finding:
    name, keys = value.get("name"), [key for key in ARGUMENT_KEYS if key in value]
    if not isinstance(name, str) or not name.strip():
        return Fault("wrong structure: the name is no text")
    if len(keys) != 1:
        return Fault("wrong structure: " + ("arguments and parameters" if keys else "no arguments"))
    arguments = value[keys[0]]
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments, cls=_Strict)
            _refuse_depth(arguments)
        except (ValueError, RecursionError) as error:
            return Fault(f"malformed JSON: in {keys[0]}: {_explain(error)}")
    if not isinstance(arguments, dict):
        return Fault(f"wrong structure: {keys[0]} is no object")
    return Call(name.strip(), arguments, "json")


def _looks_like_call(head: str, tools: Collection[str]) -> bool:
    """Whether a broken object was meant to be a call: it begins like one and names a tool or arguments."""
    if not OPENING.match(head):
        return False
    head = head[: _end_of_object(head, 0)]
    return any(
        f'{key}"' in head or f"{key}'" in head or f"{key}:" in head for key in (*ARGUMENT_KEYS, *tools)
    )


def _end_of_object(text: str, start: int) -> int:
    depth = 0
    for token in BRACES.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(token[0], 0)
        if depth == 0:
            return token.end()
    return len(text)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for key, item in pairs:
        if key in value:
            raise _Malformed(f"key {json.dumps(key[:40])} twice")
        value[key] = item
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise _Malformed(f"{name} is no JSON")


class _Strict(json.JSONDecoder):
    def __init__(self) -> None:
        super().__init__(object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)


_DECODER = _Strict()


def _refuse_depth(value: Any, depth: int = 0) -> None:
    if depth > DEEPEST:
        raise _Malformed("nested too deeply")
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in items:
        _refuse_depth(item, depth + 1)


def _explain(error: ValueError | RecursionError) -> str:
    if isinstance(error, json.JSONDecodeError):
        if error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated string"):
            return "ends before it is complete"
        return error.msg
    return str(error) if isinstance(error, _Malformed) else "nested too deeply or a number too long"


def _read_invoke(text: str, start: int) -> tuple[list[Finding], int]:
    opening = INVOKE.match(text, start)
    if not opening:
        return [Fault("malformed XML: <invoke> without a name")], start + len("<invoke")
    return _read_parameters(text, opening.end(), opening[2].strip(), PARAMETER, "</invoke>")


def _read_element(text: str, start: int, name: str) -> tuple[list[Finding], int]:
    end = start + len(name) + 2
    if text[end - 1] != ">":
        return [Fault("wrong structure: parameters of XML calls are elements")], end
    closing = f"</{name}>"
    is_empty = text.startswith(closing, end)
    if not is_empty and not ELEMENT.match(text, end):
        # a tag that prose speaks of, unless it is closed somewhere
        return ([Fault(f"malformed XML: text in <{name}>")] if text.find(closing, end) >= 0 else []), end
    return _read_parameters(text, end, name, ELEMENT, closing)


def _read_parameters(
    text: str, position: int, name: str, form: re.Pattern[str], closing: str
) -> tuple[list[Finding], int]:
    """The parameters of an XML call, one element each, up to its end tag."""
    arguments: dict[str, str] = {}
    while element := form.match(text, position):
        parameter = element[element.lastindex or 1]
        end_tag = "</parameter>" if form is PARAMETER else f"</{parameter}>"
        end = text.find(end_tag, element.end())
        if end < 0:
            return [Fault("malformed XML: ends before it is complete")], len(text)
        if parameter in arguments:
            return [Fault(f"malformed XML: {parameter} twice")], end
        arguments[parameter] = unescape(text[element.end() : end], {"&quot;": '"', "&apos;": "'"}).strip()
        position = end + len(end_tag)
    rest = re.compile(r"\s*" + re.escape(closing)).match(text, position)
    if not rest:
        return [Fault(f"malformed XML: no {closing} after the parameters")], position
    return [Call(name, arguments, "xml")], rest.end()
