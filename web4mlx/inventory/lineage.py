"""What an artifact was made from, step by step back to the samples, and whether that is still there.

Manifests tell it. A removed artifact leaves its manifest in `<outputs>/lineage/`, so that what was made of
it still knows where it came from.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from web4mlx.artifacts import (
    Input,
    Manifest,
    atomic_write,
    describe_input,
    read_manifest,
    read_record,
    sha256_file,
)
from web4mlx.errors import Web4Error
from web4mlx.inventory.artifacts import Artifact, describe_artifact, kind_of

LINEAGE = "lineage"
DEEPEST = 6
HASHED_BYTES = 128 << 20  # larger inputs are compared by what manifests recorded, not by reading them
State = Literal["same", "changed", "gone", "unknown"]


class Origin(BaseModel):
    """One input, where it was, and how it stands now; `origins` are its own inputs.

    `unknown` means that it is there and too large to be hashed for looking at it.
    """

    model_config = ConfigDict(frozen=True)
    role: str
    path: str
    sha256: str
    state: State
    origins: tuple["Origin", ...] = ()


def origins_of(manifest: Manifest | None, outputs: Path, depth: int = 0) -> tuple[Origin, ...]:
    """The inputs of an artifact with theirs, in the manifest's order."""
    if manifest is None or depth > DEEPEST:
        return ()
    return tuple(
        Origin(
            role=role, path=entry.path, sha256=entry.sha256, state=state_of(entry, outputs),
            origins=origins_of(manifest_of(entry, outputs), outputs, depth + 1),
        )
        for role, entry in manifest.inputs.items()
    )  # fmt: skip


def place_of(entry: Input, outputs: Path) -> Path:
    """Where an input is: as recorded, or of that name in an outputs folder that was moved since."""
    path = Path(entry.path)
    moved = outputs / path.name
    return moved if not path.exists() and moved.exists() else path


def state_of(entry: Input, outputs: Path) -> State:
    """Whether an input is there and is what it was; reads small files, of large ones only their manifests."""
    path = place_of(entry, outputs)
    try:
        kind = kind_of(path)
        if kind is not None and (digest := describe_artifact(path, kind).digest):
            return "same" if digest == entry.sha256 else "changed"
        if path.is_file() and path.stat().st_size <= HASHED_BYTES:
            return "same" if sha256_file(path) == entry.sha256 else "changed"
        if path.is_dir() and _files_bytes(path) <= HASHED_BYTES:
            return "same" if describe_input(path).sha256 == entry.sha256 else "changed"
        return "unknown" if path.exists() else "gone"
    except FileNotFoundError:
        return "gone"
    except (OSError, Web4Error):
        return "unknown"


def _files_bytes(folder: Path) -> int:
    with os.scandir(folder) as entries:
        return sum(entry.stat().st_size for entry in entries if entry.is_file())


def manifest_of(entry: Input, outputs: Path) -> Manifest | None:
    """The manifest of an input, or the one it left when it was removed."""
    path = place_of(entry, outputs)
    return read_manifest(path) or read_record(left_manifest(outputs, path))


def left_manifest(outputs: Path, artifact: Path) -> Path:
    """Where the manifest of a removed artifact is kept."""
    return outputs / LINEAGE / f"{artifact.name}.json"


def keep_manifest(outputs: Path, artifact: Path, manifest: Manifest) -> None:
    """Keep the manifest of an artifact that is about to be removed."""
    atomic_write(left_manifest(outputs, artifact), manifest.model_dump_json(indent=2) + "\n")


def made_from(artifact: Artifact, artifacts: list[Artifact], outputs: Path) -> Iterator[Artifact]:
    """The artifacts that have this one among their own inputs."""
    place = artifact.path.resolve()
    for other in artifacts:
        inputs = other.manifest.inputs.values() if other.manifest else ()
        if other is not artifact and any(place_of(entry, outputs).resolve() == place for entry in inputs):
            yield other
