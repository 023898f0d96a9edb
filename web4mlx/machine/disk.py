"""Room on the disk: how much is free, and refusing to start what would fill it."""

import shutil
from pathlib import Path

from web4mlx.errors import MissingPrerequisite


def free_bytes(path: Path) -> int:
    """Free bytes of the disk that holds `path` or its nearest existing parent."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def require_free_disk(path: Path, needed_bytes: int, purpose: str) -> None:
    """Refuse to start work that would fill the disk.

    Raises:
        MissingPrerequisite: Less than `needed_bytes` are free where `path` is.
    """
    free = free_bytes(path.absolute())
    if free < needed_bytes:
        raise MissingPrerequisite(
            f"{purpose} needs {needed_bytes / 1e9:.2f} GB of disk at {path}, {free / 1e9:.2f} GB are free",
            "Free some space or choose another folder.",
        )
