"""Errors a user can act on, and the process exit codes.

Every failure that a user can cause or cure is a `Web4Error` with one sentence of what happened and one
hint of what to do. The command line prints both and no traceback.
"""

from collections.abc import Sequence
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of all commands."""

    OK = 0
    CHECK_FAILED = 1
    USAGE = 2
    MISSING_PREREQUISITE = 3
    STAGE_CRASHED = 4
    INTERRUPTED = 130


class Web4Error(Exception):
    """A failure with a message for the user and a hint of what to do about it.

    Args:
        message: What happened: file, line, field, value and what was expected, as far as known.
        hint: What the user can do; may be empty.
    """

    exit_code = ExitCode.STAGE_CRASHED

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class CheckFailed(Web4Error):
    """A gate or a check said no: the input is at fault, not the program."""

    exit_code = ExitCode.CHECK_FAILED


class UsageError(Web4Error):
    """Wrong arguments or a wrong configuration."""

    exit_code = ExitCode.USAGE


class MissingPrerequisite(Web4Error):
    """Something that must exist first is missing: a model, a file, a tool, disk space, the network."""

    exit_code = ExitCode.MISSING_PREREQUISITE


class StageCrashed(Web4Error):
    """A stage broke while it ran; what it had finished is kept."""


def error_for(code: int, message: str, hint: str = "") -> Web4Error:
    """The error class of an exit code: what a child process reported, raised again in its parent."""
    kinds = (CheckFailed, UsageError, MissingPrerequisite)
    return next((kind for kind in kinds if kind.exit_code == code), StageCrashed)(message, hint)


class Problems(UsageError):
    """Several problems reported together.

    Args:
        title: What was being read.
        problems: One line each.
        hint: What to do about them.
    """

    def __init__(self, title: str, problems: Sequence[str], hint: str = "") -> None:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        noun = "problem" if len(problems) == 1 else "problems"
        super().__init__(f"{title}: {len(problems)} {noun}\n{lines}", hint)
        self.problems = list(problems)
