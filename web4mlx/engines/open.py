"""Choosing the engine that fits a model, and the model when none is named."""

from pathlib import Path
from typing import Literal

from web4mlx.artifacts import newest
from web4mlx.engines.base import Engine
from web4mlx.errors import MissingPrerequisite, UsageError

EngineKind = Literal["llamacpp", "mlx", "ollama", "openai"]
KINDS: tuple[EngineKind, ...] = ("llamacpp", "mlx", "ollama", "openai")
SERVED = ("ollama", "openai")


def open_engine(
    model: Path, adapter: Path | None = None, *, context: int = 4096, parallel: int = 1
) -> Engine:
    """Load a model: a `.gguf` file into llama.cpp, a folder in Hugging Face layout into MLX.

    Args:
        model: The file or folder.
        adapter: A training run or adapter folder on top of a model folder.
        context: Tokens of prompt and answer together.
        parallel: Requests that are to be decoded together.

    Raises:
        MissingPrerequisite: It does not exist.
        UsageError: It is neither, or an adapter is asked for on a GGUF.
        StageCrashed: It cannot be loaded; says why.
    """
    if model.is_dir():
        from web4mlx.engines.mlx import MlxEngine

        return MlxEngine(model, adapter, context=context)
    if adapter is not None:
        raise UsageError(f"an adapter needs a model folder, and {model} is none", "Name the base's folder.")
    if model.suffix != ".gguf" and model.exists():
        raise UsageError(f"{model}: neither a .gguf file nor a model folder")
    from web4mlx.engines.llamacpp import LlamaCppEngine

    return LlamaCppEngine(model, context=context, parallel=parallel)


def find_served_kind(kind: str, endpoint: str) -> EngineKind | None:
    """The kind of a server that is asked for by its kind or its address; None when none is.

    Raises:
        UsageError: There is no such engine, or it works on a file and an address was given.
    """
    if kind and kind not in KINDS:
        raise UsageError(f"--engine {kind}: unknown", f"There are: {', '.join(KINDS)}.")
    if kind not in SERVED and not endpoint:
        return None
    if kind in ("llamacpp", "mlx"):
        raise UsageError(f"--engine {kind} works on a file and takes no --endpoint")
    return "ollama" if kind == "ollama" else "openai"


def find_local(model: str, kind: str, outputs: Path) -> tuple[str, EngineKind]:
    """A file or folder and the engine that reads it: what was named, else the newest exported GGUF.

    Args:
        model: What was named; may be empty.
        kind: The engine that was named; may be empty.
        outputs: Where exported GGUFs stand.

    Raises:
        UsageError: The engine does not go with the model.
        MissingPrerequisite: There is no such model.
    """
    model = model or str(newest_gguf(outputs))
    path = Path(model)
    if not path.exists():
        raise MissingPrerequisite(f"{path}: no such model", "Name a GGUF file or a model folder.")
    fitting: EngineKind = "mlx" if path.is_dir() else "llamacpp"
    if kind and kind != fitting:
        raise UsageError(f"{path}: --engine {kind} cannot read it", f"{fitting} can.")
    return model, fitting


def reach_server(kind: EngineKind, model: str, endpoint: str, context: int, *, allow_remote: bool) -> Engine:
    """The engine of a server.

    Args:
        kind: `ollama` or `openai`.
        model: The name that it serves the model under.
        endpoint: Its URL; of Ollama empty for OLLAMA_HOST.
        context: Tokens of prompt and answer together, which only Ollama is told.
        allow_remote: Whether it may be on another machine.

    Raises:
        Web4Error: It cannot be reached, or does not have the model.
    """
    if kind == "ollama":
        from web4mlx.engines.ollama import OllamaEngine

        return OllamaEngine(model, host=endpoint, context=context, allow_remote=allow_remote)
    from web4mlx.engines.openai import OpenAiEngine

    return OpenAiEngine(endpoint, model, allow_remote=allow_remote)


def newest_gguf(outputs: Path) -> Path:
    """The newest exported GGUF of an outputs folder.

    Raises:
        MissingPrerequisite: There is none.
    """
    try:
        return newest(outputs, "*.gguf", "export")
    except MissingPrerequisite as error:
        raise MissingPrerequisite(
            f"no exported GGUF in {outputs}", "`web4mlx export` makes one; or name a model with --model."
        ) from error
