"""`web4mlx doctor`: what this machine and this configuration are ready for."""

from typing import TYPE_CHECKING

import typer

from web4mlx.cli.output import note, print_json, stdout

if TYPE_CHECKING:
    from web4mlx.machine.doctor import Checkup

COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(
    config: str = typer.Option("demo", "--config", "-c", help="A configuration file or a shipped name."),
    as_json: bool = typer.Option(False, "--json", help="Print the result as JSON."),
) -> None:
    """Check machine, packages, model, data and settings; each problem comes with its fix. No network.

    Example: web4mlx doctor --config configs/balanced_training.toml
    """
    from web4mlx.machine.doctor import examine
    from web4mlx.machine.doctor.facts import read_facts

    checkup = examine(config, read_facts())
    print_json(checkup) if as_json else print_checkup(checkup)
    raise typer.Exit(checkup.exit_code)


def print_checkup(checkup: "Checkup") -> None:
    """Print one row an item with its fix below, and a summary on stderr."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column()
    table.add_column(overflow="fold")
    for item in checkup.items:
        colour = COLOURS[item.verdict]
        fix = f"\n[bold]fix:[/bold] {escape(item.fix)}" if item.fix else ""
        table.add_row(f"[{colour}]{item.verdict}[/{colour}]", item.name, escape(item.detail) + fix)
    stdout().print(table)
    counts = {verdict: sum(item.verdict == verdict for item in checkup.items) for verdict in COLOURS}
    note(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
