"""`web4mlx run`: the pipeline."""

import typer

from web4mlx.cli.output import EventPrinter, note, print_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run")(run_line)


def run_line(
    config: str = typer.Argument("demo", help="A configuration file or a shipped name."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Check the configuration and list the stages."),
    as_json: bool = typer.Option(False, "--json", help="Print the artifacts as JSON."),
) -> None:
    """Run the whole line, from the base model to the import. Finished stages are skipped.

    Example: web4mlx run configs/balanced_training.toml
    """
    from web4mlx.config import check_paths, find_config, load_config
    from web4mlx.pipeline import STAGES, run_pipeline
    from web4mlx.train.launched import refuse_ranks

    refuse_ranks("run")
    file = find_config(config)
    settings = load_config(file)
    if dry_run:
        check_paths(settings, file, need_data=settings.data.sample_scale is None)
        names = [stage.name for stage in STAGES]
        print_json(names) if as_json else print("\n".join(names))
        return
    line = run_pipeline(settings, file, EventPrinter(), quiet=as_json)
    if as_json:
        print_json({"base": str(line.base), "adapter": str(line.adapter), "merged": str(line.merged),
                    "gguf": str(line.gguf)})  # fmt: skip
    note(f'Ask it yourself: web4mlx ask "What is Radical OOP?" --config {file}')
