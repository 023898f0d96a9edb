"""`web4mlx import`: the gate, then Ollama."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from web4mlx.cli.output import EventPrinter, note, print_json, print_result

if TYPE_CHECKING:
    from web4mlx.config import RunConfig
    from web4mlx.deploy.importing import ImportPlan
    from web4mlx.deploy.names import ModelName
    from web4mlx.engines.ollama_server import OllamaServer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("import")(import_gguf)


def import_gguf(
    gguf: Path = typer.Argument(None, help="The GGUF; default: the newest exported one."),
    name: str = typer.Option("", "--name", help="Its name in Ollama; default: the configured one."),
    config: str = typer.Option("", "--config", "-c", help="Configuration; default: the run's own, or demo."),
    host: str = typer.Option("", "--host", help="The server; default: OLLAMA_HOST, else 127.0.0.1:11434."),
    allow_remote: bool = typer.Option(False, "--allow-remote", help="Accept a server on another machine."),
    rollback: bool = typer.Option(False, "--rollback", help="Put the model before this one back."),
    list_tags: bool = typer.Option(False, "--list", help="List the versions that the server keeps."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Check everything, send and change nothing."),
    as_json: bool = typer.Option(False, "--json", help="Print the result as JSON."),
) -> None:
    """Import a GGUF that its evaluation has cleared into Ollama. There is no way around the evaluation.

    Example: web4mlx import outputs/web4-agent.gguf --name web4-agent:latest
    """
    from web4mlx.deploy.importing import import_model
    from web4mlx.deploy.names import parse_model_name
    from web4mlx.engines.ollama_server import OllamaServer
    from web4mlx.events import EventLog

    settings = configured(gguf, config)
    wanted = parse_model_name(name or settings.deploy.name)
    with OllamaServer(host, allow_remote=allow_remote) as server:
        if rollback or list_tags:
            manage(server, wanted, rollback, dry_run, as_json)
            return
        plan = make_plan(gguf, wanted, settings)
        require_server(server, plan)
        if dry_run:
            print_result(plan.describe(), plan.gguf, as_json, whole=True)
            return
        with EventLog(None, plan.gguf.stem, "import", EventPrinter()) as log:
            record = import_model(plan, server, log)
    print_result(record.model_dump(), Path(str(plan.name)), as_json, whole=False)
    note(f'Ask it: ollama run {plan.name} "What is Radical OOP?"')


def configured(gguf: Path | None, config: str) -> "RunConfig":
    """The named configuration, else that of the run which the file came from, else the demo's."""
    from web4mlx.artifacts import read_manifest
    from web4mlx.cli.export import run_of
    from web4mlx.config import find_run_config, load_config

    manifest = read_manifest(gguf) if gguf is not None else None
    merged = Path(manifest.inputs["merged"].path) if manifest and "merged" in manifest.inputs else None
    return load_config(find_run_config(config, run_of(merged)))


def make_plan(gguf: Path | None, name: "ModelName", settings: "RunConfig") -> "ImportPlan":
    """Find the file, and check that it is cleared."""
    from web4mlx.deploy.importing import plan_import
    from web4mlx.deploy.suite import installed_suite
    from web4mlx.engines.open import newest_gguf

    if gguf is None:
        gguf = newest_gguf(settings.outputs)
        note(f"importing the newest exported model: {gguf}")
    return plan_import(gguf, name, settings.modelfile, installed_suite())


def require_server(server: "OllamaServer", plan: "ImportPlan") -> None:
    """Check that the server is there and usable; without one say how to get one, and the command for then."""
    from web4mlx.deploy.preconditions import check_disk, check_server
    from web4mlx.errors import MissingPrerequisite

    try:
        note(f"{server.url}: Ollama {check_server(server, plan.name)}")
        check_disk(server, plan.gguf)
    except MissingPrerequisite as error:
        command = f"web4mlx import {plan.gguf} --name {plan.name}"
        raise MissingPrerequisite(
            error.message, f"{error.hint} {plan.gguf} is cleared; the command is: {command}"
        ) from error


def manage(server: "OllamaServer", name: "ModelName", rollback: bool, dry_run: bool, as_json: bool) -> None:
    """List the versions of a model, or put the one before back."""
    from web4mlx.deploy.promote import list_versions, roll_back

    server.version()
    if rollback and not dry_run:
        result = roll_back(server, name)
        note(
            f"{name} was {result.backup} until now"
            if result.backup
            else f"{name} is the newest backup already"
        )
        print_json(asdict(result)) if as_json else print(result.name)
        return
    versions = list_versions(server, name)
    if as_json:
        print_json([asdict(version) for version in versions])
    for version in [] if as_json else versions:
        print(f"{version.role:<11} {version.digest[:12]}  {version.name}")
