"""What is to be said of an artifact beside what it is: configured, verified, cleared, in production.

Marks rest on records in the outputs folder. Whether Ollama still serves what a record says is known only to
the server; until it is asked, the record counts, so that nothing in production is taken for superfluous.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from web4mlx.artifacts import Manifest, read_record
from web4mlx.config import RunConfig
from web4mlx.deploy.importing import record_path
from web4mlx.errors import Web4Error
from web4mlx.inventory.artifacts import Artifact
from web4mlx.inventory.lineage import manifest_of, place_of
from web4mlx.reports import FINAL_REPORT, FinalReport, read_report

PRODUCTION, SOURCE = "production", "source of production"


class Marks:
    """The marks of a list of artifacts.

    Args:
        config: Says which base is configured.
        artifacts: All of them: a mark of one may follow from another.
    """

    def __init__(self, config: RunConfig, artifacts: Sequence[Artifact]) -> None:
        self.base = base_folder(config)
        self.outputs = config.outputs
        self.report = _final_report(config.outputs)
        self.sources: set[Path] = set()
        for artifact in artifacts:
            if artifact.kind == "gguf" and import_of(artifact) is not None:
                self.sources |= adapters_of(artifact, config.outputs)

    def of(self, artifact: Artifact) -> tuple[str, ...]:
        """The marks of one artifact, the weightiest first."""
        found = []
        if not artifact.is_finished:
            found.append("unfinished" if artifact.is_ours else "not made here")
        if artifact.kind == "gguf":
            found += self._of_gguf(artifact)
        elif artifact.path.resolve() in self.sources:
            found.append(SOURCE)
        if artifact.kind == "base" and self.base and artifact.path.resolve() == self.base:
            found.append("configured")
        if artifact.kind == "adapter" and (self.outputs / f"verified_{artifact.name}.json").is_file():
            found.append("verified")
        return tuple(found)

    def _of_gguf(self, artifact: Artifact) -> list[str]:
        found = [PRODUCTION] if import_of(artifact) is not None else []
        if self.report is not None and self.report.subject.model_sha256 == artifact.digest:
            found.append("cleared" if self.report.cleared else "blocked")
        return found


def import_of(gguf: Artifact) -> Manifest | None:
    """The record that says that exactly this file was imported; None when there is none."""
    record = read_record(record_path(gguf.path))
    entry = record.inputs.get("gguf") if record is not None and record.stage == "import" else None
    return record if entry is not None and gguf.digest and entry.sha256 == gguf.digest else None


def is_served(record: Manifest, digests: Mapping[str, str]) -> bool:
    """Whether a server still serves, under the name of the import, what was imported.

    Args:
        record: The import's record.
        digests: Digest by full name, as the server lists them.
    """
    return any(digests.get(name) == digest for name, digest in record.outputs.items())


def adapters_of(gguf: Artifact, outputs: Path) -> set[Path]:
    """The resolved folders of the adapters that a GGUF was made from, as far as manifests tell."""
    found = set()
    for entry in (gguf.manifest.inputs if gguf.manifest else {}).values():
        manifest = manifest_of(entry, outputs)
        adapter = manifest.inputs.get("adapter") if manifest and manifest.stage == "fuse" else None
        if adapter is not None:
            found.add(place_of(adapter, outputs).resolve())
    return found


def base_folder(config: RunConfig) -> Path | None:
    """The resolved folder of the configured base; None when the name is not known."""
    from web4mlx.models.base import locate_base

    try:
        return locate_base(config.model)[1].resolve()
    except Web4Error:
        return None


def _final_report(outputs: Path) -> FinalReport | None:
    try:
        return read_report(outputs / FINAL_REPORT, FinalReport)
    except (Web4Error, OSError):
        return None
