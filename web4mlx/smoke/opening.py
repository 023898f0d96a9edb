"""Which model the smoke tests ask, through which engine: what was typed, completed from the configuration."""

from dataclasses import dataclass
from pathlib import Path

from web4mlx.config import RunConfig
from web4mlx.engines.base import Engine
from web4mlx.engines.open import find_local, find_served_kind, open_engine, reach_server
from web4mlx.errors import UsageError


@dataclass(frozen=True)
class Asked:
    """The engine that was typed: its kind, the model (a file, a folder, a served name), the server."""

    kind: str = ""
    model: str = ""
    endpoint: str = ""
    allow_remote: bool = False


def complete(asked: Asked, config: RunConfig) -> Asked:
    """The model and the engine; nothing is loaded. Of a server the configured name, when none was typed.

    Raises:
        UsageError: The engine is unknown, does not go with the model, or the server has no address.
        MissingPrerequisite: There is no such model.
    """
    kind = find_served_kind(asked.kind, asked.endpoint)
    if kind is None:
        model, fitting = find_local(asked.model, asked.kind, config.outputs)
        return Asked(fitting, model)
    if kind == "openai" and not asked.endpoint:
        raise UsageError("--engine openai needs --endpoint", "Example: --endpoint http://127.0.0.1:8080/v1")
    return Asked(kind, asked.model or config.deploy.name, asked.endpoint, asked.allow_remote)


def open_asked(asked: Asked, context: int) -> Engine:
    """Load the model, or reach its server.

    Raises:
        Web4Error: It cannot be loaded or reached; says why.
    """
    kind = find_served_kind(asked.kind, asked.endpoint)
    if kind is not None:
        return reach_server(kind, asked.model, asked.endpoint, context, allow_remote=asked.allow_remote)
    return open_engine(Path(asked.model), context=context)
