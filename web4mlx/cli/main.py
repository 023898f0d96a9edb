"""The program: collects the command groups and turns errors into messages and exit codes."""

import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import typer

from web4mlx import __version__
from web4mlx.errors import ExitCode, Web4Error

COMMAND_FILES = (
    "doctor",
    "download",
    "data",
    "plan",
    "train",
    "fuse",
    "export",
    "modelfile",
    "ask",
    "import_",
    "models",
    "rag",
    "serve",
    "smoke",
    "tui",
    "run",
)

app = typer.Typer(
    name="web4mlx",
    help="LoRA-train a code model with Apple MLX, prove that it is good, and only then ship it.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"web4mlx {__version__}")
        raise typer.Exit


@app.callback()
def options(
    traceback: bool = typer.Option(False, "--traceback", help="Show the Python traceback of an error."),
    version: bool = typer.Option(
        False, "--version", is_eager=True, callback=_print_version, help="Show the version and exit."
    ),
) -> None:
    """Options that stand before the command."""
    if traceback:
        os.environ["WEB4MLX_TRACEBACK"] = "1"


def load_commands() -> None:
    """Import the command files, which register their commands on `app` when called."""
    for name in COMMAND_FILES:
        import_module(f"web4mlx.cli.{name}").register(app)


def run_program(program: Callable[[], Any]) -> None:
    """Run a Typer program; print a `Web4Error` as one message and a hint, and exit with its code."""
    try:
        program()
    except Web4Error as error:
        if os.environ.get("WEB4MLX_TRACEBACK"):
            raise
        print_error(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitCode.OK)
    except Exception as error:  # the process boundary: an error that nobody foresaw
        if os.environ.get("WEB4MLX_TRACEBACK"):
            raise
        print_error(unforeseen(error))
        sys.exit(ExitCode.STAGE_CRASHED)


def unforeseen(error: Exception) -> Web4Error:
    """The message of an error without one of ours: the system's own words, or a fault of this program."""
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return Web4Error(f"{where}{error.strerror}", "`web4mlx --traceback ...` shows where it happened.")
    return Web4Error(
        f"unexpected {type(error).__name__}: {error}",
        "This is a fault of web4mlx: run `web4mlx --traceback ...` again and report what it prints.",
    )


def print_error(error: Web4Error) -> None:
    """Write an error and its hint to stderr."""
    print(f"error: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"hint: {error.hint}", file=sys.stderr)


def main() -> None:
    """Entry point of the console script."""
    load_commands()
    run_program(app)
