"""Which model the smoke tests ask, through which engine: what was typed, completed from the configuration."""

from dataclasses import dataclass
from pathlib import Path

from web4mlx.config import RunConfig
from web4mlx.engines.base import Engine
from web4mlx.errors import MissingPrerequisite, UsageError

KINDS = ("llamacpp", "mlx", "ollama", "openai")
SERVED = ("ollama", "openai")


@dataclass(frozen=True)
class Asked:
    """The engine that was typed: its kind, the model (a file, a folder, a served name), the server."""

    kind: str = ""
    model: str = ""
    endpoint: str = ""
    allow_remote: bool = False


def complete(asked: Asked, config: RunConfig) -> Asked:
    """The model and the engine; nothing is loaded.

    Raises:
        UsageError: The engine is unknown, or does not go with the model.
        MissingPrerequisite: There is no such model.
    """
    if asked.kind and asked.kind not in KINDS:
        raise UsageError(f"--engine {asked.kind}: unknown", f"There are: {', '.join(KINDS)}.")
    if asked.kind in SERVED or asked.endpoint:
        return complete_served(asked, config)
    from web4mlx.engines.open import newest_gguf

    path = Path(asked.model) if asked.model else newest_gguf(config.outputs)
    if not path.exists():
        raise MissingPrerequisite(f"{path}: no such model", "Name a GGUF file or a model folder.")
    fitting = "mlx" if path.is_dir() else "llamacpp"
    if asked.kind and asked.kind != fitting:
        raise UsageError(f"{path}: --engine {asked.kind} cannot read it", f"{fitting} can.")
    return Asked(fitting, str(path))


def complete_served(asked: Asked, config: RunConfig) -> Asked:
    """A server's model: the configured name when none was typed.

    Raises:
        UsageError: The engine works on a file, or the server has no address.
    """
    kind = asked.kind or "openai"
    if kind not in SERVED:
        raise UsageError(f"--engine {kind} works on a file and takes no --endpoint")
    if kind == "openai" and not asked.endpoint:
        raise UsageError("--engine openai needs --endpoint", "Example: --endpoint http://127.0.0.1:8080/v1")
    return Asked(kind, asked.model or config.deploy.name, asked.endpoint, asked.allow_remote)


def open_asked(asked: Asked, context: int) -> Engine:
    """Load the model, or reach its server.

    Raises:
        Web4Error: It cannot be loaded or reached; says why.
    """
    if asked.kind == "ollama":
        from web4mlx.engines.ollama import OllamaEngine

        return OllamaEngine(
            asked.model, host=asked.endpoint, context=context, allow_remote=asked.allow_remote
        )
    if asked.kind == "openai":
        from web4mlx.engines.openai import OpenAiEngine

        return OpenAiEngine(asked.endpoint, asked.model, allow_remote=asked.allow_remote)
    from web4mlx.engines.open import open_engine

    return open_engine(Path(asked.model), context=context)
