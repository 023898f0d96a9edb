"""`evals score`: make a run's reports again from its stored answers, without a model."""

from pathlib import Path

import typer

from web4mlx.cli.output import note, print_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(score)


def score(
    run: Path = typer.Argument(None, help="A run's folder; default: the newest one."),
    config: str = typer.Option("demo", "--config", "-c", help="A configuration file or a shipped name."),
    outputs: Path = typer.Option(None, "--outputs", help="Where the runs are; default: configured."),
    write: bool = typer.Option(False, "--write", help="Write the reports, too."),
    execute: bool = typer.Option(False, "--execute", help="Run the right tool calls in the sandbox, too."),
    as_json: bool = typer.Option(False, "--json", help="Print the final report as JSON."),
) -> None:
    """Score the stored answers of a run again; seconds, no model. A blocked one ends with exit code 1.

    A run of another version of the suite is scored where its prompts are unchanged, and clears nothing.

    Example: evals score outputs/evals/run_20260101_120000
    """
    from evals.finish import execute_tools, finish_run, require_cleared
    from evals.rescoring import score_stored
    from evals.run_file import RunFile
    from evals.runs import newest_run
    from web4mlx.config import find_config, load_config

    folder = outputs or (run.parent.parent if run else load_config(find_config(config)).outputs)
    stored = RunFile.open(run) if run else newest_run(folder)
    note(f"run: {stored.folder}")
    if execute:
        done = execute_tools(stored)
        worked = sum(bool(one["executed"]) for one in done.values())
        note(f"tool calls with the wanted effect: {worked} of {len(done)}")
    result = finish_run(stored, folder) if write else score_stored(stored, folder)
    print_json(result.final) if as_json else result.show()
    require_cleared(result)
