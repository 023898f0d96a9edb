"""Answers that were given before: the same model, template, options and prompt are not asked twice.

The key covers everything that decides an answer, the model by the digest of its bytes, so that two models
never share an entry. A model whose digest is unknown (an endpoint) is never cached.
"""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from pydantic import ValidationError

from evals.run_file import Answered
from evals.runs import comparable
from web4mlx.artifacts import cache_folder, sha256_bytes
from web4mlx.engines.base import Request
from web4mlx.events import EventLog
from web4mlx.reports import Subject

TABLE = "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL) WITHOUT ROWID"


def answer_key(subject: Subject, request: Request, repeat: int = 0) -> str:
    """The cache key of one question: 64 hexadecimal digits, or an empty text when nothing may be cached.

    `repeat` keeps further answers to the same question apart. The suite asks each question once, so it is 0.
    """
    if not subject.model_sha256:
        return ""
    decides: dict[str, object] = comparable(subject) | {
        "suite_version": "",  # a changed checker asks nothing new: the prompt is part of the key
        "messages": [dict(message) for message in request.messages],
        "prompt": request.prompt,
        "repeat": repeat,
    }
    return sha256_bytes(json.dumps(decides, sort_keys=True, default=str).encode())


def default_path() -> Path:
    """Where the answers are kept."""
    return cache_folder() / "evals" / "answers.sqlite"


def open_cache(log: EventLog) -> "AnswerCache":
    """The cache; a damaged one is set aside with a warning, and a new one begun."""
    try:
        return AnswerCache()
    except sqlite3.OperationalError:
        raise  # locked, full or not permitted: the file is not to blame
    except sqlite3.DatabaseError as error:
        path = default_path()
        aside = path.replace(path.with_name(f"{path.name}.damaged"))
        log.warn("damaged-cache", f"{path}: {error}; set aside as {aside.name}", "All is asked anew, once.")
        return AnswerCache()


class AnswerCache:
    """Answers by key in an SQLite file; several processes may use it at the same time.

    Args:
        path: None takes the cache folder's.
    """

    def __init__(self, path: Path | None = None) -> None:
        path = path or default_path()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        with closing(self._open()) as database, database:
            database.execute(TABLE)
            said = database.execute("PRAGMA quick_check(1)").fetchone()[0]
        if said != "ok":
            raise sqlite3.DatabaseError(said)

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=30)

    def find(self, key: str) -> Answered | None:
        """The answer under a key; None when there is none or it cannot be read."""
        if not key:
            return None
        with closing(self._open()) as database:
            row = database.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
        try:
            return Answered.model_validate_json(row[0]) if row else None
        except ValidationError:
            return None

    def keep(self, key: str, answer: Answered) -> None:
        """Remember an answer; errors are not remembered."""
        if key and answer.finish_reason != "error":
            with closing(self._open()) as database, database:
                values = (key, answer.model_dump_json())
                database.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", values)
