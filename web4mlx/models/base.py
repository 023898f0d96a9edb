"""Finding the base model of a configuration on this machine, and getting it when it is not there.

A base is a name of the catalogue, a Hub id, or a folder. Downloads stand in `config.folder` under the base's
name, with a manifest that says from where, which commit, and what each file contains.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from web4mlx.artifacts import Manifest, explain_os_errors, read_manifest
from web4mlx.config.schema import ModelConfig
from web4mlx.errors import MissingPrerequisite, UsageError
from web4mlx.events import EventLog, Finished, Started
from web4mlx.models.catalog import CATALOG, CatalogEntry, find_entry
from web4mlx.models.embedded import build_from_wheel
from web4mlx.models.hub import Hub, HuggingFaceHub, NoNetwork, is_offline
from web4mlx.models.hub_download import download_from_hub
from web4mlx.models.verify import REQUIRED_FILES, Finding, require_passed
from web4mlx.models.weights import read_weights

Source = Literal["auto", "hub", "wheel"]


def find_base(config: ModelConfig) -> Path:
    """The folder of the base; checks its manifest and file sizes, but reads no weights.

    Raises:
        MissingPrerequisite: It is not there, incomplete, or of another revision.
        CheckFailed: A folder that was given as the base is not a whole model.
    """
    entry, folder = locate_base(config)
    if entry is None:
        check_plain_folder(folder)
        return folder
    problem = why_not_ready(config, folder)
    if problem:
        raise MissingPrerequisite(
            f"base model {config.base}: {problem}", f"Run `{download_command(config)}`."
        )
    return folder


def ensure_base(config: ModelConfig, log: EventLog, source: Source = "auto", hub: Hub | None = None) -> Path:
    """The folder of the base; downloads or rebuilds it when it is missing, damaged or of another revision.

    Args:
        config: Which base, where, and which revision (None: what is there, or the newest).
        log: Gets progress, and which source was used.
        source: `auto` asks the Hub, and takes the packaged copy where the Hub cannot be reached.
        hub: Stands in for the Hugging Face Hub.

    Raises:
        MissingPrerequisite: No network, no disk, no access.
        CheckFailed: What arrived is damaged or not usable.
    """
    entry, folder = locate_base(config)
    if entry is not None and why_not_ready(config, folder, source):
        with lock_folder(folder, log):
            if why_not_ready(config, folder, source):  # another process may have finished meanwhile
                fetch_base(entry, config, log, source, hub)
    return find_base(config)


@contextmanager
def lock_folder(folder: Path, log: EventLog) -> Iterator[None]:
    """Hold the lock of a base's folder, so that two processes do not download it at once."""
    from filelock import FileLock, Timeout

    with explain_os_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.with_name(f".{folder.name}.lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log.warn("base-locked", f"another process is downloading {folder}; waiting for it")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()


def fetch_base(
    entry: CatalogEntry, config: ModelConfig, log: EventLog, source: Source, hub: Hub | None = None
) -> None:
    """Get a base from a source, replacing what is there; `auto` falls back to the packaged copy.

    Without a wanted revision, a damaged download is repaired at the commit it was pinned to.
    """
    started, folder = time.monotonic(), config.folder / entry.name
    present = read_manifest(folder)
    revision = config.revision or (present.config.get("commit") if present else None)
    sources = possible_sources(entry, config, source)
    for name in sources:
        log.write(Started, plan={"base": entry.name, "from": name, "to": str(folder)})
        try:
            if name == "hub":
                download_from_hub(hub or HuggingFaceHub(), entry, revision, folder, log)
            else:
                build_from_wheel(entry, folder, log)
            break
        except NoNetwork as error:
            if name == sources[-1]:
                raise
            log.warn("hub-unreachable", error.message, "Taking the packaged copy of the model instead.")
    log.write(Finished, duration_s=time.monotonic() - started, artifact=str(folder))


def possible_sources(entry: CatalogEntry, config: ModelConfig, source: Source) -> list[str]:
    """Where a base may come from, in the order to try.

    Raises:
        UsageError: A revision is wanted of the packaged copy, which has none.
    """
    if source == "wheel" and config.revision:
        raise UsageError("the packaged copy has no revisions", "Leave out --revision or use --source hub.")
    if source != "auto":
        return [source]
    if entry.wheel is None or config.revision:
        return ["hub"]
    return ["wheel"] if is_offline() else ["hub", "wheel"]


def locate_base(config: ModelConfig) -> tuple[CatalogEntry | None, Path]:
    """The catalogue entry of a base and its folder; no entry for a base that is given as a folder.

    Raises:
        UsageError: The base is neither a known name, nor a Hub id, nor a folder.
    """
    given = Path(config.base).expanduser()
    entry = find_entry(config.base)
    if given.is_dir() and (entry is None or entry not in CATALOG):
        return None, given
    if entry is None:
        names = ", ".join(item.name for item in CATALOG)
        raise UsageError(
            f"base model {config.base!r}: no such folder, and not a name of the catalogue",
            f"Known names: {names}; or a Hub id (owner/name), or a folder in Hugging Face layout.",
        )
    return entry, config.folder / entry.name


def why_not_ready(config: ModelConfig, folder: Path, source: Source = "auto") -> str:
    """Why the downloaded base cannot be used as it is; empty when it can."""
    manifest = read_manifest(folder) if folder.is_dir() else None
    if manifest is None or manifest.stage != "download":
        return f"not in {folder}"
    wanted, origin = config.revision, manifest.config
    if wanted and wanted not in (origin.get("commit"), origin.get("revision")):
        return f"{folder} holds revision {origin.get('commit') or 'of the packaged copy'}, wanted {wanted}"
    if source not in ("auto", origin.get("source")):
        return f"{folder} came from the {origin.get('source')}, wanted from the {source}"
    return next(iter(size_problems(folder, manifest)), "")


def size_problems(folder: Path, manifest: Manifest) -> list[str]:
    """Files that are missing or have another size than when they were downloaded."""
    problems = []
    for name, size_bytes in manifest.metrics.get("file_bytes", {}).items():
        path = folder / name
        if not path.is_file():
            problems.append(f"{path}: missing")
        elif path.stat().st_size != size_bytes:
            problems.append(f"{path}: {path.stat().st_size} bytes, expected {size_bytes}")
    return problems


def check_plain_folder(folder: Path) -> None:
    """Check files and weight headers of a folder that the user brought.

    Raises:
        CheckFailed: It is not a whole model.
    """
    missing = [f"{name}: missing" for name in REQUIRED_FILES if not (folder / name).is_file()]
    problems = missing + read_weights(folder)[1]
    require_passed(folder, [Finding(check="files", problems=tuple(problems))])


def download_command(config: ModelConfig) -> str:
    """The command that gets a base, as the user would type it."""
    parts = ["web4mlx download", config.base]
    if config.folder != ModelConfig().folder:
        parts.append(f"--folder {config.folder}")
    if config.revision:
        parts.append(f"--revision {config.revision}")
    return " ".join(parts)
