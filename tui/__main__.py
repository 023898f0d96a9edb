"""`python -m tui`: the dashboard; `web4mlx tui` starts it."""

import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from web4mlx.cli.main import run_program

if TYPE_CHECKING:
    from tui.place import Place

app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})


@app.command()
def show(
    config: str = typer.Option("demo", "--config", "-c", help="A configuration file or a shipped name."),
    screen: str = typer.Option("", "--screen", help="The screen to begin with."),
    serve: bool = typer.Option(False, "--serve", help="Show it in a browser, on this machine only."),
    port: int = typer.Option(8765, "--port", help="Where --serve listens."),
    replay: Path = typer.Option(None, "--replay", help="Play a recorded run again."),
    speed: float = typer.Option(1.0, "--speed", help="How many times faster --replay plays."),
    as_json: bool = typer.Option(False, "--json", help="Print what Overview shows as JSON and end."),
) -> None:
    """Show the dashboard.

    Example: python -m tui --config demo
    """
    if as_json:
        from tui.place import find_place
        from tui.summary import summarize
        from web4mlx.cli.output import print_json

        print_json(summarize(find_place(config)))
    elif serve:
        from tui.serve import serve_in_browser

        serve_in_browser(config, screen, replay, speed, port)
    elif replay is not None:
        show_replay(config, screen or "training", replay, speed)
    else:
        from tui.place import find_place

        run_dashboard(find_place(config), screen or "overview")


def show_replay(config: str, screen: str, recording: Path, speed: float) -> None:
    """Play a recording into a temporary folder and show it."""
    from tui.feed.replay import Replay
    from tui.place import find_place

    place = find_place(config)
    with tempfile.TemporaryDirectory(prefix="web4mlx_replay_") as folder:
        outputs = Path(folder)
        played = Replay(recording, outputs, speed)
        played.start()
        try:
            run_dashboard(replace(place, outputs=outputs, replayed=recording.absolute().name), screen)
        finally:
            played.close()


def run_dashboard(place: "Place", screen: str) -> None:
    """Run the app to its end; exit with its code."""
    from tui.app import Dashboard
    from tui.screens import SCREENS
    from web4mlx.errors import UsageError

    names = [entry.name for entry in SCREENS]
    if screen not in names:
        raise UsageError(f"there is no screen {screen!r}", f"One of: {', '.join(names)}.")
    if not (sys.stdin.isatty() and sys.stdout.isatty()) and "TEXTUAL_DRIVER" not in os.environ:
        raise UsageError("the dashboard needs a terminal", "Without one: --json prints what Overview shows.")
    dashboard = Dashboard(place, screen)
    dashboard.run()
    raise typer.Exit(dashboard.return_code or 0)


if __name__ == "__main__":
    run_program(app)
