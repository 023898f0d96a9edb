"""The commands that the dashboard starts: the same ones as on the command line.

`heavy` jobs want most of the machine's memory or all of its cores, and take turns. `grace_s` is how long a
command gets after SIGINT, and again after SIGTERM: training finishes its step and writes a checkpoint.
"""

import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One command: `words` as one would type them, e.g. `("web4mlx", "rag", "check")`."""

    words: tuple[str, ...]
    heavy: bool = False
    grace_s: float = 10.0

    @property
    def name(self) -> str:
        """Its name in lists and folders: `train`, `rag check`, `evals run`."""
        return " ".join(self.words if self.words[0] == "evals" else self.words[1:])

    @property
    def command(self) -> tuple[str, ...]:
        """The command for the system: this interpreter, so that no search path decides."""
        return (sys.executable, "-m", *self.words)


KINDS = {
    kind.name: kind
    for kind in (
        Kind(("web4mlx", "run"), heavy=True, grace_s=180),
        Kind(("web4mlx", "download")),
        Kind(("web4mlx", "doctor")),
        Kind(("web4mlx", "plan")),
        Kind(("web4mlx", "data", "check")),
        Kind(("web4mlx", "data", "sample")),
        Kind(("web4mlx", "train"), heavy=True, grace_s=180),
        Kind(("web4mlx", "verify")),
        Kind(("web4mlx", "fuse"), heavy=True),
        Kind(("web4mlx", "export"), heavy=True, grace_s=30),
        Kind(("web4mlx", "import")),
        Kind(("web4mlx", "models", "verify")),
        Kind(("web4mlx", "models", "remove"), grace_s=30),
        Kind(("web4mlx", "smoke"), heavy=True, grace_s=30),
        Kind(("web4mlx", "serve")),
        Kind(("web4mlx", "rag", "build"), heavy=True, grace_s=30),
        Kind(("web4mlx", "rag", "check"), heavy=True),
        Kind(("web4mlx", "rag", "mark")),
        Kind(("web4mlx", "rag", "sample")),
        Kind(("evals", "run"), heavy=True, grace_s=30),
        Kind(("evals", "canary"), heavy=True, grace_s=30),
        Kind(("evals", "score")),
        Kind(("evals", "compare")),
        Kind(("evals", "report")),
    )
}
