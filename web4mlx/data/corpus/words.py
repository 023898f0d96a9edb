"""The word lists of the sample corpus: package data in TOML, read once, split into train and held-out.

What is under `held_out` never enters a training file; `held_out()` hands it to whoever writes evaluations.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import tomli

Split = Literal["train", "held_out"]


@cache
def read_list(name: str) -> dict[str, Any]:
    """One word list by the stem of its file. Treat the result as read-only."""
    return tomli.loads(files(__package__).joinpath(f"{name}.toml").read_text("utf-8"))


@dataclass(frozen=True, slots=True)
class Entity:
    """What a component is about: `Invoice`, its plural and its fields by type, each at least once."""

    name: str
    plural: str
    texts: tuple[str, ...]
    numbers: tuple[str, ...]
    flags: tuple[str, ...]


@cache
def entities(split: Split) -> tuple[Entity, ...]:
    """The entities of a split, in the order of the file."""
    return tuple(_entity(name, entry) for name, entry in read_list("entities")[split].items())


def _entity(name: str, entry: dict[str, str]) -> Entity:
    fields = [field.strip() for field in entry["fields"].split(",")]
    return Entity(
        name,
        entry["plural"],
        tuple(field for field in fields if field[-1] not in "#?"),
        tuple(field[:-1] for field in fields if field.endswith("#")),
        tuple(field[:-1] for field in fields if field.endswith("?")),
    )


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What is reserved for evaluation: no training sample names, asks or solves any of it.

    `components` are class names; `situations` maps a kind of work (create, debug, refactor, integrate,
    collaborate) to its cases with `task` and the facts around it; `decisions` have `question` and the four
    TRON elements; `phrasings` maps a kind of request to templates over `{task}`, `{component}`, …;
    `guardrails` maps a violation to pairs of `banned` and `allowed` actions; `questions` maps a topic to
    questions about it; `tool_phrasings` maps a tool to templates over `{file}`, `{folder}`, `{term}`,
    `{command}`, `{old}`, `{new}`. `replacements` are (old, new) pairs.
    """

    components: tuple[str, ...]
    agents: tuple[str, ...]
    situations: dict[str, list[dict[str, str]]]
    decisions: list[dict[str, str]]
    phrasings: dict[str, list[str]]
    guardrails: dict[str, list[dict[str, str]]]
    questions: dict[str, list[str]]
    tool_phrasings: dict[str, list[str]]
    files: tuple[str, ...]
    folders: tuple[str, ...]
    terms: tuple[str, ...]
    commands: tuple[str, ...]
    replacements: tuple[tuple[str, str], ...]


def held_out() -> HeldOut:
    """Everything the corpus keeps out of training, for writing evaluation prompts."""
    tools = read_list("tools")
    components = [entity.name + role for entity in entities("held_out") for role in read_list("roles")]
    names, folders = tools["file"]["held_out"], tools["folder"]["held_out"]
    paths = [*names, *(f"{folder}/{name}" for folder in folders for name in names)]
    return HeldOut(
        components=tuple(components),
        agents=tuple(read_list("agents")["held_out"]),
        situations=_held_out_of("situations"),
        decisions=read_list("decisions")["held_out"],
        phrasings=_held_out_of("phrasings"),
        guardrails=_held_out_of("guardrails"),
        questions=_held_out_of("knowledge"),
        tool_phrasings={name: entry["held_out"] for name, entry in tools["ask"].items()},
        files=tuple(paths),
        folders=tuple(folders),
        terms=tuple(tools["term"]["held_out"]),
        commands=tuple(tools["command"]["held_out"]),
        replacements=tuple(replacement(text) for text in tools["replacement"]["held_out"]),
    )


def replacement(text: str) -> tuple[str, str]:
    """The (old, new) pair of an `old:new` entry."""
    old, _, new = text.partition(":")
    return old, new


def _held_out_of(name: str) -> dict[str, Any]:
    return {key: entry["held_out"] for key, entry in read_list(name).items()}
