"""The mark by which a generated source is known, and with it what a store made from it must hold."""

import json
from pathlib import Path

from web4mlx.artifacts import atomic_write

MARK = ".web4mlx-rag-sample.json"


def write_sample_mark(source: Path, scale: str, seed: int, corpus: str = "") -> None:
    """Mark a folder as generated; `corpus` is the SHA-256 of the training file that gave it documents."""
    atomic_write(source / MARK, json.dumps({"scale": scale, "seed": seed, "corpus": corpus}) + "\n")


def read_sample_scale(source: Path) -> str:
    """The scale of a generated source; empty for a real one."""
    return str(read_sample_mark(source).get("scale", ""))


def read_sample_corpus(source: Path) -> str:
    """The SHA-256 of the training file that gave a generated source documents; empty for none."""
    return str(read_sample_mark(source).get("corpus", ""))


def read_sample_mark(source: Path) -> dict[str, object]:
    """What a source's mark says; nothing for a real one."""
    try:
        content = json.loads((source / MARK).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
