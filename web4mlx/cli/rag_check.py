"""`web4mlx rag check`."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from web4mlx.cli.output import EventPrinter, print_json, stdout
from web4mlx.cli.rag_options import (
    CHROMA_URL,
    CONFIG,
    DB,
    RECORD,
    keep_record,
    load_rag_settings,
    open_configured,
)

if TYPE_CHECKING:
    from web4mlx.rag.findings import CheckReport


def check(
    db: Path = DB,
    config: str = CONFIG,
    chroma_url: str = CHROMA_URL,
    expect: str = typer.Option("", "--expect", help="Expectations of the configuration by name, or none."),
    fresh: bool = typer.Option(False, "--fresh", help="Fail if anything is marked as trained already."),
    record: Path = RECORD,
    as_json: bool = typer.Option(False, "--json", help="Print the report as JSON."),
) -> None:
    """Check a store: counts, metadata, markers, search, links, days and latencies; exit 1 if anything fails.

    Example: web4mlx rag check --db outputs/demo/rag
    """
    from web4mlx.events import EventLog
    from web4mlx.rag.check import check_store, require_passed

    settings = load_rag_settings(config)
    quiet = [] if not as_json else [EventPrinter()]
    with (
        open_configured(settings, db, chroma_url) as store,
        EventLog(None, "rag", "rag check", *quiet) as log,
    ):
        report = check_store(store, settings, log, expect, fresh=fresh)
    keep_record(record, report)
    print_json(report) if as_json else print_report(report)
    require_passed(report)


def print_report(report: "CheckReport") -> None:
    """Print one line a finding, and the table of latencies."""
    from rich.markup import escape
    from rich.table import Table

    colours = {"passed": "green", "inconclusive": "yellow"}
    findings = Table(show_header=False, box=None)
    for one in report.findings:
        colour = colours.get(one.verdict, "red")
        findings.add_row(f"[{colour}]{one.verdict}[/{colour}]", one.name, escape(one.detail))
    console = stdout()
    console.print(f"{escape(report.store)} (expected: {report.expected})")
    console.print(findings)
    if report.latencies:
        table = Table("query", "median ms", "p95 ms", "budget ms", "target ms", "", box=None)
        for row in report.latencies:
            word = (
                "on target"
                if row.is_on_target
                else "in budget"
                if row.is_in_budget
                else "[red]too slow[/red]"
            )
            limits = (f"{row.budget_ms:g}", f"{row.target_ms:g}")
            table.add_row(row.kind, f"{row.median_ms:.2f}", f"{row.p95_ms:.2f}", *limits, word)
        console.print(table)
