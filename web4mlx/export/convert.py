"""The two steps of llama.cpp: Hugging Face folder → float16 GGUF → quantized GGUF, with their progress."""

import re
import time
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


def convert(tools: Toolchain, merged: Path, out: Path, name: str, events: EventLog) -> None:
    """Write the float16 GGUF.

    Args:
        tools: The toolchain.
        merged: The merged folder.
        out: The file to write; the caller gives it a temporary name.
        name: The model's name inside the GGUF.
        events: Progress goes here.

    Raises:
        CheckFailed: The converter does not know the tokenizer, so it is not the base's.
        StageCrashed: The converter failed otherwise.
    """

    def show(line: str) -> None:
        match = WRITING.search(line)
        if match:
            eta_s = sum(int(part) * 60**i for i, part in enumerate(reversed(match[2].split(":"))))
            events.write(
                Progress, done=int(match[1]), total=100, unit="%", message="convert", eta_s=float(eta_s)
            )

    log = log_path(out)
    events.write(Progress, done=0, total=100, unit="%", message="convert")
    try:
        with explain_os_errors(out):
            run_tool(tools.convert_command(merged, out, name), log, show)
    except StageCrashed as error:
        if UNKNOWN_TOKENIZER in log.read_text("utf-8", "replace"):
            raise CheckFailed(
                f"{merged}: the tokenizer differs from the base's: llama.cpp does not recognize it",
                "Restore the base's tokenizer files (`web4mlx fuse` copies them) and export again.",
            ) from error
        raise
    sync_file(out)


def quantize(
    tools: Toolchain, source: Path, target: Path, quant: QuantType, events: EventLog, total_bytes: int
) -> list[str]:
    """Quantize a GGUF.

    Args:
        tools: The toolchain.
        source: The float16 GGUF.
        target: The file to write; the caller gives it a temporary name.
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

    command = tools.quantize_command(source, target, (quant, FILE_TYPES[quant]))
    lines = run_tool(command, log_path(target), show)
    sync_file(target)
    return [line for line in lines if FALLBACK.search(line)]


def log_path(target: Path) -> Path:
    """Where the log of the tool that writes `target` is kept."""
    return target.with_name(target.name + ".log")
