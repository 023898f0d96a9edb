"""`web4mlx train` and `web4mlx verify`."""

from pathlib import Path

import typer

from web4mlx.cli.output import EventPrinter, note, print_json, print_result


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(train)
    app.command()(verify)


def train(
    config: str = typer.Option("demo", "--config", "-c", help="A configuration file or a shipped name."),
    resume: str = typer.Option("", "--resume", help="`auto`, or the folder of an unfinished run."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Check everything and show the plan only."),
    as_json: bool = typer.Option(False, "--json", help="Print events as JSON lines on stdout."),
) -> None:
    """Train a LoRA adapter.

    Example: web4mlx train --config configs/balanced_training.toml

    On several machines: mlx.launch --hostfile hosts.json -- web4mlx train --config ...; see docs/two-macs.md.
    """
    from web4mlx.config import check_paths, load_config
    from web4mlx.train import launched, supervise

    file = launched.configuration_file(config, resume)
    settings = load_config(file)
    check_paths(settings, file)
    if launched.launched_place().rank:
        if not dry_run:
            launched.follow_rank_0(settings)
        return
    if dry_run:
        from web4mlx.train.plan import describe_plan

        plan = describe_plan(settings)
        print_result(plan, settings.outputs, as_json, whole=True)
        return
    run = supervise.find_resumable(settings, resume) if resume else supervise.new_run(settings)
    note(f"run folder: {run}")
    show = (lambda event: print(event.model_dump_json())) if as_json else EventPrinter()
    supervise.supervise(run, show)
    if not as_json:
        print(run)


def verify(
    run: Path = typer.Argument(None, help="The run folder; default: the newest finished one."),
    config: str = typer.Option("", "--config", "-c", help="Configuration; default: the run's own, or demo."),
    as_json: bool = typer.Option(False, "--json", help="Print the checks as JSON."),
) -> None:
    """Verify a finished training run: structure, size, statistics, losses, load test.

    Example: web4mlx verify outputs/web4_balanced_lora_20260101_120000
    """
    from web4mlx.artifacts import newest
    from web4mlx.config import find_run_config, load_config
    from web4mlx.verify import require_passed, verify_run

    settings = load_config(find_run_config(config, run))
    if run is None:
        run = newest(settings.outputs, f"{settings.name}_lora_*", "train")
        note(f"verifying the newest run: {run}")
    checks = verify_run(run, settings)
    if as_json:
        print_json([check.model_dump() for check in checks])
    else:
        for check in checks:
            print(f"{check.verdict:>12}  {check.name}: {check.detail}")
    require_passed(run, checks)
