"""What an export will do, with everything checked that can be checked before work begins."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from web4mlx.artifacts import Input, describe_input, read_manifest, sha256_file
from web4mlx.config.schema import QuantType, RunConfig
from web4mlx.errors import MissingPrerequisite, UsageError
from web4mlx.export.predict import BETTER_TYPES, Prediction, predict_gguf, vocabulary_size
from web4mlx.export.preflight import ExportSource, check_base, check_merged
from web4mlx.export.toolchain import Source, Toolchain, find_toolchain
from web4mlx.machine.disk import require_free_disk
from web4mlx.models.base import find_base

SPARE_BYTES = 64 << 20


@dataclass(frozen=True)
class ExportOptions:
    """Choices of one export; `type` None takes the configuration's.

    `check_answers` and `check_retention` need the held-out file of the configuration.
    """

    type: QuantType | None = None
    keep_f16: bool = False
    check_answers: bool = True
    check_retention: bool = True
    tools: Source = "pinned"
    allow_unpinned: bool = False


@dataclass(frozen=True)
class Plan:
    """An export whose prerequisites are met; `role` is what manifests call its source, `merged` or `base`."""

    role: str
    source: ExportSource
    adapter: Path | None
    tools: Toolchain
    quant: QuantType
    out: Path
    f16: Path
    f16_prediction: Prediction
    prediction: Prediction
    f16_is_done: bool
    calibration_rows: int

    @cached_property
    def inputs(self) -> dict[str, Input]:
        """The manifest entry of the source, which is read whole for it, once."""
        return {self.role: describe_input(self.source.folder)}

    def describe(self) -> dict[str, Any]:
        """What will be written, for display."""
        return {
            "merged": str(self.source.folder),
            "base": str(self.source.base),
            "gguf": str(self.out),
            "type": self.quant,
            "calibration_rows": self.calibration_rows,
            "predicted_bytes": self.prediction.file_bytes,
            "predicted_f16_bytes": self.f16_prediction.file_bytes,
            "fallback_tensors": self.prediction.fallbacks,
            "reuses_f16": self.f16_is_done,
            "tools": dict(self.tools.versions),
        }


def plan_export(merged: Path, config: RunConfig, out: Path, options: ExportOptions) -> Plan:
    """Check everything that can be checked before work begins: folder, tools, disk."""
    adapter, base = origins(merged, config)
    return _plan("merged", check_merged(merged, base), adapter, config, out, options)


def plan_base_export(base: Path, config: RunConfig, out: Path, options: ExportOptions) -> Plan:
    """The same for a base model, which has no adapter."""
    return _plan("base", check_base(base), None, config, out, options)


def _plan(
    role: str,
    source: ExportSource,
    adapter: Path | None,
    config: RunConfig,
    out: Path,
    options: ExportOptions,
) -> Plan:
    quant = options.type or config.export.type
    tools = find_toolchain(options.tools, allow_unpinned=options.allow_unpinned)
    rows = source.files.tensors["model.embed_tokens.weight"].shape[0]
    vocabulary = vocabulary_size(source.base, rows)
    f16 = out.with_name(f"{out.stem}.f16.gguf")
    plan = Plan(
        role=role,
        source=source,
        adapter=adapter,
        tools=tools,
        quant=quant,
        out=out,
        f16=f16,
        f16_prediction=predict_gguf(source.files.tensors, vocabulary, None),
        prediction=predict_gguf(source.files.tensors, vocabulary, quant),
        f16_is_done=False,
        calibration_rows=config.export.calibration_rows,
    )
    plan = replace(plan, f16_is_done=is_f16_done(plan))
    needed = plan.prediction.file_bytes + (0 if plan.f16_is_done else plan.f16_prediction.file_bytes)
    needed += plan.f16_prediction.file_bytes if plan.calibration_rows else 0
    require_free_disk(out, needed + SPARE_BYTES, f"the export (float16 file and {quant})")
    return plan


def parse_type(name: str) -> QuantType | None:
    """The quantization type of a name in any case; None for an empty one.

    Raises:
        UsageError: Not one of the supported types.
    """
    if not name:
        return None
    for known in BETTER_TYPES:
        if name.upper() == known:
            return known
    raise UsageError(f"--type {name}: expected one of {', '.join(BETTER_TYPES)}")


def origins(merged: Path, config: RunConfig) -> tuple[Path | None, Path]:
    """Adapter and base that a merged folder was made from, as its manifest says; else the configured base."""
    manifest = read_manifest(merged)
    if manifest is None or manifest.stage != "fuse":
        raise MissingPrerequisite(f"{merged}: no merged model with a manifest", "Make one: `web4mlx fuse`.")
    adapter, base = (Path(manifest.inputs[name].path) for name in ("adapter", "base"))
    return (adapter if adapter.is_dir() else None), (base if base.is_dir() else find_base(config.model))


def f16_work(plan: Plan) -> dict[str, Any]:
    """What decides the float16 file besides the merged folder."""
    return {"outtype": "f16", "name": plan.out.stem, **plan.tools.versions}


def is_f16_done(plan: Plan) -> bool:
    """Whether a finished float16 file of the same source and tools is there, unchanged."""
    manifest = read_manifest(plan.f16)
    if manifest is None or not plan.f16.is_file():
        return False
    return (
        manifest.is_same_work(plan.inputs, f16_work(plan))
        and sha256_file(plan.f16) == manifest.outputs[plan.f16.name]
    )
