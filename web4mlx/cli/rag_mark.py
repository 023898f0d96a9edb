"""`web4mlx rag mark`."""

from contextlib import closing
from pathlib import Path

import typer

from web4mlx.cli.output import EventPrinter, note, print_json
from web4mlx.cli.rag_options import CHROMA_URL, CONFIG, DB, RECORD, keep_record, load_rag_settings


def mark(
    batch: str = typer.Option("", "--batch", help="The training's name, e.g. batch_001."),
    date: str = typer.Option("", "--date", help="Its day (YYYY-MM-DD); default: today."),
    where: list[str] = typer.Option(None, "--where", help="KEY=VALUE of the metadata; may be repeated."),
    collection: list[str] = typer.Option(None, "--collection", help="Mark here only; may be repeated."),
    from_training: Path = typer.Option(None, "--from-training", help="A finished run: mark its sources."),
    unmark: bool = typer.Option(False, "--unmark", help="Take the marks away."),
    db: Path = DB,
    config: str = CONFIG,
    chroma_url: str = CHROMA_URL,
    wait: float = typer.Option(600.0, "--wait", min=0, help="Seconds to wait for another writer."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Say how many chunks match; change nothing."),
    record: Path = RECORD,
    as_json: bool = typer.Option(False, "--json", help="Print the report as JSON."),
) -> None:
    """Mark what an adapter was trained on, in both databases together, or take the marks away.

    Example: web4mlx rag mark --batch batch_001 --collection tool_examples --where is_negative=false
    """
    from dataclasses import asdict

    from web4mlx.events import EventLog
    from web4mlx.rag.conditions import parse_where
    from web4mlx.rag.documents import COLLECTIONS
    from web4mlx.rag.embedder_source import open_embedder
    from web4mlx.rag.markers import MarkRequest, mark_store

    settings = load_rag_settings(config)
    folder = db or settings.db
    require_one_way(batch, from_training, unmark=unmark)
    batch, date, paths = trained_paths(folder, from_training, batch, date)
    request = MarkRequest(
        folder,
        "" if unmark else batch,
        "" if unmark else date,
        parse_where(where or []),
        collection or COLLECTIONS,
        paths,
        chroma_url,
        wait,
    )
    with EventLog(None, "rag", "rag mark", EventPrinter()) as log:
        report = mark_store(request, open_embedder(settings.embedder), log, dry_run=dry_run)
    if dry_run:
        note("nothing written (--dry-run)")
    else:
        keep_record(record, asdict(report))
    verb = "unmarked" if unmark else f"marked as {report.batch} of {report.date}"
    line = f"{report.matched} chunks and {report.pdcas} PDCAs {verb}; {report.changed} changed"
    print_json(asdict(report)) if as_json else print(line)


def require_one_way(batch: str, from_training: Path | None, *, unmark: bool) -> None:
    """Refuse a call that names no batch, and one that names and unmarks.

    Raises:
        UsageError: It does.
    """
    from web4mlx.errors import UsageError

    if unmark and batch:
        raise UsageError("--batch and --unmark", "Use one of them; --where chooses what is unmarked.")
    if not (unmark or batch or from_training):
        raise UsageError("no --batch", "Give --batch NAME, --from-training RUN, or --unmark.")


def trained_paths(
    folder: Path, run: Path | None, batch: str, date: str
) -> tuple[str, str, tuple[str, ...] | None]:
    """Batch, day and places of a finished training; without one, what was given and every place.

    Raises:
        CheckFailed: No sample of the run names a source that is in the store.
    """
    if run is None:
        return batch, date, None
    from web4mlx.errors import CheckFailed
    from web4mlx.rag.folder import require_generation
    from web4mlx.rag.schema import DATABASE, read_database
    from web4mlx.rag.training_sources import find_trained_sources

    with closing(read_database(require_generation(folder) / DATABASE)) as connection:
        found = find_trained_sources(run, connection)
    note(f"{run}: {found.references} references in its samples, {len(found.paths)} of them in the store")
    if not found.paths:
        raise CheckFailed(
            f"{run}: none of the sources that its samples name is in the store",
            "Its samples may be generated ones; mark by --batch and --where instead.",
        )
    return batch or found.batch, date or found.date, found.paths
