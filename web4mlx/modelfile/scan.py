"""From the text of a Modelfile to its commands.

Ollama's grammar: a command is a name, one blank, and a value that ends with the line, or, when quoted, with
the line on which the quote closes. `#` is a comment only where a command may begin. Scanning goes on after
an error, so that one pass finds all.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from web4mlx.modelfile.model import COMMANDS, ROLES, Problem
from web4mlx.textfile import decode_utf8

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_NAME_CHARACTERS = _LETTERS | frozenset("0123456789_")
_BLANKS, _NEWLINES = " \t", "\r\n"
UNKNOWN_COMMAND = "command must be one of {}, or {}".format(
    ", ".join(f'"{name}"' for name in COMMANDS[:-1]), f'"{COMMANDS[-1]}"'
)
UNKNOWN_ROLE = 'message role must be one of "system", "user", or "assistant"'
END_OF_FILE = "unexpected EOF"


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its name in lower case, the parameter's name or the message's role, value and line."""

    name: str
    key: str
    value: str
    line: int


def decode(raw: bytes) -> str:
    """The text of a Modelfile: UTF-8, or UTF-16 with a byte order mark.

    Raises:
        UnicodeDecodeError: It is neither.
    """
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16")
    return decode_utf8(raw)


def scan_commands(text: str) -> Iterator[Command | Problem]:
    """Yield the commands and the problems of a text in their order."""
    scanner = _Scanner(text)
    while scanner.skip_to_command():
        yield scanner.read_command()


def unquote(text: str) -> str | None:
    """The value that a trimmed text stands for; None while its quote is open. There are no escapes."""
    for quote in ('"""', '"'):
        if text.startswith(quote):
            closes = len(text) >= 2 * len(quote) and text.endswith(quote)
            return text[len(quote) : -len(quote)] if closes else None
    return text


def is_kept(character: str) -> bool:
    """Whether Ollama keeps a character of a value: printable as Go means it, or plain white space."""
    return character in " \t\r\n" or unicodedata.category(character)[0] in "LMNPS"


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def skip_to_command(self) -> bool:
        """Move past white space and comments; False at the end of the text."""
        while self.at < len(self.text):
            character = self.text[self.at]
            if character == "#":
                self.skip_line()
            elif character in _BLANKS or character in _NEWLINES:
                self.at += 1
            else:
                return True
        return False

    def read_command(self) -> Command | Problem:
        line = self.line_at(self.at)
        first = self.text[self.at]
        self.at += 1
        name = (first + self.take(_LETTERS)).lower()
        if self.at == len(self.text):
            return Problem(line, END_OF_FILE)
        if self.text[self.at] not in _BLANKS or name not in COMMANDS:
            return self.fail(line, UNKNOWN_COMMAND)
        self.at += 1
        key = ""
        if name in ("parameter", "message"):
            key = self.take(_NAME_CHARACTERS if name == "parameter" else _LETTERS)
            if self.at == len(self.text):
                return Problem(line, END_OF_FILE)
            if self.text[self.at] not in _BLANKS:
                self.skip_line()
                return Problem(line, f"{END_OF_FILE}: {key}")
            if name == "message" and key not in ROLES:
                return self.fail(line, UNKNOWN_ROLE)
            self.at += 1
        value = self.read_value()
        return Problem(line, END_OF_FILE) if value is None else Command(name, key, value, line)

    def read_value(self) -> str | None:
        start = self.at
        while True:
            self.skip_line()
            value = unquote(self.text[start : self.at].strip())
            if value is not None or self.at == len(self.text):
                return value
            self.at += 1

    def fail(self, line: int, message: str) -> Problem:
        problem = Problem(line, message, ollama_line=self.ollama_line_at(self.at))
        self.skip_line()
        return problem

    def take(self, allowed: frozenset[str]) -> str:
        start = self.at
        while self.at < len(self.text) and self.text[self.at] in allowed:
            self.at += 1
        return self.text[start : self.at]

    def skip_line(self) -> None:
        while self.at < len(self.text) and self.text[self.at] not in _NEWLINES:
            self.at += 1

    def line_at(self, position: int) -> int:
        before = self.text[:position].replace("\r\n", "\n")
        return 1 + before.count("\n") + before.count("\r")

    def ollama_line_at(self, position: int) -> int:
        return 1 + sum(self.text.count(newline, 0, position + 1) for newline in _NEWLINES)
