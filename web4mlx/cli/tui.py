"""`web4mlx tui`: starts the dashboard, a package that this one does not import, as a process."""

from pathlib import Path

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(tui)


def tui(
    config: str = typer.Option("demo", "--config", "-c", help="A configuration file or a shipped name."),
    screen: str = typer.Option("", "--screen", help="The screen to begin with, e.g. training."),
    serve: bool = typer.Option(False, "--serve", help="Show it in a browser, on this machine only."),
    port: int = typer.Option(8765, "--port", "-p", help="Where --serve listens, on 127.0.0.1."),
    replay: Path = typer.Option(None, "--replay", help="Play a recorded run again: its folder."),
    speed: float = typer.Option(1.0, "--speed", help="How many times faster --replay plays."),
    as_json: bool = typer.Option(False, "--json", help="Print what Overview shows as JSON and end."),
) -> None:
    """Watch and drive everything in the terminal.

    Example: web4mlx tui --config configs/balanced_training.toml
    """
    import os
    import sys

    command = [sys.executable, "-m", "tui", "--config", config]
    command += ["--screen", screen] if screen else []
    command += ["--serve", "--port", str(port)] if serve else []
    command += ["--replay", str(replay), "--speed", str(speed)] if replay is not None else []
    command += ["--json"] if as_json else []
    sys.stdout.flush()
    os.execv(sys.executable, command)
