"""Looks at a Chroma folder before Chroma opens it: a damaged or newer one can bring the process down."""

import sqlite3
from pathlib import Path

from web4mlx.errors import MissingPrerequisite, StageCrashed, UsageError

CHROMA_FILE = "chroma.sqlite3"
# The last migrations of the pinned Chroma; its compiled part brings more than its package lists.
KNOWN_MIGRATIONS = {"embeddings_queue": 2, "metadb": 6, "sysdb": 10}
_HINT = "Build the store again with `web4mlx rag build SOURCE --rebuild`: known vectors cost nothing."


def inspect_chroma_file(folder: Path) -> None:
    """Check that a folder's database is whole and not of a later Chroma than the installed one.

    Raises:
        MissingPrerequisite: There is no database in the folder.
        StageCrashed: It is damaged.
        UsageError: A newer Chroma wrote it.
    """
    path = folder / CHROMA_FILE
    if not path.is_file():
        if not any(folder.iterdir()):
            return
        raise MissingPrerequisite(f"{path}: missing", f"This is no Chroma store. {_HINT}")
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            rows = connection.execute("SELECT dir, max(version) FROM migrations GROUP BY dir").fetchall()
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        raise StageCrashed(f"{path}: damaged: {error}", _HINT) from error
    if verdict != "ok":
        raise StageCrashed(f"{path}: damaged: {verdict}", _HINT)
    require_known_migrations(path, dict(rows))


def require_known_migrations(path: Path, found: dict[str, int]) -> None:
    """Refuse a store with migrations that the installed Chroma does not know.

    Raises:
        UsageError: It has some.
    """
    newer = [name for name, version in found.items() if version > KNOWN_MIGRATIONS.get(name, 0)]
    if newer:
        from importlib.metadata import version as installed

        raise UsageError(
            f"{path}: written by a newer Chroma than the installed {installed('chromadb')}"
            f" ({', '.join(sorted(newer))})",
            "Install the Chroma that wrote it, or build the store again in another folder (--db).",
        )
