"""Walks the links between documents: neighbours, chains and shortest paths, by recursive queries.

The queries join what is not yet known (UNION drops what was seen), so cycles and self-loops end, and a chain
of ten thousand documents is walked in time proportional to its links. SQLite hands out the rows of such a
query in the order in which they were found, so the first row of a document is on a shortest way to it.
"""

import sqlite3
from dataclasses import dataclass
from typing import Literal

Direction = Literal["after", "before", "both"]
_STEP = {
    "after": "SELECT from_pdca_id AS here, to_pdca_id AS there FROM pdca_relationships"
    " WHERE relationship_type = 'PRECEDES'",
    "before": "SELECT to_pdca_id AS here, from_pdca_id AS there FROM pdca_relationships"
    " WHERE relationship_type = 'PRECEDES'",
}
_STEP["both"] = f"{_STEP['after']} UNION ALL {_STEP['before']}"


@dataclass(frozen=True, slots=True)
class Step:
    """A document that a walk reached, from which one, after how many links."""

    id: str
    parent: str
    depth: int


def successors(connection: sqlite3.Connection, pdca_id: str) -> list[str]:
    """The documents that directly follow one: a set, for a chain may fork."""
    return [step.id for step in walk(connection, pdca_id, "after", 1)]


def predecessors(connection: sqlite3.Connection, pdca_id: str) -> list[str]:
    """The documents that directly precede one."""
    return [step.id for step in walk(connection, pdca_id, "before", 1)]


def walk(
    connection: sqlite3.Connection, start: str, direction: Direction, hops: int | None = None
) -> list[Step]:
    """All documents that can be reached, nearest first, each once, without the start.

    Args:
        connection: The graph.
        start: Where the walk begins.
        direction: Along PRECEDES, against it, or both.
        hops: Most links to follow; None follows all.
    """
    if hops is None:
        query = (
            "WITH RECURSIVE walk(id, parent) AS (VALUES (?1, '') UNION SELECT there, here"
            f" FROM walk JOIN ({_STEP[direction]}) ON here = walk.id) SELECT id, parent FROM walk"
        )
        rows = connection.execute(query, (start,))
    else:
        query = (
            "WITH RECURSIVE walk(id, parent, depth) AS (VALUES (?1, '', 0) UNION"
            " SELECT there, here, depth + 1"
            f" FROM walk JOIN ({_STEP[direction]}) ON here = walk.id WHERE depth < ?2)"
            " SELECT id, parent FROM walk"
        )
        rows = connection.execute(query, (start, hops))
    depth = {start: 0}
    steps = []
    for identity, parent in rows:
        if identity not in depth:
            depth[identity] = depth[parent] + 1
            steps.append(Step(identity, parent, depth[identity]))
    return steps


def chain(connection: sqlite3.Connection, pdca_id: str) -> list[str]:
    """The documents before one, the document, and those after it, in the order of the links."""
    before = [step.id for step in walk(connection, pdca_id, "before")]
    known = {pdca_id, *before}
    after = [step.id for step in walk(connection, pdca_id, "after") if step.id not in known]
    return [*reversed(before), pdca_id, *after]


def path_between(connection: sqlite3.Connection, start: str, end: str) -> list[str]:
    """A shortest way between two documents along links in either direction; empty when there is none."""
    if start == end:
        return [start]
    parents = {step.id: step.parent for step in walk(connection, start, "both")}
    if end not in parents:
        return []
    way = [end]
    while way[-1] != start:
        way.append(parents[way[-1]])
    return way[::-1]
