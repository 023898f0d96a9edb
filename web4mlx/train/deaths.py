"""Why a trainer process died, recognised by what it wrote or by its signal, and what can be done about it.

Running out of GPU memory is an abort in C++ that no Python code can catch; only the parent can act on it.
"""

import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from web4mlx.config import load_config, write_config
from web4mlx.errors import StageCrashed


@dataclass(frozen=True)
class Death:
    """A known cause: its signs in the log, what it means, what the user can do, and whether to try again.

    `retry` is `same` (go on from the last checkpoint), `leaner` (with less memory) or empty.
    """

    signs: tuple[str, ...]
    message: str
    hint: str
    retry: Literal["", "same", "leaner"] = ""


OUT_OF_MEMORY = Death(
    ("Insufficient Memory", "ErrorOutOfMemory", "bad_alloc", "Unable to allocate", "[malloc]"),
    "the trainer ran out of memory",
    "Lower data.max_seq_length or training.batch_size, close other programs.",
    "leaner",
)
DEATHS = (
    Death(
        ("ImpactingInteractivity", "Impacting Interactivity"),
        "macOS ended a long GPU kernel because the display was in use",
        "Let the display sleep (web4mlx keeps the Mac awake), or set AGX_RELAX_CDM_CTXSTORE_TIMEOUT=1.",
        "same",
    ),
    OUT_OF_MEMORY,
    Death(("No space left on device",), "the disk is full", "Free some space."),
)


def recognise(returncode: int, text: str) -> Death | None:
    """The cause of a death, from the exit code and what the process wrote; None when unknown."""
    for death in DEATHS:
        if any(sign in text for sign in death.signs):
            return death
    if returncode == -9:
        message = "the trainer was killed, by you or by the system because memory ran out"
        return Death((), message, OUT_OF_MEMORY.hint)
    if returncode == -signal.SIGALRM:
        message = "another rank did not answer for too long; its machine may be asleep, frozen or cut off"
        return Death((), message, "A rank that is only slow: raise WEB4MLX_RANK_WAIT_S (seconds).")
    return None


def explain(returncode: int, text: str, run: Path) -> StageCrashed:
    """The error for a death that is not followed by another try."""
    resume = f"Continue with `web4mlx train --resume {run}`: the last checkpoint is intact."
    death = recognise(returncode, text)
    if death:
        return StageCrashed(f"training stopped: {death.message}", f"{death.hint} {resume}")
    how = f"was killed by signal {-returncode}" if returncode < 0 else f"ended with code {returncode}"
    last = next((line for line in reversed(text.splitlines()) if line.strip()), "it wrote nothing")
    return StageCrashed(f"the trainer {how}: {last}", f"See {run / 'train.log'}. {resume}")


def prepare_retry(death: Death | None, run: Path) -> str:
    """Make the run ready for another try, if one makes sense.

    After running out of memory the run's configuration is changed to recompute all layers, which changes
    memory and speed but not the trained weights' definition; a run that does so already is not tried again.

    Returns:
        What the next try does; empty when there is none.
    """
    if death is None or not death.retry:
        return ""
    if death.retry == "same":
        return "going on from the last checkpoint"
    file = run / "config.toml"
    config = load_config(file)
    if config.training.recompute == "full":
        return ""
    training = config.training.model_copy(update={"recompute": "full"})
    write_config(config.model_copy(update={"training": training}), file)
    return "going on from the last checkpoint with training.recompute = full"
