"""Who uses a file or folder now: processes that were started on it, have it open or mapped; and the lease.

Only processes that this user may look into are seen. A process that was given no path and has closed its
files is seen by the machine's lease alone, whose text names what it works on.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from web4mlx.config import RunConfig, find_config, load_config
from web4mlx.errors import Web4Error
from web4mlx.inventory.marks import base_folder
from web4mlx.machine.awake import lease_holder

if TYPE_CHECKING:
    from web4mlx.inventory.artifacts import Artifact

TRAINER = "web4mlx.train.worker"


def who_uses(artifact: "Artifact", config: RunConfig) -> list[str]:
    """Who uses an artifact, in words for people; empty when nobody does."""
    place = artifact.path.resolve()
    users = []
    holder = lease_holder()
    if holder and artifact.name in holder:
        users.append(holder)
    for process in other_processes():
        with suppress(Exception):  # processes end while they are looked at; each kind of failure means that
            reason = _why(process, place, artifact, config)
            if reason:
                users.append(f"{reason} (process {process.pid})")
    return users


def other_processes() -> Iterator[Any]:
    """All processes but this one and those it descends from: they were started on the path to remove it."""
    import psutil

    me = psutil.Process()
    family = {me.pid, *(parent.pid for parent in me.parents())}
    for process in psutil.process_iter():
        if process.pid not in family:
            yield process


def _why(process: Any, place: Path, artifact: "Artifact", config: RunConfig) -> str:
    command = process.cmdline()
    if not command:
        return ""
    if is_pipeline(command) and works_in(command, process.cwd(), config):
        return "the pipeline"
    if artifact.kind == "base" and TRAINER in command and trains_on(command, place, process.cwd()):
        return "a training on it"
    if names_place(command, place, process.cwd()) or holds(process, place):
        return " ".join([Path(command[0]).name, *command[1:]])[:60]
    return ""


def is_pipeline(command: Sequence[str]) -> bool:
    """Whether a command line is `web4mlx run`, which goes from stage to stage and needs what it finds."""
    words = [Path(word).name for word in command]
    return any(pair == ("web4mlx", "run") for pair in zip(words, words[1:], strict=False))


def works_in(command: Sequence[str], cwd: str, config: RunConfig) -> bool:
    """Whether a pipeline's configuration has the same outputs or models folder; True when nobody knows."""
    after = [word for word in command[command_end(command) :] if not word.startswith("-")]
    name = after[0] if after else "demo"
    try:
        given = Path(cwd, name)
        other = load_config(given if given.is_file() else find_config(name))
    except Web4Error:
        return True
    folders = {Path(cwd, folder).resolve() for folder in (other.outputs, other.model.folder)}
    return bool(folders & {config.outputs.resolve(), config.model.folder.resolve()})


def command_end(command: Sequence[str]) -> int:
    """Where the arguments of `web4mlx run` begin."""
    names = [Path(word).name for word in command]
    return next(at for at in range(1, len(names)) if names[at - 1 : at + 1] == ["web4mlx", "run"]) + 1


def trains_on(command: Sequence[str], base: Path, cwd: str) -> bool:
    """Whether a trainer's command works on a run that was configured with a base."""
    run = Path(cwd, command[-1])
    try:
        config = load_config(run / "config.toml")
    except Web4Error:
        return True  # nobody knows what it trains on
    model = config.model
    if not model.folder.is_absolute():
        model = model.model_copy(update={"folder": Path(cwd) / model.folder})
    return base_folder(config.model_copy(update={"model": model})) in (base, None)


def names_place(command: Sequence[str], place: Path, cwd: str) -> bool:
    """Whether an argument names a path or something in it."""
    for word in command[1:]:
        value = word.partition("=")[2] if word.startswith("--") and "=" in word else word
        if value and not value.startswith("-") and len(value) < 4096 and "\n" not in value:
            given = Path(os.path.realpath(os.path.join(cwd, value)))
            if given == place or given.is_relative_to(place):
                return True
    return False


def holds(process: Any, place: Path) -> bool:
    """Whether a process has a path, or something in it, open or mapped."""
    held = [*(file.path for file in process.open_files()), *mapped_files(process.pid)]
    return any(Path(path) == place or Path(path).is_relative_to(place) for path in held)


def mapped_files(pid: int) -> set[str]:
    """The files that a process has mapped, where the system lists them without counting their pages."""
    with suppress(OSError):
        lines = Path(f"/proc/{pid}/maps").read_text("utf-8", "replace").splitlines()
        return {line[line.index("/") :] for line in lines if "/" in line}
    return set()
