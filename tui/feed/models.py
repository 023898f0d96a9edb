"""What the models screen shows: the artifacts on the disk with their origins, and what Ollama has.

Disk and server are read by two threads: a server that does not answer must not hide the disk.
"""

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tui.feed.run import find_trainer
from web4mlx.artifacts import read_record
from web4mlx.config import RunConfig
from web4mlx.deploy.importing import record_path
from web4mlx.inventory.artifacts import Artifact, list_artifacts, size_of
from web4mlx.inventory.lineage import Origin, made_from, origins_of
from web4mlx.inventory.marks import import_of
from web4mlx.machine.disk import free_bytes

ORIGINS_FOR_S = 5.0


@dataclass(frozen=True)
class Looked:
    """One artifact in full: what it was made from, what was made from it, and the record of its import."""

    artifact: Artifact
    origins: tuple[Origin, ...]
    children: tuple[str, ...]
    imported: dict[str, str]


@dataclass(frozen=True)
class ModelsReadings:
    """`wanted` is the path that `looked` is about; `other_bytes` is what else stands in the outputs folder.

    `trained` are run folders with a living trainer.
    """

    artifacts: tuple[Artifact, ...]
    wanted: Path | None
    looked: Looked | None
    other_bytes: int
    free_bytes: int
    trained: frozenset[Path] = frozenset()


class ModelsFeed:
    """Reads the models of a configuration.

    Args:
        settings: The configuration.
        outputs: Its outputs folder, absolute; a recording has another one.
    """

    def __init__(self, settings: RunConfig, outputs: Path) -> None:
        self.settings = settings.model_copy(update={"outputs": outputs})
        self.outputs = outputs
        self._looked: tuple[tuple[Path | None, tuple[Artifact, ...]], float, Looked | None] | None = None

    def read(self, wanted: Path | None) -> ModelsReadings:
        """All artifacts, and one of them in full.

        Args:
            wanted: Its path; None takes the first.
        """
        artifacts = tuple(list_artifacts(self.settings))
        inside = sum(one.size_bytes for one in artifacts if one.path.parent.absolute() == self.outputs)
        whole = 0
        with suppress(OSError):
            whole = size_of(self.outputs)
        unfinished = [one.path for one in artifacts if one.kind == "adapter" and not one.is_finished]
        return ModelsReadings(
            trained=frozenset(path for path in unfinished if find_trainer(path)),
            artifacts=artifacts, wanted=wanted, looked=self._look(wanted, artifacts),
            other_bytes=max(0, whole - inside), free_bytes=free_bytes(self.outputs),
        )  # fmt: skip

    def _look(self, wanted: Path | None, artifacts: tuple[Artifact, ...]) -> Looked | None:
        key, now = (wanted, artifacts), time.monotonic()
        if self._looked is None or self._looked[0] != key or now - self._looked[1] > ORIGINS_FOR_S:
            self._looked = (key, now, self._look_anew(wanted, artifacts))
        return self._looked[2]

    def _look_anew(self, wanted: Path | None, artifacts: tuple[Artifact, ...]) -> Looked | None:
        found = [one for one in artifacts if wanted in (None, one.path)]
        if not found:
            return None
        artifact = found[0]
        children = tuple(one.name for one in made_from(artifact, list(artifacts), self.outputs))
        return Looked(artifact, origins_of(artifact.manifest, self.outputs), children, _import(artifact))


def _import(artifact: Artifact) -> dict[str, str]:
    """What the import of a GGUF recorded, for people: name, server, when, and whether it is this file's."""
    record = read_record(record_path(artifact.path)) if artifact.kind == "gguf" else None
    if record is None:
        return {}
    facts = {"as": ", ".join(record.outputs), "to": str(record.config.get("server", ""))}
    speed = record.metrics.get("speed")
    rate = speed.get("tokens_per_second") if isinstance(speed, dict) else None
    if isinstance(rate, float):
        facts["speed"] = f"{rate:.0f} tok/s"
    return {**facts, "when": record.created, **({} if import_of(artifact) else {"but": "of an earlier file"})}
