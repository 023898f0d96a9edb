"""The mark by which a generated source is known, and with it what a store made from it must hold."""

import json
from pathlib import Path

from web4mlx.artifacts import atomic_write

MARK = ".web4mlx-rag-sample.json"


def write_sample_mark(source: Path, scale: str, seed: int) -> None:
    """Mark a folder as generated."""
    atomic_write(source / MARK, json.dumps({"scale": scale, "seed": seed}) + "\n")


def read_sample_scale(source: Path) -> str:
    """The scale of a generated source; empty for a real one."""
    try:
        content = json.loads((source / MARK).read_text("utf-8"))
    except (OSError, ValueError):
        return ""
    return str(content.get("scale", "")) if isinstance(content, dict) else ""
