"""From a Modelfile's commands to what it says, with every problem found."""

import re
import unicodedata
from pathlib import Path
from typing import Any

from web4mlx.errors import MissingPrerequisite, Problems
from web4mlx.modelfile.model import (
    COMMANDS,
    DEPRECATED_PARAMETERS,
    PARAMETER_TYPES,
    ChatMessage,
    Modelfile,
    Problem,
    Value,
)
from web4mlx.modelfile.scan import Command, decode, is_kept, scan_commands
from web4mlx.textfile import read_text

HINT = "`web4mlx modelfile check` lists each problem with its line."
_FLOAT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_IDENTIFIERS = r"(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)"
_SEMVER = re.compile(
    r"v?(0|[1-9]\d*)(\.(0|[1-9]\d*)(\.(0|[1-9]\d*)"
    rf"(-{_IDENTIFIERS}(\.{_IDENTIFIERS})*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?)?)?"
)


def parse_modelfile(text: str, name: str = "Modelfile") -> Modelfile:
    """Parse the text of a Modelfile; warnings do not stop it.

    Raises:
        Problems: Lists every error with its line.
    """
    modelfile, problems = check_modelfile(text)
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors or modelfile is None:
        lines = [f"line {p.line}: {p.message}" if p.line else p.message for p in errors]
        raise Problems(name, lines, HINT)
    return modelfile


def read_modelfile(path: Path) -> Modelfile:
    """Read and parse a Modelfile; whether its FROM exists is not looked at (see `resolve_from`).

    Raises:
        MissingPrerequisite: There is no such file.
        UsageError: It is not text.
        Problems: Lists every error with its line.
    """
    return parse_modelfile(read_modelfile_text(path), str(path))


def read_modelfile_text(path: Path) -> str:
    """The text of a Modelfile.

    Raises:
        MissingPrerequisite: There is no such file.
        UsageError: It cannot be read, or is neither UTF-8 nor UTF-16 with a byte order mark.
    """
    return read_text(path, f"{path}: no such Modelfile", decode)


def resolve_from(modelfile: Modelfile, path: Path) -> Path:
    """The file or folder that FROM names, relative to the Modelfile's own folder.

    Raises:
        MissingPrerequisite: It does not exist. Ollama would take it for a model name and ask its registry.
    """
    try:
        target = path.parent / Path(modelfile.from_).expanduser()
    except RuntimeError as error:
        raise MissingPrerequisite(f"{path}: FROM {modelfile.from_}: no such user") from error
    if not target.exists():
        raise MissingPrerequisite(
            f"{path}: FROM {modelfile.from_}: {target} does not exist",
            "Export the model first (`web4mlx export`), or correct FROM.",
        )
    return target


def check_modelfile(text: str) -> tuple[Modelfile | None, list[Problem]]:
    """Parse a text and collect what is wrong with it.

    Returns:
        The Modelfile as far as it could be read (None without a FROM) and the problems in file order.
    """
    reader = _Reader()
    for item in scan_commands(text):
        if isinstance(item, Problem):
            reader.problems.append(item)
        else:
            reader.take(item)
    sources = reader.lists["from"]
    if not sources:
        reader.problems.append(Problem(0, "no FROM line"))
        return None, reader.problems
    modelfile = Modelfile(
        from_=sources[0],
        also_from=tuple(sources[1:]),
        parameters=reader.parameters,
        draft=tuple(reader.lists["draft"]),
        licenses=tuple(reader.lists["license"]),
        messages=tuple(reader.messages),
        **reader.texts,
    )
    return modelfile, reader.problems


class _Reader:
    """Collects commands; each `take` adds a value or a problem."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.texts: dict[str, str] = {}
        self.lists: dict[str, list[str]] = {"from": [], "draft": [], "license": []}
        self.messages: list[ChatMessage] = []
        self.parameters: dict[str, Value] = {}

    def take(self, command: Command) -> None:
        self._refuse_dropped_characters(command)
        match command.name:
            case "parameter":
                self._take_parameter(command)
            case "message":
                self.messages.append(ChatMessage(command.key, command.value))
            case "from" | "draft" | "license":
                if not command.value and command.name != "license":
                    self._fail(command, f"{command.name.upper()} names nothing")
                self.lists[command.name].append(command.value)
            case _:
                self._take_text(command)

    def _take_text(self, command: Command) -> None:
        value = command.value
        if command.name == "requires":
            if not _SEMVER.fullmatch(value):
                self._fail(command, "requires must be a valid semver (e.g. 0.14.0)")
            value = value.removeprefix("v")
        if command.name in self.texts:
            self._warn(command, f"{command.name.upper()} stands here again; the last one counts")
        self.texts[command.name] = value

    def _take_parameter(self, command: Command) -> None:
        name, value = command.key, command.value
        if name in DEPRECATED_PARAMETERS:
            self._warn(command, f"parameter {name} is deprecated")
            return
        if name in COMMANDS or name == "model":
            self._fail(command, f"{name!r} is a command, not a parameter; Ollama would read it as one")
            return
        if name not in PARAMETER_TYPES:
            self._fail(command, f"unknown parameter '{name}'")
            return
        if name in self.parameters and name != "stop":
            self._warn(command, f"parameter {name} stands here again; the last one counts")
        converted = convert_parameter(name, value)
        if converted is None:
            self._fail(command, f"invalid {PARAMETER_TYPES[name]} value [{value}]")
        elif isinstance(converted, tuple):
            if not value:
                self._fail(command, "an empty stop would end every answer at once")
            previous: Any = self.parameters.get(name, ())
            self.parameters[name] = (*previous, *converted)
        else:
            self.parameters[name] = converted

    def _refuse_dropped_characters(self, command: Command) -> None:
        dropped = sorted({character for character in command.value if not is_kept(character)})
        if dropped:
            names = ", ".join(f"U+{ord(c):04X} {unicodedata.name(c, 'control character')}" for c in dropped)
            self._fail(command, f"Ollama would drop characters of this value: {names}")

    def _fail(self, command: Command, message: str) -> None:
        self.problems.append(Problem(command.line, message))

    def _warn(self, command: Command, message: str) -> None:
        self.problems.append(Problem(command.line, message, "warning"))


def convert_parameter(name: str, value: str) -> Value | None:
    """A parameter's value in its type; None when the text is no such value."""
    match PARAMETER_TYPES[name]:
        case "int":
            is_number = re.fullmatch(r"[+-]?[0-9]+", value) is not None
            return int(value) if is_number and -(2**63) <= int(value) < 2**63 else None
        case "float":
            return float(value) if _FLOAT.fullmatch(value) and abs(float(value)) < 3.4028236e38 else None
        case "bool":
            truths = {"1", "t", "T", "TRUE", "true", "True"}
            lies = {"0", "f", "F", "FALSE", "false", "False"}
            return True if value in truths else False if value in lies else None
        case "strings":
            return (value,)
