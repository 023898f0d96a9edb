"""Sandboxes for tests: a mark for machines that have none, a command or a tool run in one."""

from collections.abc import Mapping

import pytest

from evals.checkers.toolcalls import Call
from evals.sandbox import SandboxLimits, SandboxResult, require_isolation, run_call
from web4mlx.errors import MissingPrerequisite


def is_isolable() -> bool:
    try:
        require_isolation()
    except MissingPrerequisite:
        return False
    return True


isolated_only = pytest.mark.skipif(
    not is_isolable(), reason="NOT TESTED HERE: this machine cannot lock a process in"
)


def run(
    command: str, files: Mapping[str, str] | None = None, limits: SandboxLimits | None = None
) -> SandboxResult:
    call = Call("run_terminal_command", {"command": command}, "json")
    return run_call(call, files or {}, limits or SandboxLimits())


def use(tool: str, files: Mapping[str, str] | None = None, **arguments: str) -> SandboxResult:
    return run_call(Call(tool, arguments, "json"), files or {})
