"""Keeping a Mac awake while a job runs, and one heavy job at a time."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
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


def gpu_lease(purpose: str) -> AbstractContextManager[None]:
    """Hold the machine-wide lease for heavy work on the accelerator's memory.

    Raises:
        MissingPrerequisite: Another web4mlx job holds it; names that job.
    """
    return _hold(
        cache_folder() / "gpu.lock", purpose, "another job is using this machine's memory",
        "Wait for it or stop it; two at once would not fit.",
    )  # fmt: skip


def lease_holder() -> str:
    """What the job that holds the machine's lease is doing; empty when nobody holds it."""
    return _holder(cache_folder() / "gpu.lock")


def line_lease(outputs: Path) -> AbstractContextManager[None]:
    """Hold an outputs folder for one `web4mlx run`, also between the stages that hold the machine's lease.

    Raises:
        MissingPrerequisite: Another one works there; names its process.
    """
    return _hold(
        outputs / "line.lock", f"web4mlx run (process {os.getpid()})",
        f"the line of {outputs} is being worked on",
        "Wait for it or stop it: two at once would take each other's files for their own.",
    )  # fmt: skip


def line_holder(outputs: Path) -> str:
    """Which `web4mlx run` works in an outputs folder; empty when none does."""
    return _holder(outputs / "line.lock")


@contextmanager
def _hold(path: Path, purpose: str, refusal: str, hint: str) -> Iterator[None]:
    """Hold a lock and say beside it what for."""
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    signature = path.with_suffix(".holder")
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise MissingPrerequisite(f"{refusal}: {_read(signature) or 'unknown'}", hint) from error
    try:
        signature.write_text(purpose, "utf-8")
        yield
    finally:
        signature.unlink(missing_ok=True)
        lock.release()


def _holder(path: Path) -> str:
    """What a lock is held for; empty when nobody holds it.

    The lock is tried only where a holder has signed: asking often, as the dashboard does, must not keep a
    starting job from taking it. The signature of a killed holder is removed.
    """
    from filelock import FileLock, Timeout

    signature = path.with_suffix(".holder")
    if not path.exists() or not signature.exists():
        return ""
    try:
        with FileLock(path, timeout=0):
            signature.unlink(missing_ok=True)
            return ""
    except Timeout:
        return _read(signature) or "unknown"


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8").strip()
    except OSError:
        return ""
