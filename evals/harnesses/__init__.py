"""The six harnesses and the canaries, one file each; `base.py` says what a harness is."""

from importlib import import_module

from evals.harnesses.base import Harness
from web4mlx.errors import UsageError

CANARY = "canary"
GATED = ("pdca_schema", "pdca_template", "tron_format", "empty_constructor", "tool_success", "refusal")
NAMES = (*GATED, CANARY)


def load_harness(name: str) -> Harness:
    """One harness by its name.

    Raises:
        UsageError: There is none of this name.
    """
    if name not in NAMES:
        raise UsageError(f"{name!r}: no such harness", f"There are: {', '.join(NAMES)}.")
    harness: Harness = import_module(f"evals.harnesses.{name}").HARNESS
    return harness
