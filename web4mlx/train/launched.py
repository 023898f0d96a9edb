"""What `mlx.launch` tells a process: its number among how many. Loads nothing heavy.

The processes are called ranks. Rank 0 owns the run folder; the others compute their share of each step and
keep what they need in a temporary folder of their own.
"""

import json
import os
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from web4mlx.config import RunConfig, find_config, write_config
from web4mlx.errors import UsageError, Web4Error, error_for
from web4mlx.events import Event, Warned

HOST_FILES = {"MLX_HOSTFILE": "ring", "MLX_IBV_DEVICES": "jaccl"}  # a list with one entry per rank
OF_THE_MACHINE = ("memory", "swap", "cpu")


@dataclass(frozen=True)
class Place:
    """Number of this process, from 0, how many there are, and the backend that connects them."""

    rank: int = 0
    size: int = 1
    backend: str = ""


def launched_place(environment: Mapping[str, str] = os.environ) -> Place:
    """The place `mlx.launch` gave to this process; without it, the only one of one.

    Raises:
        UsageError: The variables or files of `mlx.launch` make no sense.
    """
    if "MLX_RANK" not in environment:
        return Place()
    try:
        name = next(name for name in HOST_FILES if name in environment)
        text = Path(environment[name]).read_text("utf-8").strip()
        size = len(json.loads(text)) if text else 1  # `mlx.launch -n 1` writes an empty file
        place = Place(int(environment["MLX_RANK"]), size, HOST_FILES[name])
    except (OSError, ValueError, StopIteration) as error:
        raise UsageError(
            f"MLX_RANK is set, but no list of all ranks is in {' or '.join(HOST_FILES)}: {error}",
            "Start with `mlx.launch --backend ring` or jaccl, or unset MLX_RANK.",
        ) from error
    if not 0 <= place.rank < place.size:
        raise UsageError(f"MLX_RANK is {place.rank}, but there are {place.size} ranks")
    return place


def refuse_ranks(command: str) -> None:
    """Refuse to run a command once per rank.

    Raises:
        UsageError: There are several ranks.
    """
    if launched_place().size > 1:
        raise UsageError(
            f"`web4mlx {command}` runs in one process only",
            "Under `mlx.launch` start `web4mlx train`; it is the one command that several machines share.",
        )


def configuration_file(config: str, resume: str) -> Path:
    """The configuration of this process: that of the run to resume where it is at hand, else `config`.

    Another machine does not see rank 0's run folders.
    """
    run_config = Path(resume) / "config.toml"
    is_named = resume not in ("", "auto")
    if is_named and (run_config.is_file() or not launched_place().rank):
        return run_config
    return find_config(config)


def follow_rank_0(config: RunConfig) -> None:
    """Compute this rank's share until the run ends, showing warnings about this machine only.

    Raises:
        Web4Error: Training failed here.
        KeyboardInterrupt: It was stopped on request.
    """
    from web4mlx.train.supervise import supervise

    who = f"rank {launched_place().rank} on {socket.gethostname()}"

    def show(event: Event) -> None:
        if isinstance(event, Warned) and event.code in OF_THE_MACHINE:
            print(f"{who}: {event.message}", flush=True)

    with tempfile.TemporaryDirectory(prefix="web4mlx_rank_") as folder:
        write_config(config, Path(folder) / "config.toml")
        try:
            supervise(Path(folder), show)
        except Web4Error as error:
            hint = "" if folder in error.hint else error.hint  # the folder is gone when this is read
            raise error_for(error.exit_code, f"{who}: {error.message}", hint) from error
