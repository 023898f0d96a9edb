"""`evals list`: the runs of an outputs folder."""

from pathlib import Path

import typer

from web4mlx.cli.output import print_json, stdout


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("list")(list_runs)


def list_runs(
    config: str = typer.Option("demo", "--config", "-c", help="A configuration file or a shipped name."),
    outputs: Path = typer.Option(None, "--outputs", help="Where the runs are; default: configured."),
    as_json: bool = typer.Option(False, "--json", help="Print the list as JSON."),
) -> None:
    """List the runs: what was evaluated, how far it got, whether its reports still hold.

    Example: evals list --config configs/balanced_training.toml
    """
    from evals.run_list import describe_runs, runs_table
    from web4mlx.config import find_config, load_config

    runs = describe_runs(outputs or load_config(find_config(config)).outputs)
    print_json(runs) if as_json else stdout().print(runs_table(runs))
