"""The words of the models screen: the list with its sections, and one model in full."""

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tui.feed.models import Looked, ModelsReadings
from tui.markup import cut, safe
from tui.themes import sign
from tui.words import ago, size
from web4mlx.inventory.artifacts import KINDS, Artifact
from web4mlx.inventory.lineage import Origin
from web4mlx.inventory.tags import Server, Tag

TITLES = {"base": "Base models", "adapter": "Adapters", "merged": "Merged models", "gguf": "GGUFs"}
NONE_YET = {
    "base": "none yet; d downloads the configured one",
    "adapter": "none yet; Training makes one",
    "merged": "none yet; f on an adapter makes one",
    "gguf": "none yet; e on a merged model makes one",
}
OLLAMA = "ollama:"
MARK_SIGNS = {
    "production": "[$success]★ production[/]", "source of production": "[$success]★ of production[/]",
    "cleared": "[$success]✓ cleared[/]", "blocked": "[$error]✗ blocked[/]",
    "verified": "[$success]✓ verified[/]", "configured": "[$accent]● configured[/]",
    "unfinished": "[$warning]◔ unfinished[/]", "not made here": "[$muted]· not made here[/]",
    "training": "[$accent]● training[/]",
}  # fmt: skip
NO_DIGEST = "[$muted]not recorded[/]"
WHOLE = "[$success]✓ whole[/]"
KIND_WORDS = {"base": "base model", "adapter": "adapter", "merged": "merged model", "gguf": "GGUF"}
ROLE_SIGNS = {
    "production": "[$success]★ production[/]", "backup": "[$accent]◌ backup[/]",
    "undone": "[$warning]◌ taken back[/]", "candidate": "[$warning]◔ candidate[/]",
    "other": "[$muted]· other[/]",
}  # fmt: skip
STATES = {
    "same": "[$success]✓ same[/]", "changed": "[$warning]! changed since[/]", "gone": "[$error]✗ gone[/]",
    "unknown": "[$muted]· is there[/]",
}  # fmt: skip
SIZE_WIDTH, DIGEST_WIDTH, AGE_WIDTH, MARK_WIDTH, FIELD = 9, 10, 13, 16, 9


HEXADECIMAL = re.compile("[0-9a-f]{40,}")


@dataclass(frozen=True)
class Entry:
    """One line of the list; a heading or a note has no `id` and cannot be chosen."""

    id: str
    text: str


def entries(
    readings: ModelsReadings, server: Server | None, width: int, *, airy: bool = False
) -> Iterator[Entry]:
    """The whole list; `airy` parts the sections by empty lines."""
    gap = [Entry("", "")] * airy
    for kind in KINDS:
        found = [one for one in readings.artifacts if one.kind == kind]
        total = f"  [$muted]{size(sum(one.size_bytes for one in found))}[/]" if found else ""
        yield Entry("", f"[b $primary]{TITLES[kind]}[/]{total}")
        for one in found:
            yield Entry(str(one.path), artifact_line(one, one.path in readings.trained, width))
        if not found:
            yield Entry("", f"  [$muted]{NONE_YET[kind]}[/]")
        yield from gap
    yield from _ollama_entries(server, width)


def _ollama_entries(server: Server | None, width: int) -> Iterator[Entry]:
    where = f"  [$muted]{safe(server.url)} {safe(server.version)}[/]" if server and server.version else ""
    yield Entry("", f"[b $primary]Ollama[/]{where}")
    if server is None:
        yield Entry("", "  [$muted]asking …[/]")
    elif server.problem:
        yield Entry("", f"  [$warning]! {safe(server.problem)}[/]")
        yield Entry(OLLAMA, f"  [$muted]{safe(server.hint)}[/]")
    elif not server.tags:
        yield Entry("", "  [$muted]no model there yet; i on a cleared GGUF imports it[/]")
    for tag in server.tags if server else ():
        yield Entry(OLLAMA + tag.name, tag_line(tag, width))


def artifact_line(one: Artifact, is_trained: bool, width: int) -> str:
    """Name, size, digest, age and the weightiest mark: as many as fit."""
    marks = ("training",) if is_trained else one.marks
    age = ago(time.time() - one.created) if one.created else ""
    mark = MARK_SIGNS.get(marks[0], safe(marks[0])) if marks else WHOLE
    return _line(one.name, one.size_bytes, one.digest, age, mark, width)


def tag_line(tag: Tag, width: int) -> str:
    """One tag of Ollama."""
    age = ago(time.time() - tag.modified) if tag.modified else ""
    return _line(tag.name, tag.size_bytes, tag.digest, age, ROLE_SIGNS.get(tag.role, tag.role), width)


def _line(name: str, count: int, digest: str, age: str, mark: str, width: int) -> str:
    room = width - 2 - SIZE_WIDTH - MARK_WIDTH - 2
    with_digest = room - DIGEST_WIDTH >= 28
    with_age = with_digest and room - DIGEST_WIDTH - AGE_WIDTH >= 28
    room -= DIGEST_WIDTH * with_digest + AGE_WIDTH * with_age
    shown = name if len(name) <= room else f"{name[: room // 2 - 1]}…{name[len(name) - (room - room // 2) :]}"
    parts = [f"  {safe(f'{shown:<{max(room, 0)}}')}{size(count):>{SIZE_WIDTH}}"]
    if with_digest:
        parts.append(f"[$muted]{digest.removeprefix('sha256:')[:8]:>{DIGEST_WIDTH}}[/]")
    if with_age:
        parts.append(f"[$muted]{age:>{AGE_WIDTH}}[/]")
    return f"{''.join(parts)}  {mark}"


def disk_text(readings: ModelsReadings, server: Server | None) -> str:
    """One line: what each kind takes, and what is free."""
    parts = []
    for kind in KINDS:
        total = sum(one.size_bytes for one in readings.artifacts if one.kind == kind)
        if total:
            parts.append(f"[$muted]{TITLES[kind].lower().replace('ggufs', 'GGUFs')}[/] {size(total)}")
    parts.append(f"[$muted]other outputs[/] {size(readings.other_bytes)}")
    if server is not None and server.tags:
        models = {tag.digest: tag.size_bytes for tag in server.tags}
        parts.append(f"[$muted]Ollama[/] {size(sum(models.values()))}")
    return f"[b]{size(readings.free_bytes)} free[/]  " + "  ".join(parts)


def looked_text(looked: Looked, is_trained: bool, width: int) -> str:
    """One artifact in full; digests are shortened to what fits, `c` copies the whole one."""
    one = looked.artifact
    marks = ["training"] if is_trained else list(one.marks)
    rows = [("size", size(one.size_bytes)), ("sha256", cut(one.digest, width - FIELD) or NO_DIGEST)]
    if one.created:
        rows.append(("made", f"{_moment(one.created)} [$muted]{ago(time.time() - one.created)}[/]"))
    rows.append(("state", "  ".join(MARK_SIGNS.get(mark, safe(mark)) for mark in marks) or WHOLE))
    if looked.imported:
        rows.append(("imported", safe(_imported(looked.imported))))
    rows.append(("where", f"[$muted]{safe(os.path.relpath(one.path))}[/]"))
    title = f"[b]{safe(one.name)}[/]  [$muted]{KIND_WORDS[one.kind]}, {safe(one.detail)}[/]"
    lines = [title, *(_field(name, text) for name, text in rows)]
    if looked.origins:
        lines += ["", "[b]Made from[/]", *tree(looked.origins)]
    elif not one.is_finished:
        lines += ["", "[$muted]It has no manifest yet: nothing says what it is made from.[/]"]
    if looked.children:
        lines += ["", "[b]Made from it[/]", *(f"  {safe(name)}" for name in looked.children)]
    return "\n".join([*lines, *_recorded(one, width)])


def _field(name: str, text: str) -> str:
    return f"[$muted]{name:<{FIELD}}[/]{text}"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")


def _imported(facts: dict[str, str]) -> str:
    text = f"{_local(facts['when'])} as {facts['as']} to {facts['to']}"
    return text + "".join(f", {facts[key]}" for key in ("speed", "but") if key in facts)


def _local(moment: str) -> str:
    """An ISO time in local time; what is none, as it is."""
    try:
        return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return moment


def tree(origins: tuple[Origin, ...], indent: str = "") -> Iterator[str]:
    """Inputs and theirs as a tree, one a line with its state."""
    for number, origin in enumerate(origins):
        is_last = number == len(origins) - 1
        branch, below = ("└ ", "  ") if is_last else ("├ ", "│ ")
        role, _, name = origin.role.partition(":")
        name = name or Path(origin.path).name
        yield (
            f"[$faint]{indent}{branch}[/][$muted]{safe(role)}[/] {safe(name)} "
            f"[$muted]{origin.sha256[:8]}[/] {STATES[origin.state]}"
        )
        yield from tree(origin.origins, indent + below)


def _recorded(one: Artifact, width: int) -> Iterator[str]:
    """Results, configuration, versions and times, as the manifest has them."""
    manifest = one.manifest
    if manifest is None:
        return
    results = {name: value for name, value in manifest.metrics.items() if name != "file_bytes"}
    for title, content in (("Results", results), ("Configuration", manifest.config),
                           ("Seconds", manifest.timings_s), ("Versions", manifest.versions)):  # fmt: skip
        flat = list(flatten(content))
        if flat:
            yield ""
            yield f"[b]{title}[/]"
            names = max(len(name) for name, _ in flat) + 2
            for name, value in flat:
                shown = cut(value, width - names) if HEXADECIMAL.fullmatch(value) else value
                yield f"[$muted]{safe(f'{name:<{names}}')}[/]{safe(shown)}"


def flatten(content: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Dotted key and short text of each value."""
    for key, value in content.items():
        name = f"{above}{key}"
        if isinstance(value, dict):
            yield from flatten(value, f"{name}.")
        elif isinstance(value, float):
            yield name, f"{value:.4g}"
        elif isinstance(value, list):
            text = ", ".join(map(str, value))
            yield name, text if len(text) <= 160 else f"{text[:159]}…"
        else:
            yield name, str(value)[:160]


def tag_text(tag: Tag, readings: ModelsReadings, server: Server) -> str:
    """One tag in full, with the GGUF that it was imported from as far as records tell."""
    shares = [other.name for other in server.tags if other.digest == tag.digest and other is not tag]
    rows = [("size", size(tag.size_bytes)), ("digest", safe(tag.digest)),
            ("role", ROLE_SIGNS.get(tag.role, tag.role))]  # fmt: skip
    if tag.modified:
        rows.append(("changed", f"{_moment(tag.modified)} [$muted]{ago(time.time() - tag.modified)}[/]"))
    if shares:
        rows.append(("same as", safe(", ".join(shares))))
    rows.append(("from", _source(tag, readings)))
    return "\n".join([f"[b]{safe(tag.name)}[/]", *(_field(name, text) for name, text in rows)])


def _source(tag: Tag, readings: ModelsReadings) -> str:
    from web4mlx.inventory.marks import import_of

    for one in readings.artifacts:
        record = import_of(one) if one.kind == "gguf" else None
        if record is not None and tag.digest in record.outputs.values():
            return f"{safe(one.name)} [$muted]{one.digest[:8]}[/]"
    return "[$muted]no import record of these outputs names it[/]"


def job_text(kind: str, state: str, took: str) -> str:
    """What runs that concerns models."""
    return f"{sign(state)} [b]{safe(kind)}[/] [$muted]{took}[/]"
