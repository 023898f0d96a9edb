"""Executes a tool call where it can do no harm: over a scratch project, locked in by Linux namespaces.

What holds: no network, not even loopback; the whole machine read-only but for a scratch /tmp of 16 MiB that
vanishes; an empty home; homes, /run, /mnt and other processes out of sight; a scrubbed environment; limits of
CPU time, memory, file size and processes; a time limit after which everything that the call started is
killed, also what has left its process group; capped output. Paths that leave the project are refused. Root
becomes nobody.

What it does not protect against:
- Reading what everybody on this machine may read outside of the hidden folders, such as /etc or another disk.
  It cannot be sent anywhere, but it may stand in the output and so in a report.
- Memory: the limit holds for each process, so all together may use `processes` times as much until the time
  is up.
- Errors of the kernel. Whoever expects an attack by a model uses a virtual machine.
- Devices that everybody may open stay open, with their drivers.

Where a step of it is not possible (macOS, containers without user namespaces, kernels before 5.12), nothing
is executed and `MissingPrerequisite` says which step; there is no weaker mode.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from evals.checkers.tool_task import validate_call
from evals.checkers.toolcalls import Call
from web4mlx.errors import MissingPrerequisite, UsageError

ROOT = Path(__file__).parents[1]
START = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from evals.sandbox_inside import main; main()"
END_S = 5
Status = Literal["succeeded", "failed", "refused", "killed"]


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """What one call may use; `wall_s` includes the start of the sandbox, about 0.2 s."""

    wall_s: float = 10.0
    cpu_s: int = 5
    memory_bytes: int = 512 * 1024 * 1024
    file_bytes: int = 4 * 1024 * 1024
    processes: int = 32
    output_bytes: int = 64 * 1024


@dataclass(frozen=True, slots=True)
class SandboxResult:
    """What became of a call.

    `refused` is a path outside of the project, `killed` a limit that ended the sandbox itself. `files` are
    the texts of the scratch project afterwards, by path.
    """

    status: Status
    output: str = ""
    truncated: bool = False
    reason: str = ""
    exit_code: int | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    wall_s: float = 0.0


def run_call(
    call: Call, workspace_files: Mapping[str, str], limits: SandboxLimits | None = None
) -> SandboxResult:
    """Execute one call over a scratch project.

    Args:
        call: A call that satisfies its tool's schema.
        workspace_files: The project: path to text. Files that begin with `#!` are executable, and `bin/`
            stands first on the PATH of commands.
        limits: What it may use.

    Raises:
        UsageError: The call does not satisfy its schema.
        MissingPrerequisite: This machine cannot lock it in; nothing was executed.
    """
    if reasons := validate_call(call):
        raise UsageError(f"this call cannot be executed: {'; '.join(reasons)}")
    require_isolation()
    return _run({"tool": call.name, "arguments": dict(call.arguments)}, workspace_files, limits)


@cache
def require_isolation() -> None:
    """Try once whether this machine can lock a call in.

    Raises:
        MissingPrerequisite: It cannot; names the step.
    """
    result = _run({"tool": "list_files", "arguments": {"path": "."}}, {}, None)
    if result.status != "succeeded":
        raise _not_isolated(result.reason)


def _run(request: dict[str, Any], files: Mapping[str, str], limits: SandboxLimits | None) -> SandboxResult:
    limits = limits or SandboxLimits()
    request = {**request, "files": dict(files), "limits": asdict(limits), "home": str(Path.home())}
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", START],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={},
        start_new_session=True,
    )
    has_timed_out = False
    try:
        output, errors = process.communicate(json.dumps(request).encode(), timeout=limits.wall_s)
    except subprocess.TimeoutExpired:
        has_timed_out = True
    finally:
        _end(process)
    wall_s = time.monotonic() - started
    if has_timed_out:
        return SandboxResult("killed", reason=f"not done after {limits.wall_s:g} s", wall_s=wall_s)
    return _read_result(output, errors, wall_s)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the sandbox, if it has not, and come back when all that it started is gone."""
    process.terminate()
    try:
        process.communicate(timeout=END_S)
    except subprocess.TimeoutExpired:
        # process 1 of the namespaces is in this group, and with it dies everything that it started
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _read_result(output: bytes, errors: bytes, wall_s: float) -> SandboxResult:
    try:
        result = json.loads(output)
    except ValueError:
        last = errors.decode("utf-8", "replace").strip().rpartition("\n")[2]
        return SandboxResult("killed", reason=last or "a limit of the sandbox ended it", wall_s=wall_s)
    if step := result.get("not_isolated"):
        raise _not_isolated(step)
    return SandboxResult(**result, wall_s=wall_s)


def _not_isolated(step: str) -> MissingPrerequisite:
    return MissingPrerequisite(
        f"calls cannot be executed safely here: {step}",
        "Run without --execute, or on Linux where a user may create namespaces.",
    )
