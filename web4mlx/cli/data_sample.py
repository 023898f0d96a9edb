"""`web4mlx data sample`."""

from pathlib import Path

import typer

from web4mlx.cli.output import EventPrinter
from web4mlx.cli.samples import parse_scale, show_sample


def sample(
    scale: str = typer.Option("demo", "--scale", help="demo (about 7,000 samples) or full (39,000)."),
    seed: int = typer.Option(7, "--seed", help="Equal seeds give equal files."),
    folder: Path = typer.Option(Path("data"), "--folder", help="Where the nine files go."),
    force: bool = typer.Option(False, "--force", help="Overwrite files that this command did not write."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Show what would be written."),
    as_json: bool = typer.Option(False, "--json", help="Print folder and counts as JSON."),
) -> None:
    """Write a generated sample corpus: nine files in the exact schema of the real ones.

    Example: web4mlx data sample --scale demo --folder data/demo
    """
    from web4mlx.data.corpus import corpus_counts, require_own_files, write_corpus
    from web4mlx.events import EventLog

    chosen = parse_scale(scale)
    if not force:
        require_own_files(folder)
    if dry_run:
        counts = corpus_counts(chosen)
    else:
        with EventLog(None, "sample", "sample", EventPrinter()) as log:
            counts = write_corpus(folder, chosen, seed, log)
    files = {f"{folder / name}.jsonl": count for name, count in counts.items()}
    show_sample(files, {"folder": folder, "scale": chosen, "seed": seed, "counts": counts}, dry_run, as_json)
