"""`web4mlx export`."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from web4mlx.cli.output import EventPrinter, note, print_result

if TYPE_CHECKING:
    from web4mlx.config.schema import RunConfig
    from web4mlx.export.plan import ExportOptions


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(export)


def export(
    merged: Path = typer.Argument(None, help="The merged folder; default: the newest one."),
    base: bool = typer.Option(False, "--base", help="The base as it is, for `evals run --baseline`."),
    config: str = typer.Option("", "--config", "-c", help="Configuration; default: the run's own, or demo."),
    quant: str = typer.Option("", "--type", help="Q4_K_M, Q5_K_M, Q6_K or Q8_0; default: the configured."),
    out: Path = typer.Option(None, "--out", help="The GGUF; default: OUTPUTS/web4-agent.gguf or base.gguf."),
    keep_f16: bool = typer.Option(False, "--keep-f16", help="Keep the float16 file."),
    skip_answers: bool = typer.Option(False, "--skip-answers", help="Do not ask it anything."),
    skip_retention: bool = typer.Option(False, "--skip-retention", help="Do not measure kept quality."),
    local_tools: bool = typer.Option(False, "--local-llama-cpp", help="Use LLAMA_CPP_DIR, else PATH."),
    allow_unpinned: bool = typer.Option(False, "--allow-unpinned", help="Accept other tool versions."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Check everything, write nothing."),
    as_json: bool = typer.Option(False, "--json", help="Print the result as JSON."),
) -> None:
    """Export a merged model to a quantized GGUF and prove that it is whole and still good.

    Example: web4mlx export outputs/web4_merged_20260101_120000 --type Q5_K_M
    """
    from web4mlx.artifacts import newest
    from web4mlx.config import find_run_config, load_config
    from web4mlx.events import EventLog
    from web4mlx.export.plan import ExportOptions, parse_type, plan_export
    from web4mlx.export.stage import export_model
    from web4mlx.machine.awake import gpu_lease

    settings = load_config(find_run_config(config, run_of(merged)))
    options = ExportOptions(
        parse_type(quant), keep_f16, not skip_answers, not skip_retention,
        "local" if local_tools else "pinned", allow_unpinned,
    )  # fmt: skip
    if base:
        refuse_with_base(merged, dry_run=dry_run)
        export_the_base(settings, out, options, as_json=as_json)
        return
    if merged is None:
        merged = newest(settings.outputs, "web4_merged_*", "fuse")
        note(f"exporting the newest merged model: {merged}")
    out = out or settings.outputs / "web4-agent.gguf"
    if dry_run:
        result = plan_export(merged, settings, out, options).describe()
    else:
        with gpu_lease(f"exporting {merged.name}"), EventLog(None, out.stem, "export", EventPrinter()) as log:
            result = export_model(merged, settings, out, log, options).model_dump()
    print_result(result, out, as_json, whole=dry_run)


def refuse_with_base(merged: Path | None, *, dry_run: bool) -> None:
    """Refuse what does not go with `--base`."""
    from web4mlx.errors import UsageError

    if merged is not None or dry_run:
        wrong = "--dry-run" if dry_run else str(merged)
        raise UsageError(f"--base does not go with {wrong}", "The base is the configuration's `model.base`.")


def export_the_base(
    settings: "RunConfig", out: Path | None, options: "ExportOptions", *, as_json: bool
) -> None:
    """Export the configured base as it is."""
    from web4mlx.artifacts import read_manifest
    from web4mlx.asking_stages import BASE_GGUF
    from web4mlx.events import EventLog
    from web4mlx.export.base import export_base
    from web4mlx.machine.awake import gpu_lease
    from web4mlx.models.base import find_base

    folder, out = find_base(settings.model), out or settings.outputs / BASE_GGUF
    with gpu_lease(f"exporting {folder.name}"), EventLog(None, out.stem, "export", EventPrinter()) as log:
        export_base(folder, settings, out, log, options)
    manifest = read_manifest(out)
    print_result(manifest.model_dump() if manifest else {}, out, as_json, whole=False)


def run_of(merged: Path | None) -> Path | None:
    """The training run that a merged folder was made from, as its manifest says."""
    from web4mlx.artifacts import read_manifest

    manifest = read_manifest(merged) if merged is not None else None
    adapter = manifest.inputs.get("adapter") if manifest else None
    return Path(adapter.path) if adapter else None
