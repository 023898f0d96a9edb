"""`web4mlx fuse`."""

from pathlib import Path

import typer

from web4mlx.cli.output import EventPrinter, note, print_result


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(fuse)


def fuse(
    run: Path = typer.Argument(None, help="The adapter folder; default: the newest finished one."),
    config: str = typer.Option("", "--config", "-c", help="Configuration; default: the run's own, or demo."),
    base: Path = typer.Option(None, "--base", help="The base's folder; default: the configured one."),
    out: Path = typer.Option(None, "--out", help="The folder to make; default: OUTPUTS/web4_merged_<time>."),
    verify: bool = typer.Option(True, "--verify/--no-verify", help="Compare logits with base + adapter."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Check everything, write nothing."),
    as_json: bool = typer.Option(False, "--json", help="Print the result as JSON."),
) -> None:
    """Merge an adapter into its base model, in float32, rounded once.

    Example: web4mlx fuse outputs/web4_balanced_lora_20260101_120000
    """
    from web4mlx.artifacts import new_run_name, newest
    from web4mlx.config import find_run_config, load_config
    from web4mlx.events import EventLog
    from web4mlx.machine.awake import gpu_lease
    from web4mlx.machine.blas import preload_blas
    from web4mlx.models.base import find_base

    preload_blas()  # sets the number of threads, which numpy reads when it is imported
    from web4mlx.fuse.merge import fuse_adapter, plan_fuse

    settings = load_config(find_run_config(config, run))
    if run is None:
        run = newest(settings.outputs, "*_lora_*", "train")
        note(f"fusing the newest run: {run}")
    base = base or find_base(settings.model)
    out = out or settings.outputs / new_run_name("web4_merged")
    result = plan_fuse(run, base, out)
    if not dry_run:
        with gpu_lease(f"fusing {run.name}"), EventLog(None, out.name, "fuse", EventPrinter()) as log:
            result |= fuse_adapter(run, base, out, log, verify=verify).metrics
    print_result(result, out, as_json, whole=dry_run)
