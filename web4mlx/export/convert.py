"""The two steps of llama.cpp: Hugging Face folder → float16 GGUF → quantized GGUF, with their progress."""

import re
import time
from dataclasses import dataclass
from pathlib import Path

from web4mlx.artifacts import explain_os_errors, sync_file
from web4mlx.config.schema import QuantType
from web4mlx.errors import CheckFailed, StageCrashed
from web4mlx.events import EventLog, Progress
from web4mlx.export.predict import FILE_TYPES
from web4mlx.export.process import run_tool
from web4mlx.export.toolchain import Toolchain

WRITING = re.compile(r"Writing:\s+(\d+)%.*\[.*<([\d:]+)")
QUANTIZED = re.compile(r"\[\s*(\d+)/\s*(\d+)\]\s+\S+")
TENSOR_SIZE = re.compile(r"size =\s*([\d.]+) MiB")
FALLBACK = re.compile(r"falling back to|required fallback|must use F16")
UNKNOWN_TOKENIZER = "pre-tokenizer was not recognized"


@dataclass(frozen=True)
class Step:
    """One run of a tool: what it reads, what it writes (under a temporary name), where its output is kept."""

    source: Path
    target: Path
    log: Path


def convert(tools: Toolchain, step: Step, name: str, events: EventLog) -> None:
    """Write the float16 GGUF.

    Args:
        tools: The toolchain.
        step: From the merged folder to the float16 file.
        name: The model's name inside the GGUF.
        events: Progress goes here.

    Raises:
        CheckFailed: The converter does not know the tokenizer.
        StageCrashed: The converter failed otherwise.
    """

    def show(line: str) -> None:
        match = WRITING.search(line)
        if match:
            eta_s = sum(int(part) * 60**i for i, part in enumerate(reversed(match[2].split(":"))))
            events.write(
                Progress, done=int(match[1]), total=100, unit="%", message="convert", eta_s=float(eta_s)
            )

    events.write(Progress, done=0, total=100, unit="%", message="convert")
    try:
        with explain_os_errors(step.target):
            run_tool(tools.convert_command(step.source, step.target, name), step.log, show)
    except StageCrashed as error:
        if UNKNOWN_TOKENIZER in step.log.read_text("utf-8", "replace"):
            raise CheckFailed(
                f"{step.source}: the tokenizer differs from the base's as published: "
                "llama.cpp does not know it",
                "Restore its files (`web4mlx download`; `web4mlx fuse` copies them) and export again.",
            ) from error
        raise
    sync_file(step.target)


def quantize(tools: Toolchain, step: Step, quant: QuantType, events: EventLog, total_bytes: int) -> list[str]:
    """Quantize a GGUF.

    Args:
        tools: The toolchain.
        step: From the float16 file to the quantized one.
        quant: The type.
        events: Progress goes here.
        total_bytes: Bytes of the source's tensors, for the time left.

    Returns:
        The lines in which the quantizer reports a fallback to another type.
    """
    start = time.monotonic()
    done_bytes = 0.0

    def show(line: str) -> None:
        nonlocal done_bytes
        match = QUANTIZED.match(line)
        if not match:
            return
        size = TENSOR_SIZE.search(line)
        done_bytes += float(size[1]) * 2**20 if size else 0.0
        elapsed_s = time.monotonic() - start
        eta_s = elapsed_s * max(0.0, total_bytes / done_bytes - 1) if done_bytes else None
        done, total = int(match[1]), int(match[2])
        events.write(Progress, done=done, total=total, unit="tensors", message=f"to {quant}", eta_s=eta_s)

    command = tools.quantize_command(step.source, step.target, (quant, FILE_TYPES[quant]))
    lines = run_tool(command, step.log, show)
    sync_file(step.target)
    return [line for line in lines if FALLBACK.search(line)]
