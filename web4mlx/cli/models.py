"""`web4mlx models`: what is on the disk and in Ollama, where it came from, and removing it."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from web4mlx.cli.output import EventPrinter, note, print_json

if TYPE_CHECKING:
    from web4mlx.config import RunConfig
    from web4mlx.inventory.lineage import Origin
    from web4mlx.inventory.tags import Server

CONFIG = typer.Option("demo", "--config", "-c", help="A configuration file or a shipped name.")
HOST = typer.Option("", "--host", help="The Ollama server; default: OLLAMA_HOST, else 127.0.0.1:11434.")
JSON = typer.Option(False, "--json", help="Print the result as JSON.")
MODEL = typer.Argument(..., help="A model's folder or file, or its name.")


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(name="models", help="List, verify and remove models.", no_args_is_help=True)
    group.command(name="list")(list_models)
    group.command()(show)
    group.command()(verify)
    group.command()(remove)
    app.add_typer(group)


def list_models(config: str = CONFIG, host: str = HOST, as_json: bool = JSON) -> None:
    """List bases, adapters, merged models, GGUFs and the tags in Ollama, with sizes and digests.

    Example: web4mlx models list --config demo
    """
    from web4mlx.inventory.artifacts import list_artifacts

    settings = configured(config)
    artifacts, server = list_artifacts(settings), ask_server(settings, host)
    if as_json:
        found = [one.model_dump(mode="json", exclude={"manifest"}) for one in artifacts]
        print_json({"artifacts": found, "ollama": server.model_dump(mode="json")})
        return
    for one in artifacts:
        marks = ", ".join(one.marks)
        print(f"{one.kind:<8} {one.size_bytes / 1e6:>10,.1f} MB  {one.digest[:12]:<12}  {one.path}  {marks}")
    for tag in server.tags:
        size_mb = tag.size_bytes / 1e6
        print(f"{'ollama':<8} {size_mb:>10,.1f} MB  {tag.digest[:12]:<12}  {tag.name}  {tag.role}")
    if server.problem:
        note(f"{server.problem}\n{server.hint}")


def show(model: Path = MODEL, config: str = CONFIG, as_json: bool = JSON) -> None:
    """Show what a model was made from, and whether that is still there and unchanged.

    Example: web4mlx models show web4-agent.gguf
    """
    from web4mlx.inventory.artifacts import list_artifacts
    from web4mlx.inventory.lineage import origins_of
    from web4mlx.inventory.removal import find_artifact

    settings = configured(config)
    artifact = find_artifact(model, list_artifacts(settings))
    origins = origins_of(artifact.manifest, settings.outputs)
    if as_json:
        made_from = [origin.model_dump(mode="json") for origin in origins]
        print_json({**artifact.model_dump(mode="json"), "made_from": made_from})
        return
    print(f"{artifact.kind} {artifact.path} {artifact.detail}")
    print_origins(origins, 1)


def print_origins(origins: "tuple[Origin, ...]", depth: int) -> None:
    """Print inputs and their inputs, indented."""
    for origin in origins:
        print(f"{'  ' * depth}{origin.role} {origin.path} sha256 {origin.sha256[:12]} {origin.state}")
        print_origins(origin.origins, depth + 1)


def verify(model: Path = MODEL, config: str = CONFIG, as_json: bool = JSON) -> None:
    """Hash a merged model or a GGUF anew and compare it with what was recorded; exit 1 when it differs.

    Bases are verified by `web4mlx download --verify-only`, adapters by `web4mlx verify`.

    Example: web4mlx models verify outputs/web4-agent.gguf
    """
    from web4mlx.errors import UsageError
    from web4mlx.events import EventLog
    from web4mlx.inventory.artifacts import list_artifacts
    from web4mlx.inventory.integrity import verify_artifact
    from web4mlx.inventory.removal import find_artifact

    artifact = find_artifact(model, list_artifacts(configured(config)))
    if artifact.kind in ("base", "adapter"):
        command = "web4mlx verify" if artifact.kind == "adapter" else "web4mlx download --verify-only"
        raise UsageError(f"{artifact.path} is verified by another command", f"Run `{command}`.")
    checks = verify_artifact(artifact, EventLog(None, artifact.name, "verify", EventPrinter()))
    if as_json:
        print_json([check.model_dump() for check in checks])
    for check in [] if as_json else checks:
        print(f"{check.verdict:>8}  {check.name}  {check.detail}")
    bad = [check.name for check in checks if check.verdict != "passed"]
    if bad:
        require_whole(artifact.path, bad)


def require_whole(path: Path, bad: list[str]) -> None:
    """Raise for checks that did not pass.

    Raises:
        CheckFailed: Names them.
    """
    from web4mlx.errors import CheckFailed

    raise CheckFailed(f"{path}: not as recorded: {', '.join(bad)}", "Make it again; do not import it.")


def remove(
    model: str = typer.Argument(..., help="A model's folder or file, its name, or a tag in Ollama."),
    config: str = CONFIG,
    host: str = HOST,
    yes: bool = typer.Option(False, "--yes", help="Do not ask."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Say what would be removed; remove nothing."),
    as_json: bool = JSON,
) -> None:
    """Remove a model that this program made and nobody uses. What production rests on is refused.

    Example: web4mlx models remove web4_merged_20260101_120000
    """
    from web4mlx.inventory.removal import plan_removal
    from web4mlx.inventory.removal import remove as remove_artifact

    settings = configured(config)
    if ":" in model and not Path(model).exists():
        remove_from_ollama(model, settings, host, yes=yes, dry_run=dry_run, as_json=as_json)
        return
    served = ask_server(settings, host).digests
    plan = plan_removal(Path(model), settings, served)
    if not dry_run and not plan.refusal:
        require_yes(f"Remove {plan.artifact.path} ({plan.frees_bytes / 1e6:,.1f} MB)?", yes)
    if not dry_run:
        plan = remove_artifact(Path(model), settings, served)
    if as_json:
        print_json(plan.model_dump(mode="json", exclude={"artifact": {"manifest"}}))
        return
    verb = "would be removed" if dry_run else "removed"
    print(f"{plan.artifact.path} {'must not be removed: ' + plan.refusal if plan.refusal else verb}")
    print(f"{plan.frees_bytes / 1e6:,.1f} MB")
    for effect in plan.effects:
        note(effect)


def remove_from_ollama(
    name: str, settings: "RunConfig", host: str, *, yes: bool, dry_run: bool, as_json: bool
) -> None:
    """Remove a tag that an import made."""
    from web4mlx.engines.ollama_server import OllamaServer
    from web4mlx.inventory.tags import find_removable, remove_tag

    with OllamaServer(host) as server:
        tag = find_removable(server, name, settings.deploy.name)
        if not dry_run:
            require_yes(f"Remove {name} from {server.url}?", yes)
            remove_tag(server, name, settings.deploy.name)
    verb = "would be removed" if dry_run else "removed"
    print_json(tag) if as_json else print(f"{name} {verb}")


def require_yes(question: str, yes: bool) -> None:
    """Ask, unless it was answered already.

    Raises:
        UsageError: The answer is no, or there is nobody to answer.
    """
    import sys

    from web4mlx.errors import UsageError

    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Nobody can answer here.", "Pass --yes.")
    if not typer.confirm(question, err=True):
        raise UsageError("nothing was removed")


def configured(config: str) -> "RunConfig":
    """The configuration of that name."""
    from web4mlx.config import find_config, load_config

    return load_config(find_config(config))


def ask_server(settings: "RunConfig", host: str) -> "Server":
    """What Ollama has; without a server, why."""
    from web4mlx.inventory.asking import ask_ollama

    return ask_ollama(settings.deploy.name, host)
