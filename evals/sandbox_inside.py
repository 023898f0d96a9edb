"""The tools as they work inside the sandbox: one call over a scratch project. Standard library only.

Started by `evals.sandbox` in its own process: reads one JSON request from stdin, locks itself in, executes
the call, and writes one JSON result to stdout. Only process 1 of the sandbox holds that stdout.
"""

import json
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

from evals.sandbox_isolation import (
    HOME,
    PROJECT,
    TEMPORARY,
    NotIsolated,
    drop_privileges,
    enter_namespaces,
    limit_resources,
)

COLLECTED_FILES = 256
COLLECTED_BYTES = 1024 * 1024
CHUNK_BYTES = 65536


class Refused(Exception):
    """The call wants something that is not allowed, such as a path outside of the project."""


def main() -> None:
    """Execute the request on stdin."""
    request = json.load(sys.stdin)
    try:
        child = enter_namespaces(request["home"])
        if child is not None:
            _wait(child)
            return
        limit_resources(request["limits"])
        drop_privileges()
        result = _execute(request)
    except NotIsolated as error:
        result = {"not_isolated": str(error)}
    sys.stdout.write(json.dumps(result))
    sys.stdout.flush()
    os._exit(0)  # the kernel ends whatever is left in this process 1's namespace


def _wait(child: int) -> None:
    """Wait for process 1, which is gone only when all that it started is; SIGTERM asks for its end."""
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGKILL))
    os.waitpid(child, 0)


def _execute(request: Mapping[str, Any]) -> dict[str, Any]:
    for path, text in request["files"].items():
        file = _locate(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
        file.chmod(0o755 if text.startswith("#!") else 0o644)
    result: dict[str, Any] = {"status": "succeeded", "reason": "", "exit_code": None, "truncated": False}
    cap = request["limits"]["output_bytes"]
    try:
        if request["tool"] == "run_terminal_command":
            result |= _run(request["arguments"]["command"], cap)
        else:
            output = TOOLS[request["tool"]](request["arguments"])
            result |= {"output": output[:cap], "truncated": len(output) > cap}
    except Refused as refusal:
        result |= {"status": "refused", "reason": str(refusal), "output": ""}
    except (OSError, ValueError, RecursionError) as error:
        result |= {"status": "failed", "reason": f"{type(error).__name__}: {error}", "output": ""}
    return result | {"files": _collect()}


def _locate(path: str) -> Path:
    """A path of the project, with symbolic links and `..` followed before it is judged."""
    full = os.path.realpath(os.path.join(PROJECT, path))
    if full != PROJECT and not full.startswith(PROJECT + "/"):
        raise Refused("the path leaves the project")
    return Path(full)


def _read_file(arguments: Mapping[str, str]) -> str:
    return _locate(arguments["path"]).read_text("utf-8", "replace")


def _list_files(arguments: Mapping[str, str]) -> str:
    return "\n".join(sorted(entry.name for entry in _locate(arguments["path"]).iterdir()))


def _grep(arguments: Mapping[str, str]) -> str:
    """Lines that hold the pattern as it stands or match it as a regular expression."""
    text = arguments["pattern"]
    try:
        matches = re.compile(text).search
    except re.error:
        matches = re.compile(re.escape(text)).search
    root = _locate(arguments.get("path", "."))
    if not root.exists():
        raise FileNotFoundError(f"no such file or folder: {arguments['path']}")
    lines: list[str] = []
    for file in [root] if root.is_file() else sorted(root.rglob("*")):
        if file.is_file() and not file.is_symlink():
            content = file.read_text("utf-8", "replace").splitlines()
            found = [(n, line) for n, line in enumerate(content, 1) if text in line or matches(line)]
            lines += [f"{file.relative_to(PROJECT)}:{number}:{line}" for number, line in found]
    return "\n".join(lines)


def _create_file(arguments: Mapping[str, str]) -> str:
    file = _locate(arguments["path"])
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("x", encoding="utf-8") as handle:
        handle.write(arguments["content"])
    return ""


def _edit_file(arguments: Mapping[str, str]) -> str:
    file = _locate(arguments["path"])
    text = file.read_text("utf-8")
    if arguments["old_text"] not in text:
        raise ValueError("old_text does not stand in the file")
    file.write_text(text.replace(arguments["old_text"], arguments["new_text"]), "utf-8")
    return ""


TOOLS: dict[str, Callable[[Mapping[str, str]], str]] = {
    "read_file": _read_file,
    "list_files": _list_files,
    "grep": _grep,
    "create_file": _create_file,
    "edit_file": _edit_file,
}


def _run(command: str, cap: int) -> dict[str, Any]:
    """Run a command line; its output beyond the cap is read and thrown away."""
    environment = {
        "PATH": f"{PROJECT}/bin:/usr/bin:/bin",
        "HOME": HOME,
        "TMPDIR": TEMPORARY,
        "LANG": "C.UTF-8",
    }
    process = subprocess.Popen(
        ["/bin/sh", "-c", command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=PROJECT,
        env=environment,
        start_new_session=True,
    )
    output, truncated = _drain(process, cast(IO[bytes], process.stdout).fileno(), cap)
    code = process.wait()
    failed = f"exit code {code}" if code else ""
    return {
        "status": "failed" if code else "succeeded",
        "reason": failed,
        "exit_code": code,
        "output": output.decode("utf-8", "replace"),
        "truncated": truncated,
    }


def _drain(process: subprocess.Popen[bytes], pipe: int, cap: int) -> tuple[bytes, bool]:
    """Read until the command has ended; what it left running holds the pipe open, but is not waited for."""
    output, truncated = bytearray(), False
    while True:
        has_ended = process.poll() is not None
        is_ready = bool(select.select([pipe], [], [], 0 if has_ended else 0.05)[0])
        if is_ready:
            chunk = os.read(pipe, CHUNK_BYTES)
            if not chunk:
                process.wait()
                return bytes(output), truncated
            truncated = truncated or len(output) + len(chunk) > cap
            output += chunk[: cap - len(output)]
        if has_ended and (truncated or not is_ready):
            return bytes(output), truncated


def _collect() -> dict[str, str]:
    """The texts of the project's files, as far as they are few and small, once nothing can change them."""
    with suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    files: dict[str, str] = {}
    left = COLLECTED_BYTES
    for folder, _, names in os.walk(PROJECT):
        for name in sorted(names):
            path = Path(folder, name)
            if path.is_symlink() or not path.is_file() or path.stat().st_size > left:
                continue
            if len(files) == COLLECTED_FILES:
                return files
            content = path.read_bytes()
            left -= len(content)
            files[str(path.relative_to(PROJECT))] = content.decode("utf-8", "replace")
    return files
