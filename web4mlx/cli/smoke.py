"""`web4mlx smoke`: the three smoke tests, on the real model and the real store."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from web4mlx.cli.output import EventPrinter, note, print_json, stdout

if TYPE_CHECKING:
    from web4mlx.smoke.report import SmokeReport


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(smoke)


def smoke(
    model: str = typer.Option("", "--model", "-m", help="GGUF, folder or served name; default: the newest."),
    engine: str = typer.Option("", "--engine", help="llamacpp, mlx, ollama or openai; default: what fits."),
    endpoint: str = typer.Option("", "--endpoint", help="URL of a server; default for ollama: OLLAMA_HOST."),
    modelfile: Path = typer.Option(None, "--modelfile", help="SYSTEM and parameters; default: the config's."),
    db: Path = typer.Option(None, "--db", help="The store of documents; default: the configured one."),
    config: str = typer.Option("demo", "--config", "-c", help="A configuration file or a shipped name."),
    allow_remote: bool = typer.Option(False, "--allow-remote", help="Allow a server on another machine."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Say what would be asked; ask nothing."),
    as_json: bool = typer.Option(False, "--json", help="Print the report as JSON."),
) -> None:
    """Ask three questions as a user does - trained knowledge, history, tools - and judge answers and times.

    Example: web4mlx smoke --engine ollama --config configs/balanced_training.toml
    """
    from web4mlx.config import find_config, load_config
    from web4mlx.events import EventLog
    from web4mlx.smoke.opening import Asked
    from web4mlx.smoke.report import failure
    from web4mlx.smoke.run import plan_smoke, run_smoke

    settings = load_config(find_config(config))
    plan = plan_smoke(settings, Asked(engine, model, endpoint, allow_remote), modelfile, db)
    if dry_run:
        facts = {"model": plan.asked.model, "engine": plan.asked.kind, "store": str(plan.store)}
        print_json(facts) if as_json else print("\n".join(f"{key}: {value}" for key, value in facts.items()))
        return
    with EventLog(None, "smoke", "smoke", EventPrinter()) as log:
        report = run_smoke(plan, settings, log)
    print_json(report) if as_json else print_report(report)
    note(f"report: {plan.report}")
    if error := failure(report, str(plan.report)):
        raise error


def print_report(report: "SmokeReport") -> None:
    """Print each test with what was measured and what was expected."""
    from rich.markup import escape
    from rich.table import Table

    from web4mlx.smoke.report import ALL_PASSED

    console = stdout()
    for test in report.tests:
        console.print(f"{painted(test.verdict)} {test.title}: {escape(test.question)}")
        if test.error:
            console.print(f"  {escape(test.error)}")
        table = Table("", "measured", "expected", "", box=None)
        for one in test.checks:
            table.add_row(f"  {one.name}", escape(one.measured), escape(one.expected), painted(one.verdict))
        if test.checks:
            console.print(table)
    console.print(
        ALL_PASSED if report.verdict == "passed" else f"{report.passed} of {report.total} tests passed"
    )


def painted(verdict: str) -> str:
    """A verdict in its colour."""
    colour = "green" if verdict == "passed" else "red"
    return f"[{colour}]{verdict}[/{colour}]"
