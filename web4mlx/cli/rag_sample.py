"""`web4mlx rag sample`."""

from pathlib import Path

import typer

from web4mlx.cli.output import EventPrinter
from web4mlx.cli.samples import parse_scale, show_sample


def sample(
    scale: str = typer.Option("demo", "--scale", help="demo, or full (18,767 documents)."),
    seed: int = typer.Option(7, "--seed", help="Equal seeds give equal files."),
    folder: Path = typer.Option(Path("data/rag"), "--folder", help="Gets repo/ and tools/."),
    trained: Path = typer.Option(None, "--trained", help="Training file whose PDCAs stand in it too."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Show what would be written."),
    as_json: bool = typer.Option(False, "--json", help="Print folder and counts as JSON."),
) -> None:
    """Write a generated repository with PDCAs, TypeScript and process documents, and tool examples.

    Example: web4mlx rag sample --scale demo --folder data/rag
    """
    from web4mlx.events import EventLog
    from web4mlx.rag.sample import sample_counts, write_sample
    from web4mlx.rag.sample.write import require_own

    chosen = parse_scale(scale)
    if dry_run:
        require_own(folder)
        counts = sample_counts(chosen)
    else:
        with EventLog(None, "rag", "rag sample", EventPrinter()) as log:
            counts = write_sample(folder, chosen, seed, log, trained)
    show_sample(counts, {"folder": folder, "scale": chosen, "seed": seed, "counts": counts}, dry_run, as_json)
