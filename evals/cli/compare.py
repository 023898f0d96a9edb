"""`evals compare`: two runs, case by case."""

from pathlib import Path

import typer

from web4mlx.cli.output import print_json, stdout


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(compare)


def compare(
    a: Path = typer.Argument(..., help="A run's folder: the older model, the base, or float16."),
    b: Path = typer.Argument(..., help="A run's folder: the newer model, or the quantized one."),
    noise: bool = typer.Option(False, "--noise", help="Same model, two seeds: how far the verdicts flip."),
    as_json: bool = typer.Option(False, "--json", help="Print the comparison as JSON."),
) -> None:
    """Compare two runs on the cases that both were asked; what got worse comes first.

    Example: evals compare outputs/evals/run_20260101_120000 outputs/evals/run_20260102_120000
    """
    from evals.compare import compare_reports
    from evals.console import render_comparison, render_noise
    from evals.noise import aa_noise
    from evals.rescoring import score_stored
    from evals.run_file import RunFile

    one, other = (
        list(score_stored(RunFile.open(folder), folder.parent.parent).reports.values()) for folder in (a, b)
    )
    if noise:
        measured = aa_noise(one, other)
        print_json(measured) if as_json else stdout().print(render_noise(measured))
        return
    result = compare_reports(one, other)
    print_json(result) if as_json else stdout().print(render_comparison(result, (a.name, b.name)))
