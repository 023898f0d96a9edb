"""Choosing the engine that fits a model, and the model when none is named."""

from pathlib import Path

from web4mlx.artifacts import newest
from web4mlx.engines.base import Engine
from web4mlx.errors import MissingPrerequisite, UsageError


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
