"""Walks along links end in every graph: cycles, self-loops, forks, and chains of ten thousand documents."""

import sqlite3
from pathlib import Path

import pytest

from web4mlx.rag.graph import chain, path_between, predecessors, successors, walk
from web4mlx.rag.schema import create_database


def graph(tmp_path: Path, edges: list[tuple[str, str]]) -> sqlite3.Connection:
    """A database with these links."""
    connection = create_database(tmp_path / "pdca_timeline.db")
    nodes = {node for edge in edges for node in edge}
    connection.execute("BEGIN")
    connection.executemany(
        "INSERT INTO pdcas (id, file_path) VALUES (?, ?)", [(node, node) for node in sorted(nodes)]
    )
    connection.executemany("INSERT INTO pdca_relationships (from_pdca_id, to_pdca_id) VALUES (?, ?)", edges)
    connection.execute("COMMIT")
    return connection


def test_neighbours_are_sets_in_both_directions(tmp_path: Path) -> None:
    connection = graph(tmp_path, [("a", "b"), ("a", "c"), ("a", "d"), ("b", "e")])
    assert sorted(successors(connection, "a")) == ["b", "c", "d"]
    assert predecessors(connection, "e") == ["b"]
    assert successors(connection, "unknown") == []


def test_cycles_and_self_loops_end(tmp_path: Path) -> None:
    connection = graph(tmp_path, [("a", "a"), ("a", "b"), ("b", "c"), ("c", "a"), ("c", "c")])
    assert [(step.id, step.depth) for step in walk(connection, "a", "after")] == [("b", 1), ("c", 2)]
    assert {step.id for step in walk(connection, "a", "both", 9)} == {"b", "c"}
    assert sorted(chain(connection, "b")) == ["a", "b", "c"]


def test_hops_bound_the_walk_and_the_nearest_way_counts(tmp_path: Path) -> None:
    connection = graph(tmp_path, [("a", "b"), ("b", "c"), ("c", "d"), ("a", "c")])
    assert {step.id: step.depth for step in walk(connection, "a", "after", 2)} == {"b": 1, "c": 1, "d": 2}
    assert path_between(connection, "a", "d") == ["a", "c", "d"]
    assert path_between(connection, "d", "b") in (["d", "c", "b"],)
    assert path_between(connection, "a", "a") == ["a"]


def test_documents_without_a_way_between_them(tmp_path: Path) -> None:
    connection = graph(tmp_path, [("a", "b"), ("x", "y")])
    assert path_between(connection, "a", "y") == []


def test_a_chain_of_ten_thousand_is_walked_in_order(tmp_path: Path) -> None:
    names = [f"p{number:05d}" for number in range(10_000)]
    connection = graph(tmp_path, list(zip(names, names[1:], strict=False)))
    assert chain(connection, names[5000]) == names
    assert path_between(connection, names[0], names[-1]) == names
    assert [step.depth for step in walk(connection, names[0], "after")] == list(range(1, 10_000))


def test_relationships_of_unknown_documents_are_refused(tmp_path: Path) -> None:
    connection = graph(tmp_path, [("a", "b")])
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute("INSERT INTO pdca_relationships (from_pdca_id, to_pdca_id) VALUES ('a', 'nobody')")
