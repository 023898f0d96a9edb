"""From a finished training run to the places in the store that its samples were made from.

The run's manifest names its data files and their digests; a sample names its PDCA (`pdca_id`) or its file
(`source`, `file_path`) in its metadata. A PDCA may be named by path, by file name, or without its suffix.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path

from web4mlx.artifacts import Manifest, read_manifest, sha256_file
from web4mlx.config import load_config
from web4mlx.data.selection import read_selection
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
    references = set(read_references(manifest, held_out_name(run)))
    places = known_places(connection)
    paths = {path for reference in references for path in places.get(reference.casefold(), ())}
    return TrainedSources(run.name, manifest.created[:10], len(references), tuple(sorted(paths)))


def held_out_name(run: Path) -> str:
    """The name of the file that a run was evaluated on while it was trained; empty when it is not known."""
    file = run / "config.toml"
    return load_config(file).data.eval.name if file.is_file() else ""


def read_references(manifest: Manifest, held_out: str = "") -> Iterator[str]:
    """What the samples that a run was trained on name as their sources.

    Args:
        manifest: The run's.
        held_out: The name of the file among its data that was not trained on.

    Raises:
        MissingPrerequisite: A file is gone.
        CheckFailed: A file has changed.
    """
    entry = manifest.inputs.get("selection")
    chosen = set(read_selection(unchanged(Path(entry.path), entry.sha256))) if entry else None
    for name, entry in manifest.inputs.items():
        path = Path(entry.path)
        if not name.startswith("data:") or path.suffix != ".jsonl" or path.name == held_out:
            continue
        with unchanged(path, entry.sha256).open("rb") as file:
            for raw in file:
                yield from references_of(raw, chosen)


def unchanged(path: Path, sha256: str) -> Path:
    """The file, which is still the one with this digest.

    Raises:
        MissingPrerequisite: It is gone.
        CheckFailed: It has changed.
    """
    if sha256_file(path) != sha256:
        raise CheckFailed(
            f"{path}: changed since the training", "Restore the file; marking by another would be wrong."
        )
    return path


def references_of(raw: bytes, chosen: Container[str] | None = None) -> Iterator[str]:
    """The sources that one sample names; none for samples that were not trained on and for other lines."""
    try:
        metadata = json.loads(raw)["metadata"]
    except (ValueError, KeyError, TypeError):
        return
    if not isinstance(metadata, dict):
        return
    is_chosen = chosen is None or metadata.get("sample_id") in chosen
    if is_chosen and not metadata.get("never_train"):
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
