"""From what a Modelfile says back to its text."""

from collections.abc import Iterator

from web4mlx.errors import UsageError
from web4mlx.modelfile.model import Modelfile, Value
from web4mlx.modelfile.scan import Command, scan_commands


def write_modelfile(modelfile: Modelfile) -> str:
    """The text of a Modelfile that parses back to an equal one.

    Raises:
        UsageError: A value cannot be written, because the format has no escapes; names the command.
    """
    return "\n".join(_commands(modelfile)) + "\n"


def _commands(modelfile: Modelfile) -> Iterator[str]:
    for source in (modelfile.from_, *modelfile.also_from):
        yield _command("FROM", source)
    for path in modelfile.draft:
        yield _command("DRAFT", path)
    texts = {
        "ADAPTER": modelfile.adapter,
        "REQUIRES": modelfile.requires,
        "RENDERER": modelfile.renderer,
        "PARSER": modelfile.parser,
        "SYSTEM": modelfile.system,
        "TEMPLATE": modelfile.template,
    }
    for name, text in texts.items():
        if text:
            yield _command(name, text)
    for key, value in modelfile.parameters.items():
        for item in value if isinstance(value, tuple) else (value,):
            yield _command(f"PARAMETER {key}", format_value(item))
    for message in modelfile.messages:
        yield _command(f"MESSAGE {message.role}", message.content)
    for text in modelfile.licenses:
        yield _command("LICENSE", text)


def format_value(value: Value | str) -> str:
    """A parameter's value as text."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _command(head: str, value: str) -> str:
    """The command with the first way of quoting that reads back as `value`."""
    quotes = ('"""', '"') if "\n" in value else ('"', '"""')
    for text in (value, *(f"{quote}{value}{quote}" for quote in quotes)):
        read = list(scan_commands(f"{head} {text}\n"))
        if len(read) == 1 and isinstance(read[0], Command) and read[0].value == value:
            return f"{head} {text}"
    raise UsageError(
        f"{head}: this value cannot be written: a line of it ends in quotes that would close it",
        'The format has no escapes; avoid """ at the end of a line.',
    )
