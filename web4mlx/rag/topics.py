"""The topics of the process framework: package data, read once."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import tomli


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of behaviour."""

    id: str
    title: str
    text: str


@cache
def read_topics() -> tuple[Topic, ...]:
    """All topics in the order of the file."""
    content = tomli.loads(files(__package__).joinpath("topics.toml").read_text("utf-8"))
    return tuple(Topic(entry["id"], entry["title"], entry["text"]) for entry in content["topic"])
