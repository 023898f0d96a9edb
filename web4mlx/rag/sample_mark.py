"""The mark by which a generated source is known, and with it what a store made from it must hold."""

import json
from pathlib import Path

from web4mlx.artifacts import atomic_write, sha256_file

MARK = ".web4mlx-rag-sample.json"


def sample_mark(scale: str, seed: int, trained: Path | None) -> dict[str, object]:
    """What makes a generated source what it is; `trained` is the training file that gave it documents."""
    return {"scale": scale, "seed": seed, "corpus": sha256_file(trained) if trained else ""}


def write_sample_mark(source: Path, mark: dict[str, object]) -> None:
    """Mark a folder as generated."""
    atomic_write(source / MARK, json.dumps(mark) + "\n")


def read_sample_scale(source: Path) -> str:
    """The scale of a generated source; empty for a real one."""
    return str(read_sample_mark(source).get("scale", ""))


def read_sample_mark(source: Path) -> dict[str, object]:
    """What a source's mark says; nothing for a real one."""
    try:
        content = json.loads((source / MARK).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
