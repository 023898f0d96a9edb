"""`web4mlx modelfile show` and `web4mlx modelfile check`."""

from dataclasses import asdict
from pathlib import Path

import typer

from web4mlx.cli.output import note, print_json
from web4mlx.errors import CheckFailed

PATH = typer.Argument(Path("Modelfile"), help="The Modelfile; default: the one here.")
JSON = typer.Option(False, "--json", help="Print the result as JSON.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(name="modelfile", help="Show and check the Modelfile.", no_args_is_help=True)
    group.command()(show)
    group.command()(check)
    app.add_typer(group)


def show(path: Path = PATH, as_json: bool = JSON) -> None:
    """Show what a Modelfile says: model, system prompt, template, parameters.

    Example: web4mlx modelfile show configs/demo.Modelfile
    """
    from web4mlx.modelfile import read_modelfile, write_modelfile

    modelfile = read_modelfile(path)
    if as_json:
        print_json(asdict(modelfile))
    else:
        print(write_modelfile(modelfile), end="")


def check(
    path: Path = PATH,
    as_json: bool = JSON,
    need_model: bool = typer.Option(False, "--need-model", help="Check also that FROM exists."),
) -> None:
    """Check a Modelfile as strictly as Ollama does, and for what a chat model needs; exit 1 on an error.

    Example: web4mlx modelfile check Modelfile --need-model
    """
    from web4mlx.modelfile import advise, check_modelfile, resolve_from
    from web4mlx.modelfile.parse import read_modelfile_text

    modelfile, problems = check_modelfile(read_modelfile_text(path))
    if modelfile is not None:
        problems += advise(modelfile)
    errors = sum(problem.severity == "error" for problem in problems)
    if as_json:
        print_json([asdict(p) | {"file": str(path), "ollama": p.ollama_text} for p in problems])
    for problem in [] if as_json else problems:
        where = f"{path}:{problem.line}" if problem.line else str(path)
        print(f"{where}: {problem.severity}: {problem.message}")
    if errors:
        raise CheckFailed(f"{path}: {errors} error{'s' if errors > 1 else ''}")
    if need_model and modelfile is not None:
        resolve_from(modelfile, path)
    note(f"{path}: valid, {len(problems)} warnings")
