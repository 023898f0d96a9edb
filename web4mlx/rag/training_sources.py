"""From a finished training run to the places in the store that its samples were made from.

The run's manifest names its data files and their digests; a sample names its PDCA (`pdca_id`) or its file
(`source`, `file_path`) in its metadata. A PDCA may be named by path, by file name, or without its suffix.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from web4mlx.artifacts import Manifest, read_manifest, sha256_file
from web4mlx.errors import CheckFailed, MissingPrerequisite

KEYS = ("pdca_id", "source", "file_path", "sample_id")


@dataclass(frozen=True, slots=True)
class TrainedSources:
    """What a run was trained on: its name and day, the samples' references, and where those stand."""

    batch: str
    date: str
    references: int
    paths: tuple[str, ...]


def find_trained_sources(run: Path, connection: sqlite3.Connection) -> TrainedSources:
    """Where the sources of a run's samples stand in a store.

    Raises:
        MissingPrerequisite: The run has no manifest of a training, or a data file is gone.
        CheckFailed: A data file is no longer what the run was trained on.
    """
    manifest = read_manifest(run)
    if manifest is None or manifest.stage != "train":
        raise MissingPrerequisite(
            f"{run}: no manifest of a finished training", "Name a run folder that `web4mlx train` finished."
        )
    references = set(read_references(manifest))
    places = known_places(connection)
    paths = {path for reference in references for path in places.get(reference.casefold(), ())}
    return TrainedSources(run.name, manifest.created[:10], len(references), tuple(sorted(paths)))


def read_references(manifest: Manifest) -> Iterator[str]:
    """What the samples of a run's training files name as their sources.

    Raises:
        MissingPrerequisite: A file is gone.
        CheckFailed: A file has changed.
    """
    for name, entry in manifest.inputs.items():
        path = Path(entry.path)
        if not name.startswith("data:") or path.suffix != ".jsonl":
            continue
        if sha256_file(path) != entry.sha256:
            raise CheckFailed(
                f"{path}: changed since the training", "Restore the file; marking by another would be wrong."
            )
        with path.open("rb") as file:
            for raw in file:
                yield from references_of(raw)


def references_of(raw: bytes) -> Iterator[str]:
    """The sources that one sample names; none for held-out samples and for lines that are no samples."""
    try:
        metadata = json.loads(raw)["metadata"]
    except (ValueError, KeyError, TypeError):
        return
    if isinstance(metadata, dict) and not metadata.get("never_train"):
        yield from (value for key in KEYS if isinstance(value := metadata.get(key), str) and value)


def known_places(connection: sqlite3.Connection) -> dict[str, set[str]]:
    """The paths of a store's chunks by what a sample may call them; a name of several documents is none."""
    exact: dict[str, set[str]] = defaultdict(set)
    by_name: dict[str, set[str]] = defaultdict(set)
    for (path,) in connection.execute("SELECT DISTINCT path FROM chunks"):
        exact[path.casefold()].add(path)
        name = path.rpartition("/")[2].casefold()
        for short in {name, name.removesuffix(".md"), name.removesuffix(".pdca.md"), name.rpartition("#")[2]}:
            by_name[short].add(path)
    unique = {name: paths for name, paths in by_name.items() if len(paths) == 1}
    return unique | exact
