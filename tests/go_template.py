"""A small evaluator of Go's text/template: what our TEMPLATEs use of it, and an error for anything else.

Known: trim markers, if / else if / else / end, range with and without variables, declaring and assigning
variables, fields, string and whole number literals, parentheses, and, or, not, eq, ne, len, slice. Values
that are not text print as compact JSON, as Ollama's tool types do.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_ACTION = re.compile(r"\{\{(-\s)?(.*?)(\s-)?\}\}", re.DOTALL)
_WORD = re.compile(r'"[^"]*"|:=|[()=,]|[$.\w]+')
_SPACE = " \t\r\n"
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "not": lambda value: not value,
    "eq": lambda left, right: left == right,
    "ne": lambda left, right: left != right,
    "len": len,
    "slice": lambda items, start: items[start:],
    "and": lambda *values: next((value for value in values if not value), values[-1]),
    "or": lambda *values: next((value for value in values if value), values[-1]),
}
Words = tuple[str, ...]


def render(template: str, data: Mapping[str, Any]) -> str:
    """Execute a template on `data`, whose keys are the fields of the root dot."""
    run = _Run(split(template), {"$": data})
    run.block(data, is_live=True)
    if run.at != len(run.parts):
        raise ValueError(f"{run.parts[run.at]!r} closes nothing")
    return "".join(run.out)


def split(template: str) -> list[str | Words]:
    """Texts, and actions as tuples of words; white space is trimmed as the markers say."""
    parts: list[str | Words] = []
    at, trims = 0, False
    for match in _ACTION.finditer(template):
        text = template[at : match.start()]
        text = text.lstrip(_SPACE) if trims else text
        parts += [text.rstrip(_SPACE) if match[1] else text, tuple(_WORD.findall(match[2]))]
        at, trims = match.end(), match[3] is not None
    rest = template[at:]
    return [*parts, rest.lstrip(_SPACE) if trims else rest]


@dataclass
class _Run:
    parts: list[str | Words]
    variables: dict[str, Any]
    out: list[str] = field(default_factory=list)
    at: int = 0

    def block(self, dot: Any, *, is_live: bool) -> Words:
        """Execute up to the action that ends the block, and return that; do nothing when not live."""
        while self.at < len(self.parts):
            part = self.parts[self.at]
            if isinstance(part, tuple) and part[0] in ("else", "end"):
                return part
            self.at += 1
            if isinstance(part, str):
                self.out.append(part if is_live else "")
            elif part[0] == "if":
                self.branch(part[1:], dot, is_live=is_live)
            elif part[0] == "range":
                self.loop(part[1:], dot, is_live=is_live)
            elif is_live:
                self.act(part, dot)
        return ()

    def branch(self, condition: Words, dot: Any, *, is_live: bool) -> None:
        taken = False
        while True:
            chosen = is_live and not taken and (not condition or bool(self.value(condition, dot)))
            end = self.block(dot, is_live=chosen)
            taken = taken or chosen
            self.at += 1
            if end == ("end",):
                return
            if not end:
                raise ValueError("an if has no end")
            condition = end[2:]

    def loop(self, words: Words, dot: Any, *, is_live: bool) -> None:
        names, source = ((words[0], words[2]), words[4:]) if ":=" in words else ((), words)
        items = self.value(source, dot) if is_live else []
        start = self.at
        for index, item in enumerate(items or []):
            self.variables.update(zip(names, (index, item), strict=False))
            self.at = start
            self.block(item, is_live=True)
        self.at = start
        if self.block(dot, is_live=False) != ("end",):
            raise ValueError("a range has no end, or an else")
        self.at += 1

    def act(self, words: Words, dot: Any) -> None:
        if len(words) > 2 and words[1] in (":=", "="):
            if words[1] == "=" and words[0] not in self.variables:
                raise ValueError(f"{words[0]} is assigned before it is declared")
            self.variables[words[0]] = self.value(words[2:], dot)
            return
        value = self.value(words, dot)
        is_text = isinstance(value, str)
        self.out.append(value if is_text else json.dumps(value, separators=(",", ":"), ensure_ascii=False))

    def value(self, words: Words, dot: Any) -> Any:
        """The value of a pipeline of one command."""
        operands: list[Any] = []
        at = 0 if words[0] not in _FUNCTIONS else 1
        while at < len(words):
            if words[at] == "(":
                close = _closing(words, at)
                operands.append(self.value(words[at + 1 : close], dot))
                at = close
            else:
                operands.append(self.operand(words[at], dot))
            at += 1
        if words[0] in _FUNCTIONS:
            return _FUNCTIONS[words[0]](*operands)
        if len(operands) != 1:
            raise ValueError(f"not known here: {' '.join(words)}")
        return operands[0]

    def operand(self, word: str, dot: Any) -> Any:
        if word.startswith('"'):
            return word[1:-1]
        if word.isdigit():
            return int(word)
        name, *path = word.split(".")
        if name and name not in self.variables:
            raise ValueError(f"{name} is not declared")
        value = self.variables[name] if name else dot
        for step in filter(None, path):
            value = value.get(step, "")
        return value


def _closing(words: Words, opening: int) -> int:
    depth = 0
    for at in range(opening, len(words)):
        depth += {"(": 1, ")": -1}.get(words[at], 0)
        if depth == 0:
            return at
    raise ValueError(f"a parenthesis stays open: {' '.join(words)}")
