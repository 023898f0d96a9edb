"""`web4mlx data`: check, preview, and write a sample corpus."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from web4mlx.cli.data_sample import sample
from web4mlx.cli.output import EventPrinter, note, print_json, stdout

if TYPE_CHECKING:
    from web4mlx.config import RunConfig
    from web4mlx.data.report import DataReport
    from web4mlx.models.tokenizer import ChatTokenizer

CONFIG = typer.Option("demo", "--config", "-c", help="A configuration file or a shipped name.")


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(name="data", help="Check, preview and generate training data.", no_args_is_help=True)
    group.command()(check)
    group.command()(preview)
    group.command()(sample)
    app.add_typer(group)


def check(
    files: list[Path] = typer.Argument(None, help="Check only these files; default: those of the config."),
    config: str = CONFIG,
    quarantine: bool = typer.Option(False, "--quarantine", help="Move bad rows to NAME.quarantine.jsonl."),
    dry_run: bool = typer.Option(False, "--dry-run", help="With --quarantine: only say what would move."),
    as_json: bool = typer.Option(False, "--json", help="Print the report as JSON."),
    plot: Path = typer.Option(None, "--plot", help="Write the length histogram to this SVG file."),
) -> None:
    """Check the training data: schema, duplicates, leakage, secrets, lengths; exit 1 on errors.

    Example: web4mlx data check --config configs/balanced_training.toml --plot outputs/lengths.svg
    """
    from web4mlx.cli.data_view import show_report
    from web4mlx.data.check import check_data, inspect_data
    from web4mlx.data.report import require_ok
    from web4mlx.events import EventLog

    refuse_other_pictures(plot)
    settings, tokenizer = load_run(config)
    log = EventLog(None, settings.name, "data", EventPrinter())
    examine = inspect_data if dry_run else check_data
    report = examine(settings, tokenizer, log, files or ())
    if quarantine and move_rows(report, dry_run=dry_run):
        report = check_data(settings, tokenizer, log, files or ())
    print_json(report) if as_json else show_report(stdout(), report)
    if plot is not None and not dry_run:
        write_plot(report, plot)
    require_ok(report, settings.outputs)


def preview(
    count: int = typer.Argument(3, min=1, help="Number of samples; one of each file in turn."),
    config: str = CONFIG,
    file: Path = typer.Option(None, "--file", help="Take the samples from this file."),
    sample_id: str = typer.Option("", "--sample-id", help="Show the sample with this id."),
    no_color: bool = typer.Option(False, "--no-color", help="No colours; brackets mark what is learnt."),
    as_json: bool = typer.Option(False, "--json", help="Print tokens, ids and mask as JSON."),
) -> None:
    """Show what the model will see of some samples, with the tokens it learns to produce marked.

    Example: web4mlx data preview 2 --config demo --file data/demo/style_core.jsonl
    """
    from web4mlx.cli.data_view import show_preview
    from web4mlx.data.preview import choose_samples, preview_samples
    from web4mlx.modelfile import read_modelfile

    settings, tokenizer = load_run(config)
    system = read_modelfile(settings.modelfile).system
    every = (*settings.data.train, settings.data.eval) if sample_id else settings.data.train
    samples = choose_samples([file] if file else every, count, sample_id)
    previews = list(preview_samples(samples, tokenizer, system, settings.data))
    if as_json:
        print_json([one.model_dump(mode="json") for one in previews])
        return
    console = stdout()
    console.no_color = console.no_color or no_color
    for one in previews:
        show_preview(console, one)


def load_run(config: str) -> "tuple[RunConfig, ChatTokenizer]":
    """A configuration and the tokenizer of its base."""
    from web4mlx.config import find_config, load_config
    from web4mlx.models.base import find_base
    from web4mlx.models.tokenizer import ChatTokenizer

    settings = load_config(find_config(config))
    return settings, ChatTokenizer(find_base(settings.model))


def move_rows(report: "DataReport", *, dry_run: bool) -> bool:
    """Quarantine rows and say so on stderr; whether files were changed."""
    from web4mlx.cli.data_view import moved_line
    from web4mlx.data.quarantine import quarantine_rows

    moved = quarantine_rows(report, dry_run=dry_run)
    for one in moved:
        note(moved_line(one, dry_run=dry_run))
    return bool(moved) and not dry_run


def refuse_other_pictures(plot: Path | None) -> None:
    """Say before the work that only SVG is written.

    Raises:
        UsageError: The file has another ending.
    """
    from web4mlx.errors import UsageError

    if plot is not None and plot.suffix.lower() != ".svg":
        raise UsageError(f"--plot {plot}: expected a file that ends in .svg", "SVG opens in every browser.")


def write_plot(report: "DataReport", plot: Path) -> None:
    """Write the length histogram."""
    from web4mlx.artifacts import atomic_write
    from web4mlx.data.histogram import draw_histogram

    atomic_write(plot, draw_histogram(report.histogram, report.forecast.max_seq_length))
    note(f"histogram: {plot}")
