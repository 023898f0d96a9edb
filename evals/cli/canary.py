"""`evals canary`: only the twenty canaries, in a minute."""

from pathlib import Path

import typer

from web4mlx.cli.output import EventPrinter, note, print_json, stdout


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(canary)


def canary(
    named: str = typer.Argument("", metavar="[MODEL]", help="GGUF, folder or served name; default: newest."),
    model: str = typer.Option("", "--model", "-m", help="The same as an option."),
    config: str = typer.Option("", "--config", "-c", help="Configuration; default: the run's own, or demo."),
    engine: str = typer.Option("", "--engine", help="llamacpp, mlx, ollama or openai; default: what fits."),
    endpoint: list[str] = typer.Option([], "--endpoint", help="URL of a server; repeat it for several."),
    seed: int = typer.Option(None, "--seed", help="Seed of every answer; default: the configured one."),
    outputs: Path = typer.Option(None, "--outputs", help="Where the run goes; default: configured."),
    allow_remote: bool = typer.Option(False, "--allow-remote", help="Allow an endpoint on another machine."),
    as_json: bool = typer.Option(False, "--json", help="Print the canary report as JSON."),
) -> None:
    """Ask the twenty canaries; all must pass. Useful again after the import, on the server.

    Example: evals canary web4-agent:latest --engine ollama
    """
    from evals.canaries import canary_report
    from evals.canary_console import render_canaries
    from evals.finish import finish_run, require_passed
    from evals.harnesses import CANARY
    from evals.lineage import find_settings
    from evals.opening import Typed, conditions_of, find_target
    from evals.scoring import find_baseline
    from evals.suite import Selection, evaluate
    from web4mlx.config import load_config

    settings = load_config(find_settings(config, model or named))
    conditions = conditions_of(settings, Typed(outputs=outputs, seed=seed))
    target = find_target(
        model or named, engine, tuple(endpoint), conditions.outputs, allow_remote=allow_remote
    )
    note(f"model: {target.model}")
    asked = evaluate(target, Selection.of([CANARY], None), conditions, EventPrinter(), resume=False)
    result = finish_run(asked, conditions.outputs)
    report, baseline = result.reports[CANARY], find_baseline(conditions.outputs)
    if as_json:
        print_json(canary_report(report, baseline))
    else:
        stdout().print(render_canaries(report, baseline))
        note(f"report: {result.html}")
    require_passed(result, CANARY)
