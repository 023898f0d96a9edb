"""The database is brought from each version to the present one, and holds what it is told to hold."""

import sqlite3
from contextlib import closing
from pathlib import Path

from web4mlx.rag.schema import MIGRATIONS, create_database, read_database
from web4mlx.rag.timeline import agents, pdcas_between


def test_an_older_database_gets_the_missing_steps_and_keeps_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "pdca_timeline.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"{MIGRATIONS[0]} PRAGMA user_version = 1;")
        connection.execute("INSERT INTO pdcas (id, file_path) VALUES ('a', 'a')")
        connection.commit()
    with closing(create_database(path)) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert {"chunks", "store", "failures"} <= tables
        assert connection.execute("SELECT id FROM pdcas").fetchall() == [("a",)]
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    with closing(create_database(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)


def test_days_agents_and_defaults(tmp_path: Path) -> None:
    path = tmp_path / "pdca_timeline.db"
    with closing(create_database(path)) as connection:
        rows = [
            ("a", "2025-01-01", "Ada"),
            ("b", "2025-01-02", "Bo"),
            ("c", "", "A/da"),
            ("d", "2025-01-02", ""),
        ]
        connection.executemany(
            "INSERT INTO pdcas (id, file_path, date, agent_name) VALUES (?1, ?1, ?2, ?3)", rows
        )
        connection.execute("INSERT INTO pdca_relationships (from_pdca_id, to_pdca_id) VALUES ('a', 'b')")
    with closing(read_database(path)) as connection:
        assert pdcas_between(connection, "2025-01-01", "2025-01-01") == ["a"]
        assert pdcas_between(connection, end="2025-01-02") == ["a", "b", "d"]
        assert pdcas_between(connection, agent="ada") == ["c", "a"]
        assert pdcas_between(connection, agent="nobody") == []
        assert agents(connection) == {"": 1, "A/da": 1, "Ada": 1, "Bo": 1}
        row = connection.execute(
            "SELECT relationship_type, weight, metadata, created_at FROM pdca_relationships"
        )
        kind, weight, metadata, created = row.fetchone()
    assert (kind, weight, metadata) == ("PRECEDES", 1.0, "{}")
    assert created
