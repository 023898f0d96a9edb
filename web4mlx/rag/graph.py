"""Walks the links between documents: neighbours, chains and shortest paths, by recursive queries.

The queries join what is not yet known (UNION drops what was seen), so cycles and self-loops end, and a chain
of ten thousand documents is walked in time proportional to its links. SQLite hands out the rows of such a
query in the order in which they were found, so the first row of a document is on a shortest way to it.
"""

import sqlite3
from dataclasses import dataclass
from typing import Literal

Direction = Literal["after", "before", "both"]
_TERM = (
    "SELECT link.{there}, walk.id{depth} FROM walk CROSS JOIN pdca_relationships AS link"
    " ON link.{here} = walk.id WHERE link.relationship_type = 'PRECEDES'{bound}"
)
_ENDS = {"after": ("from_pdca_id", "to_pdca_id"), "before": ("to_pdca_id", "from_pdca_id")}


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
    rows = connection.execute(walk_query(direction, is_bounded=hops is not None), (start, hops))
    depth = {start: 0}
    steps = []
    for identity, parent in rows:
        if identity not in depth:
            depth[identity] = depth[parent] + 1
            steps.append(Step(identity, parent, depth[identity]))
    return steps


def walk_query(direction: Direction, *, is_bounded: bool) -> str:
    """The recursive query: a term for each direction, so that each uses the index of its end.

    Its parameters are the start and the most links, which only a bounded one counts.
    """
    depth, bound = (", walk.depth + 1", " AND walk.depth < ?2") if is_bounded else ("", "")
    names = ("after", "before") if direction == "both" else (direction,)
    terms = [
        _TERM.format(here=_ENDS[name][0], there=_ENDS[name][1], depth=depth, bound=bound) for name in names
    ]
    first = "SELECT ?1, ''" + (", 0" if is_bounded else " WHERE ?2 IS NULL")
    columns = "id, parent" + (", depth" if is_bounded else "")
    return (
        f"WITH RECURSIVE walk({columns}) AS ({first} UNION {' UNION '.join(terms)})"
        " SELECT id, parent FROM walk"
    )


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
