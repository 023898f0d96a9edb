"""The options that the commands of `web4mlx rag` share."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from pydantic import BaseModel

    from web4mlx.rag.settings import RagSettings
    from web4mlx.rag.store import Store

CONFIG = typer.Option("rag", "--config", "-c", help="A configuration file or a shipped name.")
DB = typer.Option(None, "--db", help="The store's folder; default: that of the configuration.")
CHROMA_URL = typer.Option(None, "--chroma-url", help="A Chroma server instead of the store's own ChromaDB.")
RECORD = typer.Option(None, "--record", help="Keep the report in this file, too, as the pipeline does.")


def load_rag_settings(config: str) -> "RagSettings":
    """The settings of a file or of a shipped name."""
    from web4mlx.config import find_config
    from web4mlx.rag.settings import load_settings

    return load_settings(find_config(config))


def open_configured(settings: "RagSettings", db: Path | None, chroma_url: str | None) -> "Store":
    """The store that the settings and the options name."""
    from web4mlx.rag.embedder_source import open_embedder
    from web4mlx.rag.store import open_store

    url = chroma_url if chroma_url is not None else settings.chroma_url or None
    return open_store(db or settings.db, open_embedder(settings.embedder), url)


def keep_record(record: Path | None, result: "BaseModel | dict[str, Any]") -> None:
    """Write a report where the pipeline keeps its own; nothing without a file.

    The manifest of an earlier record goes first: it says what the pipeline made, and this is another one.
    """
    from web4mlx.artifacts import atomic_write, manifest_path
    from web4mlx.cli.output import as_json

    if record is not None:
        manifest_path(record).unlink(missing_ok=True)
        atomic_write(record, as_json(result) + "\n")
