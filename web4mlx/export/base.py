"""The base model as a GGUF of the type that the trained one gets.

Asked by the same engine and quantized in the same way, base and trained model differ by the training alone.
A GGUF is also quicker to ask, and needs a quarter of the memory.
"""

from pathlib import Path

from web4mlx.artifacts import describe_input, read_manifest, sha256_file
from web4mlx.config.schema import QuantType, RunConfig
from web4mlx.events import EventLog
from web4mlx.export.checks import check_gguf
from web4mlx.export.plan import ExportOptions, plan_base_export
from web4mlx.export.stage import discard_f16, make_f16, publish, quantized, require_checks

STAGE = "base_gguf"


def export_base(
    base: Path, config: RunConfig, out: Path, log: EventLog, options: ExportOptions | None = None
) -> None:
    """Convert and quantize a base model, unless that is done.

    Args:
        base: Its folder.
        config: The run's configuration: the type, and training rows to round by.
        out: The GGUF to write.
        log: Progress is written here.
        options: Overrides; what they say of answers and retention is for trained models.

    Raises:
        MissingPrerequisite: A tool, a file or disk space is missing.
        CheckFailed: The folder holds code, or the GGUF is not what was meant.
        StageCrashed: A tool of llama.cpp failed.
    """
    options = options or ExportOptions()
    if is_exported(base, options.type or config.export.type, config.export.calibration_rows, out):
        return
    plan = plan_base_export(base, config, out, options)
    timings: dict[str, float] = {}
    make_f16(plan, log, timings)
    with quantized(plan, config, log, timings) as (partial, fallbacks):
        require_checks(out, check_gguf(partial, plan.source, plan.prediction, fallbacks))
        publish(plan, partial, STAGE, {"size_bytes": partial.stat().st_size}, timings)
    if not options.keep_f16:
        discard_f16(plan.f16)


def is_exported(base: Path, quant: QuantType, calibration_rows: int, out: Path) -> bool:
    """Whether a finished, unchanged GGUF of this base is there, of this type and rounded so."""
    manifest = read_manifest(out)
    if manifest is None or not out.is_file():
        return False
    source = manifest.inputs.get("base")
    return (
        manifest.stage == STAGE
        and manifest.config.get("type") == quant
        and manifest.config.get("calibration_rows", 0) == calibration_rows
        and source is not None
        and source.sha256 == describe_input(base).sha256
        and manifest.outputs.get(out.name) == sha256_file(out)
    )
