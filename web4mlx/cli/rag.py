"""`web4mlx rag`: build a store, check it, ask it, mark what was trained, and write a sample source."""

from pathlib import Path

import typer

from web4mlx.cli.output import EventPrinter, note, print_json
from web4mlx.cli.rag_check import check
from web4mlx.cli.rag_mark import mark
from web4mlx.cli.rag_options import CHROMA_URL, CONFIG, DB, RECORD, keep_record, load_rag_settings
from web4mlx.cli.rag_query import query
from web4mlx.cli.rag_sample import sample


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(name="rag", help="Build, check and ask the retrieval store.", no_args_is_help=True)
    for command in (build, check, query, mark, sample):
        group.command()(command)
    app.add_typer(group)


def build(
    source: Path = typer.Argument(..., help="The repository that is indexed."),
    tools: Path = typer.Option(None, "--tools", help="Folder with tool_core.jsonl and tool_neg.jsonl."),
    db: Path = DB,
    config: str = CONFIG,
    chroma_url: str = CHROMA_URL,
    rebuild: bool = typer.Option(False, "--rebuild", help="Write ChromaDB anew; known vectors cost nothing."),
    wait: float = typer.Option(600.0, "--wait", min=0, help="Seconds to wait for another writer."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Read the source and show the counts only."),
    record: Path = RECORD,
    as_json: bool = typer.Option(False, "--json", help="Print the report as JSON."),
) -> None:
    """Index a repository: PDCAs, TypeScript, process documents, tool examples and the process topics.

    Example: web4mlx rag build data/rag/repo --tools data/rag/tools --db outputs/demo/rag
    """
    from web4mlx.cli.rag_view import corpus_lines, json_report, report_lines
    from web4mlx.events import EventLog
    from web4mlx.rag.build import BuildRequest, build_store
    from web4mlx.rag.collect import collect
    from web4mlx.rag.embedder_source import open_embedder

    settings = load_rag_settings(config)
    embedder = open_embedder(settings.embedder)
    if dry_run:
        corpus = collect(source, tools, settings.source, embedder)
        note("nothing written (--dry-run)")
        print_json(corpus.counts()) if as_json else print("\n".join(corpus_lines(corpus)))
        return
    url = settings.chroma_url if chroma_url is None else chroma_url
    request = BuildRequest(source, db or settings.db, tools, url, rebuild, wait)
    with EventLog(None, "rag", "rag build", EventPrinter()) as log:
        report = build_store(request, settings.source, embedder, log)
    keep_record(record, json_report(report))
    if tools is None:
        note("no tool examples: --tools names the folder that holds them")
    print_json(json_report(report)) if as_json else print("\n".join(report_lines(report)))
