"""Collections on a Chroma server: a build writes new ones, and the database names those that count.

A server's collections cannot be copied or switched over together. So each generation has its own, told apart
by the end of their names, and readers look into the database for it: the moment that switches the database
over switches the collections too. A store removes only collections of its own, those of the generation before
the present one and of builds that were killed; several stores may share a server.
"""

import secrets
import sqlite3
import time
from collections.abc import Collection
from typing import Any

from web4mlx.rag.schema import read_fact

FACT = "collections_end"


def next_end(old: str) -> str:
    """The end of the names of a new generation's collections; `old` is that of the present one, or empty."""
    owner = old.split(".")[1] if old else secrets.token_hex(4)
    return f".{owner}.{time.strftime('%Y%m%d-%H%M%S')}-{time.monotonic_ns() % 10**6}"


def read_end(connection: sqlite3.Connection) -> str:
    """The end of the names of a database's collections; empty for plain names."""
    return read_fact(connection, FACT)


def remove_others(client: Any, end: str, keep: Collection[str]) -> None:
    """Remove the collections of the store to which an end belongs, but for those with the ends to keep."""
    mark = f".{end.split('.')[1]}."
    for collection in client.list_collections():
        name = str(collection.name)
        if mark in name and not any(kept and name.endswith(kept) for kept in keep):
            client.delete_collection(name)
