"""Running a tool of the export: its lines as they come, its log kept, its group ended with us."""

import os
import re
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, cast

from web4mlx.errors import StageCrashed

LINE_END = re.compile(rb"[\r\n]+")
TAIL_LINES = 12
DROPPED_VARIABLES = ("NO_LOCAL_GGUF", "LLAMA_CPP_LIB", "GGML_BACKEND_PATH")
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


def run_tool(
    command: Sequence[str], log: Path | None = None, on_line: Callable[[str], None] = lambda line: None
) -> list[str]:
    """Run a tool to its end, with stdout and stderr joined.

    Args:
        command: Program and arguments.
        log: File that receives everything the tool prints, if any.
        on_line: Called with each line; a carriage return ends a line too, as progress bars use it.

    Returns:
        All lines.

    Raises:
        StageCrashed: The tool failed or was killed; quotes its last lines.
    """
    environment = {k: v for k, v in os.environ.items() if k not in DROPPED_VARIABLES} | OFFLINE
    lines: list[str] = []
    process = subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,
    )
    try:
        with open(log or os.devnull, "w", encoding="utf-8") as file:
            for line in split_lines(cast("IO[bytes]", process.stdout)):
                file.write(line + "\n")
                lines.append(line)
                on_line(line)
        code = process.wait()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if code != 0:
        raise StageCrashed(describe_failure(command, code, lines), f"The whole output: {log}" if log else "")
    return lines


def split_lines(stream: IO[bytes]) -> Iterator[str]:
    """Yield lines that end with a newline or a carriage return, as soon as they are complete."""
    rest = b""
    while data := os.read(stream.fileno(), 65536):
        *complete, rest = LINE_END.split(rest + data)
        yield from (line.decode("utf-8", "replace") for line in complete if line)
    if rest:
        yield rest.decode("utf-8", "replace")


def describe_failure(command: Sequence[str], code: int, lines: Sequence[str]) -> str:
    """One message with how the tool ended and what it said last."""
    name = " ".join(Path(part).name for part in command[:3])
    ending = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"failed with exit code {code}"
    tail = "\n".join(f"  {line}" for line in deque(lines, TAIL_LINES))
    return f"{name} {ending}; its last lines:\n{tail}"
