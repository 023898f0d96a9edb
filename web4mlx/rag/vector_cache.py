"""Vectors that were computed once, by embedder and text: killed builds go on, known text costs nothing."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from web4mlx.artifacts import sha256_bytes
from web4mlx.rag.embedder import Embedder, EmbedderIdentity, Report
from web4mlx.rag.schema import explain_sqlite_errors

if TYPE_CHECKING:
    from web4mlx.rag.embedder import Vectors

BLOCK = 512
_LOOKUP = 500


class VectorCache:
    """A database of vectors beside the store; may be deleted at any time.

    Args:
        path: The database; made when it does not exist, and made anew when it is damaged.
        identity: Whose vectors are read and written.
    """

    def __init__(self, path: Path, identity: EmbedderIdentity) -> None:
        self.path = path
        self.identity = identity
        self.model = sha256_bytes(repr(sorted(identity.as_metadata().items())).encode())[:16]
        try:
            self._connection = self._open()
        except sqlite3.DatabaseError:
            path.unlink()
            self._connection = self._open()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS vectors (model TEXT, text_sha256 TEXT, vector BLOB NOT NULL,"
            " PRIMARY KEY (model, text_sha256)) WITHOUT ROWID"
        )
        return connection

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def missing(self, texts: Iterable[str]) -> list[str]:
        """The distinct texts without a vector."""
        by_key = {text_key(text): text for text in texts}
        known = {key for key, _ in self._rows(list(by_key))}
        return [text for key, text in by_key.items() if key not in known]

    def fill(self, texts: Iterable[str], embedder: Embedder, progress: Report | None = None) -> int:
        """Encode what is missing, longest first, in blocks that are kept; returns how many were encoded."""
        wanted = sorted(self.missing(texts), key=len, reverse=True)
        for start in range(0, len(wanted), BLOCK):
            block = wanted[start : start + BLOCK]
            vectors = embedder.encode(
                block,
                lambda done, _, before=start: progress(before + done, len(wanted)) if progress else None,  # type: ignore[misc]
            )
            self._connection.execute("BEGIN")
            with explain_sqlite_errors(self.path), self._connection:
                self._connection.executemany(
                    "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)",
                    [
                        (self.model, text_key(text), vector.tobytes())
                        for text, vector in zip(block, vectors, strict=True)
                    ],
                )
        return len(wanted)

    def vectors(self, texts: Sequence[str]) -> "Vectors":
        """The vectors of texts that are all known, as an array of shape (texts, dimension)."""
        import numpy as np

        keys = [text_key(text) for text in texts]
        found = dict(self._rows(list(dict.fromkeys(keys))))
        rows = [np.frombuffer(found[key], dtype=np.float32) for key in keys]
        return np.stack(rows) if rows else np.zeros((0, self.identity.dimension), dtype=np.float32)

    def keep_only(self, texts: Iterable[str]) -> None:
        """Forget this embedder's vectors of all other texts."""
        self._connection.execute("CREATE TEMP TABLE wanted (key TEXT PRIMARY KEY)")
        self._connection.execute("BEGIN")
        with self._connection:
            self._connection.executemany(
                "INSERT OR IGNORE INTO wanted VALUES (?)", ((text_key(text),) for text in texts)
            )
            self._connection.execute(
                "DELETE FROM vectors WHERE model = ? AND text_sha256 NOT IN (SELECT key FROM wanted)",
                (self.model,),
            )
        self._connection.execute("DROP TABLE wanted")

    def _rows(self, keys: list[str]) -> Iterator[tuple[str, bytes]]:
        for start in range(0, len(keys), _LOOKUP):
            part = keys[start : start + _LOOKUP]
            yield from self._connection.execute(
                "SELECT text_sha256, vector FROM vectors WHERE model = ?"
                f" AND text_sha256 IN ({', '.join('?' * len(part))})",
                (self.model, *part),
            )


def text_key(text: str) -> str:
    """SHA-256 of a text."""
    return sha256_bytes(text.encode("utf-8", "surrogatepass"))
