"""`evals report`: the page of a run."""

from pathlib import Path

import typer

from web4mlx.cli.output import note


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(report)


def report(
    run: Path = typer.Argument(None, help="A run's folder; default: the newest one."),
    config: str = typer.Option("demo", "--config", "-c", help="A configuration file or a shipped name."),
    open_it: bool = typer.Option(False, "--open", help="Open the page in the browser."),
) -> None:
    """Write the HTML report of a run again and say where it is; it opens without a network.

    Example: evals report --open
    """
    from evals.finish import publish
    from evals.run_file import RunFile
    from evals.runs import newest_run
    from evals.scoring import find_baseline, score_run
    from web4mlx.config import find_config, load_config

    stored = RunFile.open(run) if run else newest_run(load_config(find_config(config)).outputs)
    outputs = stored.folder.parent.parent
    scored = score_run(stored, find_baseline(outputs))
    page = publish(scored, stored.folder)
    note(scored.final.decision)
    print(page)
    if open_it:
        typer.launch(str(page))
