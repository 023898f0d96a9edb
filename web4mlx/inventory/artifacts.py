"""The list of models on the disk: what each is, how large, of which digest, and in which state.

It reads folders and manifests and hashes nothing large: digests are those that manifests recorded. What
stands in an Ollama server is in `tags`, what made an artifact from what in `lineage`.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from web4mlx.artifacts import Manifest, folder_digest, manifest_path, read_manifest
from web4mlx.config import RunConfig
from web4mlx.errors import Web4Error

Kind = Literal["base", "adapter", "merged", "gguf"]
KINDS: tuple[Kind, ...] = ("base", "adapter", "merged", "gguf")
STAGES: dict[str, Kind] = {
    "download": "base", "train": "adapter", "fuse": "merged", "export": "gguf", "f16": "gguf",
    "base_gguf": "gguf",
}  # fmt: skip
RUN_FILES = ("config.toml", "events.jsonl")


class Artifact(BaseModel):
    """One model on the disk.

    `digest` is the SHA-256 that other manifests know it by; empty when no manifest recorded one. `created`
    is seconds since the epoch. `is_ours` says that this program made it; `is_finished`, that it is whole.
    """

    model_config = ConfigDict(frozen=True)
    kind: Kind
    path: Path
    size_bytes: int
    is_ours: bool
    is_finished: bool
    digest: str = ""
    created: float | None = None
    detail: str = ""
    marks: tuple[str, ...] = ()
    manifest: Manifest | None = None

    @property
    def name(self) -> str:
        """The name of its file or folder."""
        return self.path.name


def list_artifacts(config: RunConfig) -> list[Artifact]:
    """All models of a configuration's folders: bases first, then what was made of them, newest first."""
    from web4mlx.inventory.marks import Marks

    found = [*_in_folder(config.model.folder, ("base",)), *_in_folder(config.outputs, KINDS[1:])]
    base = _plain_base(config)
    if base is not None and base.resolve() not in {artifact.path.resolve() for artifact in found}:
        found.insert(0, describe_artifact(base, "base"))
    marks = Marks(config, found)
    known = _recorded_by_others(found, config.outputs)
    whole = [
        artifact.model_copy(
            update={
                "marks": marks.of(artifact),
                "digest": artifact.digest or known.get(str(artifact.path.resolve()), ""),
            }
        )
        for artifact in found
    ]
    return sorted(whole, key=lambda one: (KINDS.index(one.kind), -(one.created or 0), one.name))


def _in_folder(folder: Path, kinds: tuple[Kind, ...]) -> Iterator[Artifact]:
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return
    for entry in entries:
        kind = kind_of(entry)
        if kind in kinds:
            with suppress(FileNotFoundError):  # removed since it was listed
                yield describe_artifact(entry, kind)


def kind_of(path: Path) -> Kind | None:
    """What stands at a path, by its manifest, else by what an unfinished one looks like; None: no model."""
    if path.name.startswith("."):
        return None
    if path.suffix == ".gguf":
        return "gguf" if path.is_file() else None
    if not path.is_dir():
        return None
    manifest = read_manifest(path)
    if manifest is not None:
        return STAGES.get(manifest.stage)
    if "_lora_" in path.name and (path / "config.toml").is_file():
        return "adapter"
    if (path / "config.json").is_file() and any(path.glob("*.safetensors")):
        return "merged" if path.name.startswith("web4_merged_") else "base"
    return None


def describe_artifact(path: Path, kind: Kind) -> Artifact:
    """One model, without marks.

    Raises:
        FileNotFoundError: It is gone.
    """
    manifest = read_manifest(path)
    if manifest is not None and STAGES.get(manifest.stage) != kind:
        manifest = None
    is_run = kind == "adapter" and all((path / name).is_file() for name in RUN_FILES)
    return Artifact(
        kind=kind, path=path, size_bytes=size_of(path), manifest=manifest,
        is_ours=manifest is not None or is_run, is_finished=manifest is not None,
        digest=_digest(path, kind, manifest), created=_created(path, manifest),
        detail=detail_of(kind, manifest),
    )  # fmt: skip


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; links inside are not followed.

    Raises:
        FileNotFoundError: It is gone.
    """
    if not path.is_dir():
        return path.stat().st_size
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_size
    return total


def _digest(path: Path, kind: Kind, manifest: Manifest | None) -> str:
    if manifest is None:
        return ""
    if kind == "gguf":
        return manifest.outputs.get(path.name, "")
    if kind == "adapter":
        from web4mlx.fuse.merge import adapter_input

        with suppress(OSError, Web4Error):
            return adapter_input(path).sha256
        return ""
    return folder_digest(manifest.outputs) if manifest.outputs else ""


def _recorded_by_others(found: list[Artifact], outputs: Path) -> dict[str, str]:
    """Digests of inputs as the manifests of what was made of them recorded them, by resolved path."""
    from web4mlx.inventory.lineage import place_of

    return {
        str(place_of(entry, outputs).resolve()): entry.sha256
        for artifact in found
        if artifact.manifest is not None
        for entry in artifact.manifest.inputs.values()
    }


def _created(path: Path, manifest: Manifest | None) -> float | None:
    with suppress(ValueError, OSError):
        if manifest is not None:
            return datetime.fromisoformat(manifest.created).timestamp()
        return path.stat().st_mtime
    return None


def detail_of(kind: Kind, manifest: Manifest | None) -> str:
    """What a kind of model is told apart by, in a few words; whatever a manifest holds, this is a text."""
    if manifest is None:
        return ""
    config, metrics = manifest.config, manifest.metrics
    match kind:
        case "base":
            commit = str(config.get("commit") or "")[:8]
            return f"from the {config.get('source', '?')}" + (f", commit {commit}" if commit else "")
        case "adapter":
            lora, loss = config.get("lora"), metrics.get("train_loss")
            rank = lora.get("rank") if isinstance(lora, dict) else None
            parts = [f"rank {rank}" if rank else "", f"loss {loss:.3f}" if isinstance(loss, float) else ""]
            return ", ".join(part for part in parts if part)
        case "merged":
            return f"{metrics.get('modules', '?')} modules merged"
        case "gguf":
            of_base = "the base, " if manifest.stage == "base_gguf" else ""
            return "F16" if manifest.stage == "f16" else f"{of_base}{config.get('type', '')}"


def _plain_base(config: RunConfig) -> Path | None:
    """The base of a configuration that names a folder of the user's own."""
    given = Path(config.model.base).expanduser()
    return given if given.is_dir() else None


def belongings(artifact: Path) -> list[Path]:
    """What goes with an artifact, its manifest first: without one it counts as unfinished."""
    if artifact.is_dir():
        return [artifact]
    from web4mlx.modelfile.beside import MARK

    beside = [manifest_path(artifact), artifact, artifact.with_suffix(".import.json")]
    beside.append(artifact.with_name(artifact.name + ".log"))
    mark = MARK.format(name=artifact.name).encode()
    for modelfile in (artifact.parent / "Modelfile", artifact.with_suffix(".Modelfile")):
        with suppress(OSError):
            if modelfile.read_bytes().startswith(mark):
                beside.append(modelfile)
    return [path for path in beside if path.is_file()]
