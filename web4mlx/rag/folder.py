"""The folder of a store: complete generations, and the name of the one that counts.

A writer makes a whole new generation under a temporary name, verifies it, renames it and then writes its name
to `CURRENT`; killed at any point, it leaves the old one serving. Readers see one generation to its end; the
previous one is kept until the next write, for readers that still have it open. A folder without `CURRENT`
that holds the two databases itself is a store that others made.
"""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from web4mlx.artifacts import atomic_write, explain_os_errors, is_running, sync_file
from web4mlx.errors import MissingPrerequisite
from web4mlx.events import EventLog
from web4mlx.rag.schema import DATABASE

if TYPE_CHECKING:
    from filelock import BaseFileLock

CURRENT = "CURRENT"
CHROMA = "chroma_db"
LOCK = ".lock"
PREFIX = "generation-"
TEMPORARY = ".writing-"


def current_generation(db: Path) -> Path | None:
    """The folder with the two databases; None when there is no store."""
    try:
        name = (db / CURRENT).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        name = ""
    if name.startswith(PREFIX) and (db / name).is_dir():
        return db / name
    return db if (db / DATABASE).exists() or (db / CHROMA).exists() else None


def require_generation(db: Path) -> Path:
    """The folder with the two databases.

    Raises:
        MissingPrerequisite: There is no store.
    """
    found = current_generation(db)
    if found is None:
        raise MissingPrerequisite(
            f"{db}: no RAG store", "Make one with `web4mlx rag build SOURCE`, or name another with --db."
        )
    return found


@contextmanager
def only_writer(db: Path, log: EventLog, wait_s: float) -> Iterator[None]:
    """Hold the store's lock: one writer at a time, the next one waits and says so.

    Raises:
        MissingPrerequisite: Another writer was not done in time.
    """
    from filelock import FileLock, Timeout

    with explain_os_errors(db / LOCK):
        db.mkdir(parents=True, exist_ok=True)
        lock = FileLock(db / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log.warn("store-locked", f"another process is writing {db}; waiting up to {wait_s:.0f} s for it")
            acquire_in_time(lock, db, wait_s)
    try:
        yield
    finally:
        lock.release()


def acquire_in_time(lock: "BaseFileLock", db: Path, wait_s: float) -> None:
    """Wait for the lock.

    Raises:
        MissingPrerequisite: It was not free in time.
    """
    from filelock import Timeout

    try:
        lock.acquire(timeout=wait_s)
    except Timeout as error:
        raise MissingPrerequisite(
            f"{db}: another process is still writing this store", "Wait for it, or give a longer --wait."
        ) from error


@contextmanager
def new_generation(db: Path, *, start_from_current: bool) -> Iterator[Path]:
    """A temporary folder that becomes the current generation when the block ends well, else vanishes.

    The caller holds the store's lock.

    Args:
        db: The store's folder.
        start_from_current: Whether the folder begins as a copy of the present generation's ChromaDB.
    """
    clear_leftovers(db)
    old = current_generation(db)
    temporary = db / f"{TEMPORARY}{os.getpid()}"
    with explain_os_errors(temporary):
        temporary.mkdir()
        try:
            if start_from_current and old is not None and (old / CHROMA).is_dir():
                shutil.copytree(old / CHROMA, temporary / CHROMA)
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    sync_file(file)
            final = (
                db / f"{PREFIX}{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}-{time.monotonic_ns() % 10**6}"
            )
            temporary.rename(final)
            atomic_write(db / CURRENT, final.name + "\n")
            remove_older(db, keep=(final, old))
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def remove_older(db: Path, keep: tuple[Path | None, ...]) -> None:
    """Remove the generations that are not to be kept."""
    for folder in db.glob(f"{PREFIX}*"):
        if folder not in keep:
            shutil.rmtree(folder, ignore_errors=True)


def clear_leftovers(db: Path) -> None:
    """Remove what killed writers left."""
    for folder in db.glob(f"{TEMPORARY}*"):
        pid = folder.name.removeprefix(TEMPORARY)
        if not (pid.isdecimal() and is_running(int(pid))):
            shutil.rmtree(folder, ignore_errors=True)
