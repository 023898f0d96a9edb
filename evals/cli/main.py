"""The `evals` program: collects the commands."""

from importlib import import_module

import typer

from web4mlx.cli.main import run_program

COMMAND_FILES = ("run", "canary", "score", "compare", "report", "list_runs", "preview")

app = typer.Typer(
    name="evals",
    help="Evaluate a trained model before it may be shipped.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def load_commands() -> None:
    """Import the command files, which register their commands on `app`."""
    for name in COMMAND_FILES:
        import_module(f"evals.cli.{name}").register(app)


def main() -> None:
    """Entry point of the console script."""
    load_commands()
    run_program(app)
