"""Keeping a Mac awake while a job runs, and one heavy job at a time."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from web4mlx.artifacts import cache_folder
from web4mlx.errors import MissingPrerequisite


def keep_awake(pid: int, platform: str = sys.platform) -> "subprocess.Popen[bytes] | None":
    """On macOS, prevent idle and system sleep until a process ends; elsewhere nothing.

    The display may sleep: keeping it on makes the window server compete for the GPU and kills long kernels.

    Args:
        pid: The process to wait for.
        platform: `sys.platform`, a parameter for tests.
    """
    command = awake_command(pid, platform)
    return subprocess.Popen(command) if command else None


def awake_command(pid: int, platform: str) -> list[str]:
    """The command that keeps the machine awake, empty where none is needed."""
    return ["/usr/bin/caffeinate", "-i", "-s", "-w", str(pid)] if platform == "darwin" else []


@contextmanager
def gpu_lease(purpose: str) -> Iterator[None]:
    """Hold the machine-wide lease for heavy work on the accelerator's memory.

    Raises:
        MissingPrerequisite: Another web4mlx job holds it; names that job.
    """
    from filelock import FileLock, Timeout

    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    holder = folder / "gpu.holder"
    lock = FileLock(folder / "gpu.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise MissingPrerequisite(
            f"another job is using this machine's memory: {_read(holder) or 'unknown'}",
            "Wait for it or stop it; two at once would not fit.",
        ) from error
    try:
        holder.write_text(purpose, "utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def lease_holder() -> str:
    """What the job that holds the lease is doing; empty when nobody holds it.

    The lock is tried only where a holder has signed: asking often, as the dashboard does, must not keep a
    starting job from taking it. The signature of a killed holder is removed.
    """
    from filelock import FileLock, Timeout

    lock = cache_folder() / "gpu.lock"
    holder = lock.with_name("gpu.holder")
    if not lock.exists() or not holder.exists():
        return ""
    try:
        with FileLock(lock, timeout=0):
            holder.unlink(missing_ok=True)
            return ""
    except Timeout:
        return _read(holder) or "unknown"


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8").strip()
    except OSError:
        return ""
