"""The export stage: merged folder → float16 GGUF → quantized GGUF, checked before it takes its name.

Finished work is kept between the steps: a float16 file whose manifest names the same merged folder and tools
is used again. The quantized file carries a temporary name until every check has passed.
"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from web4mlx.artifacts import (
    Manifest,
    manifest_path,
    new_manifest,
    sha256_file,
    write_manifest,
)
from web4mlx.config.schema import RunConfig
from web4mlx.data.chat import Row
from web4mlx.errors import CheckFailed, MissingPrerequisite
from web4mlx.events import EventLog, Finished, Gate, Progress, Started
from web4mlx.export.answers import check_answers, held_out_questions
from web4mlx.export.checks import check_gguf
from web4mlx.export.convert import Step, convert, quantize
from web4mlx.export.plan import ExportOptions, Plan, f16_work, plan_export
from web4mlx.export.predict import FILE_TYPES
from web4mlx.export.preflight import ExportSource
from web4mlx.export.retention import Candidates, Retention, measure_retention, require_retention
from web4mlx.export.rounding import roundable, rounded_copy, watch_inputs
from web4mlx.modelfile import read_modelfile
from web4mlx.modelfile.beside import write_beside
from web4mlx.verify import Check


def export_model(
    merged: Path, config: RunConfig, out: Path, log: EventLog, options: ExportOptions | None = None
) -> Manifest:
    """Export a merged folder to a verified GGUF.

    Args:
        merged: What `fuse` wrote.
        config: The run's configuration: type, held-out file, limits.
        out: The GGUF to write; an existing one is replaced when all checks passed.
        log: Progress, verdicts and the end are written here.
        options: Overrides.

    Returns:
        The manifest of `out`, with sizes and retention in `metrics`.

    Raises:
        MissingPrerequisite: A tool, a file or disk space is missing.
        CheckFailed: The folder is not what `fuse` writes, or the GGUF failed a check.
        StageCrashed: A tool of llama.cpp failed.
    """
    options = options or ExportOptions()
    start = time.monotonic()
    plan = plan_export(merged, config, out, options)
    predicted = f"{plan.prediction.file_bytes / 1e9:.2f} GB"
    log.write(Started, plan={"merged": str(merged), "type": plan.quant, "predicted": predicted})
    timings: dict[str, float] = {}
    make_f16(plan, log, timings)
    with quantized(plan, config, log, timings) as (partial, fallbacks):
        begin = time.monotonic()
        metrics = verify_export(plan, partial, fallbacks, config, options, log)
        timings["verify"] = time.monotonic() - begin
        manifest = publish(plan, partial, "export", metrics, timings)
    write_beside(out, read_modelfile(config.modelfile))
    if not (options.keep_f16 or config.export.keep_f16):
        discard_f16(plan.f16)
    log.write(Finished, duration_s=time.monotonic() - start, artifact=str(out), metrics=manifest.metrics)
    return manifest


def make_f16(plan: Plan, log: EventLog, timings: dict[str, float]) -> None:
    """Convert, unless the float16 file is there already."""
    if plan.f16_is_done:
        log.write(Progress, done=100, total=100, unit="%", message=f"convert: done before, {plan.f16}")
        return
    begin = time.monotonic()
    discard_f16(plan.f16)
    remove_leftovers(plan.f16)
    plan.f16.parent.mkdir(parents=True, exist_ok=True)
    partial = temporary_name(plan.f16)
    try:
        convert(plan.tools, Step(plan.source.folder, partial, log_path(plan.f16)), plan.out.stem, log)
        partial.replace(plan.f16)
    finally:
        partial.unlink(missing_ok=True)
    timings["convert"] = time.monotonic() - begin
    digest = sha256_file(plan.f16)
    done = new_manifest("f16", inputs=plan.inputs, config=f16_work(plan), outputs={plan.f16.name: digest})
    write_manifest(plan.f16, done)


@contextmanager
def quantized(
    plan: Plan, config: RunConfig, log: EventLog, timings: dict[str, float]
) -> Iterator[tuple[Path, list[str]]]:
    """Quantize under a temporary name; what has not been published in the end is removed.

    Returns:
        The file, and the lines in which the quantizer reported fallbacks.

    Raises:
        StageCrashed: The quantizer failed.
    """
    partial = temporary_name(plan.out)
    remove_leftovers(plan.out)
    try:
        with rounded(plan, config, log, timings) as source:
            begin = time.monotonic()
            step = Step(source, partial, log_path(plan.out))
            fallbacks = quantize(plan.tools, step, plan.quant, log, plan.f16_prediction.file_bytes)
        timings["quantize"] = time.monotonic() - begin
        yield partial, fallbacks
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def rounded(plan: Plan, config: RunConfig, log: EventLog, timings: dict[str, float]) -> Iterator[Path]:
    """What is quantized: the float16 file, or a copy of it that was rounded on training rows."""
    names = roundable(plan.prediction) if plan.calibration_rows else set()
    if not names:
        yield plan.f16
        return
    begin = time.monotonic()
    remove_leftovers(plan.f16)
    rows = spread_rows(config.data.train, plan.calibration_rows, config, plan.source)
    inputs = watch_inputs(plan.source.folder, names, rows, config.hardware.device, log)
    with rounded_copy(plan.f16, temporary_name(plan.f16), inputs, log) as copy:
        timings["round"] = time.monotonic() - begin
        yield copy


def verify_export(
    plan: Plan,
    partial: Path,
    fallbacks: Sequence[str],
    config: RunConfig,
    options: ExportOptions,
    log: EventLog,
) -> dict[str, Any]:
    """Run all checks on the quantized file.

    Returns:
        The metrics for the manifest.

    Raises:
        CheckFailed: A check failed or could not be made.
    """
    log.write(Progress, done=0, total=3, unit="checks", message="check: structure and tokenizer")
    checks = check_gguf(partial, plan.source, plan.prediction, fallbacks)
    if options.check_answers and all(check.verdict == "passed" for check in checks):
        log.write(Progress, done=1, total=3, unit="checks", message="check: answers")
        checks.append(check_answers(partial, held_out_questions(config)))
    for check in checks:
        log.write(Gate, name=check.name, verdict=check.verdict, detail=check.detail)
    require_checks(plan.out, checks)
    metrics: dict[str, Any] = {
        "size_bytes": partial.stat().st_size,
        "predicted_bytes": plan.prediction.file_bytes,
        "fallback_tensors": plan.prediction.fallbacks,
        "checks": {check.name: check.verdict for check in checks},
    }
    if options.check_retention:
        metrics["retention"] = check_retention(plan, partial, config, log).model_dump()
    return metrics


def require_checks(out: Path, checks: Sequence[Check]) -> None:
    """Raise unless every check passed."""
    bad = [f"{check.name}: {check.detail}" for check in checks if check.verdict != "passed"]
    if bad:
        listed = "\n".join(f"  - {line}" for line in bad)
        raise CheckFailed(f"{out.name} is not what was meant:\n{listed}", f"The log: {log_path(out)}")


def check_retention(plan: Plan, partial: Path, config: RunConfig, log: EventLog) -> Retention:
    """Measure quality retention and compare it with the configured limits."""
    if plan.adapter is None:
        raise MissingPrerequisite(
            f"{plan.source.folder}: the adapter it was made from is gone, so retention cannot be measured",
            "Restore the adapter folder, or pass --skip-retention.",
        )
    candidates = Candidates(plan.source.base, plan.adapter, plan.source.folder, plan.f16, partial)
    rows = spread_rows([config.data.eval], config.export.retention_rows, config, plan.source)
    result = measure_retention(candidates, rows, plan.quant, config.hardware, log)
    score = result.models["quantized"]
    gain = "unknown" if score.gain_kept is None else f"{score.gain_kept:.1%}"
    detail = f"perplexity {score.retention:.1%}, gain kept {gain}, top-1 {score.top1_agreement:.1%}"
    try:
        require_retention(result, config.export, plan.source.folder, log)
    except CheckFailed:
        log.write(Gate, name="retention", verdict="failed", detail=detail)
        raise
    log.write(Gate, name="retention", verdict="passed", detail=detail)
    return result


def spread_rows(files: Sequence[Path], count: int, config: RunConfig, source: ExportSource) -> list[Row]:
    """So many rows, spread evenly over the files."""
    from web4mlx.data.rows import load_rows

    system = read_modelfile(config.modelfile).system
    rows, _ = load_rows(files, source.tokenizer, system).fit(config.data.max_seq_length, "drop")
    count = min(len(rows), count)
    return [rows[index * len(rows) // count] for index in range(count)]


def publish(
    plan: Plan, partial: Path, stage: str, metrics: dict[str, Any], timings: dict[str, float]
) -> Manifest:
    """Give the file its name, then write its manifest; a file without manifest counts as unfinished."""
    manifest_path(plan.out).unlink(missing_ok=True)
    partial.replace(plan.out)
    manifest = new_manifest(
        stage,
        inputs=plan.inputs,
        config={
            "type": plan.quant,
            "file_type": FILE_TYPES[plan.quant],
            "tools": dict(plan.tools.versions),
            "calibration_rows": plan.calibration_rows,
        },
        outputs={plan.out.name: sha256_file(plan.out)},
        metrics=metrics,
        timings_s=timings,
    )
    write_manifest(plan.out, manifest)
    return manifest


def temporary_name(path: Path) -> Path:
    """The name a file has until it is finished."""
    return path.with_name(f".{path.name}.tmp-{os.getpid()}")


def remove_leftovers(path: Path) -> None:
    """Remove unfinished files of killed processes."""
    for leftover in path.parent.glob(f".{path.name}.tmp-*"):
        leftover.unlink(missing_ok=True)


def discard_f16(f16: Path) -> None:
    """Remove a float16 file and its manifest, the manifest first."""
    manifest_path(f16).unlink(missing_ok=True)
    f16.unlink(missing_ok=True)


def log_path(artifact: Path) -> Path:
    """Where the output of the tool that writes an artifact is kept."""
    return artifact.with_name(artifact.name + ".log")
