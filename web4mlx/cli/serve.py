"""`web4mlx serve`: the server that editors talk to; its check, its Ollama, its service."""

import json
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from web4mlx.cli.output import EventPrinter, note, print_json

if TYPE_CHECKING:
    from web4mlx.config import RunConfig
    from web4mlx.serving.plan import ServePlan

LOG, OLLAMA_LOG = "serve.jsonl", "ollama.log"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(serve)


def serve(
    gguf: Path = typer.Option(None, "--gguf", help="Serve this GGUF; default: in front of Ollama."),
    ollama: str = typer.Option("", "--ollama", help="Ollama's address; default: OLLAMA_HOST."),
    name: str = typer.Option("", "--name", help="The model's name; default: the configured one."),
    host: str = typer.Option("", "--host", help="Listen here; default: the configured 127.0.0.1."),
    port: int = typer.Option(None, "--port", "-p", help="Listen here; 0 takes a free one."),
    allow_remote: bool = typer.Option(False, "--allow-remote", help="Others may use it, with the token."),
    db: Path = typer.Option(
        None, "--db", help="The store of documents; default: the configured one, if built."
    ),
    start_ollama: bool = typer.Option(
        False, "--start-ollama", help="Start Ollama first, stop it in the end."
    ),
    check: bool = typer.Option(False, "--check", help="Check the Ollama server and end."),
    install_service: bool = typer.Option(False, "--install-service", help="Write a service unit and end."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Say what would be done and end."),
    config: str = typer.Option("demo", "--config", "-c", help="A configuration file or a shipped name."),
    as_json: bool = typer.Option(False, "--json", help="Print the result as JSON."),
) -> None:
    """Serve the model to editors: Ollama's and OpenAI's routes, with tool examples and history added.

    Example: web4mlx serve --gguf outputs/demo/web4-agent.gguf --port 11435
    """
    from web4mlx.config import find_config, load_config

    settings = with_address(load_config(find_config(config)), host, port)
    plan = planned(settings, gguf, ollama, name, allow_remote)
    if check:
        check_ollama(plan, config, as_json)
    elif install_service:
        install(plan, config, db, gguf is None and start_ollama, dry_run, as_json)
    elif dry_run:
        describe(plan, settings, db, as_json)
    else:
        run(plan, settings, db, start_ollama, as_json)


def with_address(settings: "RunConfig", host: str, port: int | None) -> "RunConfig":
    """The configuration with the address that was typed."""
    typed = {"host": host or None, "port": port}
    changed = {key: value for key, value in typed.items() if value is not None}
    return settings.model_copy(update={"serve": settings.serve.model_copy(update=changed)})


def planned(
    settings: "RunConfig", gguf: Path | None, ollama: str, name: str, allow_remote: bool
) -> "ServePlan":
    """What is served where."""
    from web4mlx.serving.plan import plan_serving

    return plan_serving(
        settings.serve,
        settings.assistant,
        ollama=ollama,
        gguf=gguf,
        modelfile=settings.modelfile,
        name=name or settings.deploy.name,
        allow_remote=allow_remote,
    )


def describe(plan: "ServePlan", settings: "RunConfig", db: Path | None, as_json: bool) -> None:
    """Say what would be served where, and with which store."""
    from web4mlx.assistant.store import describe_store

    result = {
        "address": f"http://{plan.settings.host}:{plan.settings.port}",
        "behind": str(plan.gguf or plan.ollama),
        "store": describe_store(db, settings.store),
        "token": bool(plan.token),
    }
    print_json(result) if as_json else print("\n".join(f"{key}: {value}" for key, value in result.items()))


def run(plan: "ServePlan", settings: "RunConfig", db: Path | None, start_ollama: bool, as_json: bool) -> None:
    """Serve until told to stop."""
    from web4mlx.assistant.one_thread import OneThread
    from web4mlx.assistant.store import describe_store, find_store
    from web4mlx.events import EventLog
    from web4mlx.serving.ollama_process import running_ollama
    from web4mlx.serving.plan import run_server
    from web4mlx.serving.running import stopping_cleanly

    def ready(url: str) -> None:
        print(
            json.dumps({"url": url, "behind": str(plan.gguf or plan.ollama)}) if as_json else url, flush=True
        )

    note(f"store: {describe_store(db, settings.store)}")
    found = find_store(db, settings.rag.settings, settings.store)
    own = running_ollama(settings.serve.ollama, settings.outputs / OLLAMA_LOG)
    with (
        stopping_cleanly(),
        OneThread(found) if found else nullcontext() as store,
        own if start_ollama else nullcontext(plan.ollama) as url,
        EventLog(settings.outputs / LOG, "serve", "serve", EventPrinter()) as log,
    ):
        run_server(replace(plan, ollama=url), store, log, ready)


def check_ollama(plan: "ServePlan", config: str, as_json: bool) -> None:
    """Check the Ollama server; exit code as the doctor's."""
    from web4mlx.cli.doctor import print_checkup
    from web4mlx.deploy.names import parse_model_name
    from web4mlx.engines.ollama_server import OllamaServer
    from web4mlx.machine.doctor.checkup import Checkup
    from web4mlx.serving.checkup import check_server

    name = parse_model_name(plan.name)
    with OllamaServer(plan.ollama) as server:
        checkup = Checkup(config=config, items=tuple(check_server(server, name)))
    print_json(checkup) if as_json else print_checkup(checkup)
    raise typer.Exit(checkup.exit_code)


def install(
    plan: "ServePlan", config: str, db: Path | None, start_ollama: bool, dry_run: bool, as_json: bool
) -> None:
    """Write the unit for launchd or systemd and say how to enable it."""
    from web4mlx.serving import service_unit

    settings = plan.settings
    arguments = ["--config", config, "--host", settings.host, "--port", str(settings.port)]
    arguments += ["--name", plan.name]
    arguments += ["--gguf", str(plan.gguf.absolute())] if plan.gguf else ["--ollama", plan.ollama]
    arguments += ["--db", str(db.absolute())] if db else []
    arguments += ["--allow-remote"] if plan.allow_remote else []
    arguments += ["--start-ollama"] if start_ollama else []
    unit = service_unit.service_unit(arguments, Path.cwd())
    if not dry_run:
        service_unit.install(unit)
    if as_json:
        print_json(asdict(unit))
        return
    print(unit.text if dry_run else unit.path)
    note(f"enable it: {unit.enable}\ndisable it: {unit.disable}")
