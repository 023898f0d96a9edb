"""`evals run`: ask the model everything, score it, decide."""

from pathlib import Path

import typer

from web4mlx.cli.output import EventPrinter, note, print_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(run)


def run(
    named: str = typer.Argument("", metavar="[MODEL]", help="GGUF, folder or served name; default: newest."),
    model: str = typer.Option("", "--model", "-m", help="The same as an option."),
    config: str = typer.Option("", "--config", "-c", help="Configuration; default: the run's own, or demo."),
    engine: str = typer.Option("", "--engine", help="llamacpp, mlx, ollama or openai; default: what fits."),
    endpoint: list[str] = typer.Option([], "--endpoint", help="URL of a server; repeat it for several."),
    harness: list[str] = typer.Option([], "--harness", help="Only this harness; may be repeated."),
    limit: int = typer.Option(None, "--limit", min=1, help="Cases of a harness; such a run clears nothing."),
    failed_in: Path = typer.Option(
        None, "--failed-in", metavar="RUN", help="Only what did not pass in that run; clears nothing."
    ),
    baseline: bool = typer.Option(False, "--baseline", help="Record the scores as those of the base model."),
    parallel: int = typer.Option(None, "--parallel", min=1, help="Requests decoded together."),
    seed: int = typer.Option(None, "--seed", help="Seed of every answer; default: the configured one."),
    modelfile: Path = typer.Option(None, "--modelfile", help="SYSTEM and parameters; default: configured."),
    outputs: Path = typer.Option(None, "--outputs", help="Where runs and reports go; default: configured."),
    max_tokens: int = typer.Option(None, "--max-tokens", help="Cap of an answer; default: the Modelfile's."),
    resume: bool = typer.Option(False, "--resume", help="Go on with the unfinished run of the same work."),
    no_cache: bool = typer.Option(False, "--no-cache", help="Ask everything anew."),
    allow_remote: bool = typer.Option(False, "--allow-remote", help="Allow an endpoint on another machine."),
    as_json: bool = typer.Option(False, "--json", help="Print the final report as JSON."),
) -> None:
    """Ask the model all questions of the suite and decide whether it may be shipped.

    Example: evals run outputs/web4-agent.gguf --config configs/balanced_training.toml --parallel 4
    """
    from evals.failed import select_failed
    from evals.finish import finish_run, require_cleared
    from evals.lineage import find_settings
    from evals.opening import Typed, conditions_of, find_target
    from evals.suite import Selection, evaluate
    from web4mlx.config import load_config

    settings = load_config(find_settings(config, model or named))
    conditions = conditions_of(settings, Typed(modelfile, outputs, parallel, seed, max_tokens, not no_cache))
    size = limit or (settings.evals.baseline_cases if baseline else None)
    selection = Selection.of(harness, size, is_baseline=baseline)
    selection = select_failed(selection, failed_in) if failed_in else selection
    target = find_target(
        model or named, engine, tuple(endpoint), conditions.outputs, allow_remote=allow_remote
    )
    note(f"model: {target.model}")
    asked = evaluate(target, selection, conditions, EventPrinter(), resume=resume)
    result = finish_run(asked, conditions.outputs)
    print_json(result.final) if as_json else result.show()
    require_cleared(result)
