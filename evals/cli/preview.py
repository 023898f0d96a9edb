"""`evals preview`: the same questions to two models, side by side."""

from pathlib import Path

import typer

from web4mlx.cli.output import note, print_json, stdout


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(preview)


def preview(
    base: Path = typer.Argument(..., help="The model before training: a GGUF or a model folder."),
    tuned: Path = typer.Argument(..., help="The model after training: a GGUF or a model folder."),
    prompts: Path = typer.Option(None, "--prompts", help="A TOML file of prompts; default: the shipped one."),
    modelfile: Path = typer.Option(Path("Modelfile"), "--modelfile", help="SYSTEM and parameters for both."),
    seed: int = typer.Option(7, "--seed", help="Seed of every answer."),
    max_tokens: int = typer.Option(None, "--max-tokens", help="Most tokens of an answer."),
    as_json: bool = typer.Option(False, "--json", help="Print answers, counts and times as JSON."),
) -> None:
    """Ask both models the same held-out questions and show the answers side by side.

    Example: evals preview base.gguf outputs/demo/web4-agent.gguf --modelfile configs/demo.Modelfile
    """
    from evals.preview import load_prompts, preview_models, render_preview
    from web4mlx.modelfile import read_modelfile

    spoken = read_modelfile(modelfile)
    result = preview_models(
        (base, tuned), load_prompts(prompts), spoken, note, seed=seed, max_tokens=max_tokens
    )
    if as_json:
        print_json(result)
    else:
        stdout().print(render_preview(result))
