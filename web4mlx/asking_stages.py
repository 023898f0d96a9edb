"""The stages that ask models, and the import: baseline, comparison, evaluation.

What `evals` does is started as a process; its exit code says how the line goes on. The suite keeps its
answers and the import its record, so none of these stages looks for finished work itself.
"""

import subprocess
import sys
import time
from pathlib import Path

from web4mlx.errors import ExitCode, StageCrashed, error_for
from web4mlx.events import EventLog, Finished
from web4mlx.machine.awake import gpu_lease
from web4mlx.reports import BASELINE, FINAL_REPORT
from web4mlx.stages import Line

BASE_GGUF = "base.gguf"


def record_baseline(line: Line, log: EventLog) -> Path:
    """Let the suite ask the untrained base a part of its questions; a base is not expected to pass."""
    from web4mlx.export.base import export_base

    record, gguf = line.config.outputs / BASELINE, base_gguf(line)
    with gpu_lease(f"exporting {line.base.name}"):
        export_base(line.base, line.config, gguf, log)
    evaluate(line, log, [str(gguf), "--baseline"], record)
    return record


def base_gguf(line: Line) -> Path:
    """The base in the type of the trained model, made by the baseline stage."""
    return line.config.outputs / BASE_GGUF


def evaluate_model(line: Line, log: EventLog) -> Path:
    """Let the suite ask the GGUF everything and decide.

    Raises:
        CheckFailed: Deployment is blocked.
    """
    report = line.config.outputs / FINAL_REPORT
    evaluate(line, log, [str(line.gguf)], report)
    return report


def import_model(line: Line, log: EventLog) -> Path:
    """Import the cleared GGUF into Ollama; without a server say how to do it later, which is no failure.

    Raises:
        Web4Error: It was refused, or failed; what was in production before still is.
    """
    command = [sys.executable, "-m", "web4mlx", "import", str(line.gguf), "--config", str(line.config_file)]
    started, shown_on = time.monotonic(), sys.stderr if line.quiet else None
    code = subprocess.run(command, check=False, stdout=shown_on).returncode
    if code == ExitCode.MISSING_PREREQUISITE:
        message = f"{line.gguf} is cleared and not imported"
        log.warn("not-imported", message, "The lines above say what is missing.")
        return line.gguf
    if code:
        raise error_for(code, f"`web4mlx import` ended with code {code}", "Its last lines say why.")
    log.write(Finished, duration_s=time.monotonic() - started, artifact=line.config.deploy.name)
    return line.gguf


def evaluate(line: Line, log: EventLog, arguments: list[str], artifact: Path) -> None:
    """Run `evals run` as a process; answers that are there already are not asked for again.

    Raises:
        Web4Error: Of the kind that its exit code says.
    """
    command = [sys.executable, "-m", "evals", "run", *arguments, "--config", str(line.config_file)]
    started, shown_on = time.monotonic(), sys.stderr if line.quiet else None
    with gpu_lease(f"evaluating {arguments[0]}"):
        code = subprocess.run(command, check=False, stdout=shown_on).returncode
    if code:
        raise error_for(
            code, f"{log.stage}: `evals run` ended with exit code {code}", "Its last lines say why."
        )
    log.write(Finished, duration_s=time.monotonic() - started, artifact=str(artifact))


def ask_models(line: Line, log: EventLog) -> Path:
    """Ask the base and the new model the same held-out questions and print both answers."""
    command = [
        sys.executable, "-m", "evals", "preview", str(base_gguf(line)), str(line.gguf),
        "--modelfile", str(line.config.modelfile), "--max-tokens", str(line.config.ask.max_tokens),
    ]  # fmt: skip
    if line.config.ask.prompts:
        command += ["--prompts", str(line.config.ask.prompts)]
    started, shown_on = time.monotonic(), sys.stderr if line.quiet else None
    if subprocess.run(command, check=False, stdout=shown_on).returncode:
        raise StageCrashed("the models could not be asked", f"Try it alone: {' '.join(command)}")
    log.write(Finished, duration_s=time.monotonic() - started, artifact=str(line.gguf))
    return line.gguf
