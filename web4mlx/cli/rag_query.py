"""`web4mlx rag query`."""

from pathlib import Path

import typer

from web4mlx.cli.output import print_json
from web4mlx.cli.rag_options import CHROMA_URL, CONFIG, DB, load_rag_settings, open_configured


def query(
    text: str = typer.Argument(..., help="What you look for."),
    collection: list[str] = typer.Option(None, "--collection", help="Look here only; may be repeated."),
    where: list[str] = typer.Option(None, "--where", help="KEY=VALUE of the metadata; may be repeated."),
    start: str = typer.Option(None, "--from", metavar="DATE", help="PDCAs from this day on (YYYY-MM-DD)."),
    end: str = typer.Option(None, "--to", metavar="DATE", help="PDCAs up to this day."),
    agent: str = typer.Option(None, "--agent", help="PDCAs of this agent, in any spelling."),
    hops: int = typer.Option(0, "--hops", min=0, max=20, help="Links to follow from what was found."),
    untrained: bool = typer.Option(False, "--untrained", help="Only what no adapter was trained on."),
    limit: int = typer.Option(8, "--limit", min=1, max=100, help="Most hits."),
    db: Path = DB,
    config: str = CONFIG,
    chroma_url: str = CHROMA_URL,
    as_json: bool = typer.Option(False, "--json", help="Print the hits as JSON."),
) -> None:
    """Search the store by meaning, links and time; each hit with its score, its reasons and its source.

    Example: web4mlx rag query "How did we solve versioning conflicts?" --from 2025-01-01 --hops 2
    """
    from web4mlx.cli.rag_view import hit_lines, json_hit
    from web4mlx.rag.conditions import parse_where
    from web4mlx.rag.retrieve import Query, Retriever

    asked = Query(
        text,
        collections=collection or None,
        where=parse_where(where or []) or None,
        start=start,
        end=end,
        agent=agent,
        hops=hops,
        untrained=untrained,
        limit=limit,
    )
    with open_configured(load_rag_settings(config), db, chroma_url) as store:
        hits = Retriever(store).retrieve(asked)
    if as_json:
        print_json([json_hit(hit) for hit in hits])
    else:
        print("\n".join(hit_lines(hits)) if hits else "nothing found")
