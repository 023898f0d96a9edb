"""Downloads a base model from the Hub into its folder: resumable, disk checked first, every file hashed.

Files gather in a hidden folder beside the final one. It takes the final name only when everything has been
verified, and stays for the next attempt when something breaks.
"""

import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

from web4mlx.artifacts import (
    Manifest,
    atomic_write,
    explain_os_errors,
    new_manifest,
    read_manifest,
    sync_file,
    write_manifest,
)
from web4mlx.errors import CheckFailed
from web4mlx.events import EventLog, Progress
from web4mlx.machine.disk import require_free_disk
from web4mlx.models.catalog import CatalogEntry
from web4mlx.models.digests import read_sha256, wrong_hash
from web4mlx.models.hub import Hub, HubFile, HubModel
from web4mlx.models.verify import verify_model

COMMIT_FILE = ".commit"
PART = ".part"
SPARE_BYTES = 200_000_000


@dataclass
class Meter:
    """Reports the bytes fetched of the whole model, at most twice a second, with the time left."""

    log: EventLog
    total_bytes: int
    finished_bytes: int = 0
    started: float = field(default_factory=time.monotonic)
    fetched_bytes: int = 0
    _held_bytes: int = 0
    _last_report: float = 0.0

    def start_file(self, held_bytes: int) -> None:
        """Begin a file of which `held_bytes` are already there."""
        self._held_bytes = held_bytes

    def report(self, held_bytes: int) -> None:
        """Take note that the present file now holds so many bytes."""
        self.fetched_bytes += max(held_bytes - self._held_bytes, 0)
        self._held_bytes = held_bytes
        now = time.monotonic()
        done = self.finished_bytes + held_bytes
        if now - self._last_report < 0.5 and done < self.total_bytes:
            return
        self._last_report = now
        rate = self.fetched_bytes / max(now - self.started, 1e-3)
        eta_s = (self.total_bytes - done) / rate if rate else None
        message = f"downloading at {rate / 1e6:.1f} MB/s"
        self.log.write(
            Progress, done=done, total=self.total_bytes, unit="bytes", message=message, eta_s=eta_s
        )


def partial_folder(folder: Path) -> Path:
    """Where the files of a download gather before it is complete."""
    return folder.with_name(f".{folder.name}.download")


def download_from_hub(
    hub: Hub, entry: CatalogEntry, revision: str | None, folder: Path, log: EventLog
) -> None:
    """Download, verify and put in place a model and its manifest.

    Raises:
        NoNetwork: The Hub cannot be reached; what was fetched is kept.
        MissingPrerequisite: The disk is too small, or access is refused.
        CheckFailed: A file has the wrong hash (it is removed), or the model is not usable.
    """
    model = hub.describe(entry.hub_id, revision)
    partial = partial_folder(folder)
    with explain_os_errors(partial):
        prepare_partial(partial, model)
        reclaim_files(folder, partial, model)
        missing = model.size_bytes - sum(held_bytes(partial, file) for file in model.files)
        require_free_disk(folder.parent, missing + SPARE_BYTES, f"downloading {entry.hub_id}")
        fetch_files(hub, model, partial, log)
        verify_model(partial)
        write_manifest(partial, build_manifest(entry, revision, model, partial))
        put_in_place(partial, folder)


def prepare_partial(partial: Path, model: HubModel) -> None:
    """Keep what an earlier attempt at the same commit fetched; drop what belongs to another commit."""
    note = partial / COMMIT_FILE
    wanted = f"{model.hub_id}@{model.commit}"
    if partial.exists() and not (note.is_file() and note.read_text("utf-8") == wanted):
        shutil.rmtree(partial)
    partial.mkdir(parents=True, exist_ok=True)
    atomic_write(note, wanted)


def reclaim_files(folder: Path, partial: Path, model: HubModel) -> None:
    """Take over what is still good of a damaged folder of the same commit; a truncated file is resumed."""
    manifest = read_manifest(folder)
    if manifest is None or manifest.config.get("commit") != model.commit:
        return
    for file in model.files:
        damaged = folder / file.name
        if not damaged.is_file() or held_bytes(partial, file):
            continue
        size = damaged.stat().st_size
        if size < file.size_bytes:
            damaged.replace(partial / (file.name + PART))
        elif size == file.size_bytes and not wrong_hash(damaged, file):
            damaged.replace(partial / file.name)


def held_bytes(partial: Path, file: HubFile) -> int:
    """Bytes of a file that are already there, complete or in part."""
    for path in (partial / file.name, partial / (file.name + PART)):
        if path.is_file():
            return path.stat().st_size
    return 0


def fetch_files(hub: Hub, model: HubModel, partial: Path, log: EventLog) -> None:
    """Fetch what is missing, largest files last, and check each file's size and hash when it is complete."""
    meter = Meter(log, model.size_bytes)
    for file in sorted(model.files, key=lambda file: file.size_bytes):
        target, part = partial / file.name, partial / (file.name + PART)
        if not target.is_file():
            if held_bytes(partial, file) > file.size_bytes:
                part.unlink()
            meter.start_file(held_bytes(partial, file))
            hub.fetch(model, file, part, meter.report)
            check_file(part, file)
            sync_file(part)
            part.replace(target)
        meter.finished_bytes += file.size_bytes


def check_file(part: Path, file: HubFile) -> None:
    """Refuse, and remove, a fetched file whose size or content differs from what the Hub states.

    Raises:
        CheckFailed: It differs.
    """
    found = part.stat().st_size
    problem = f"{file.name}: {found} bytes, expected {file.size_bytes}" if found != file.size_bytes else ""
    problem = problem or wrong_hash(part, file)
    if problem:
        part.unlink()
        raise CheckFailed(
            f"damaged in transit: {problem}",
            "The file was removed; run the same command again, and only this file is fetched again.",
        )


def build_manifest(entry: CatalogEntry, revision: str | None, model: HubModel, partial: Path) -> Manifest:
    """The manifest of a downloaded model: the commit it is pinned to, and what each file contains."""
    files = sorted(model.files, key=lambda file: file.name)
    return new_manifest(
        "download",
        outputs={file.name: file.sha256 or read_sha256(partial / file.name) for file in files},
        config={
            "base": entry.name,
            "source": "hub",
            "hub_id": model.hub_id,
            "revision": revision,
            "commit": model.commit,
        },
        metrics={"file_bytes": {file.name: file.size_bytes for file in files}},
    )


def put_in_place(partial: Path, folder: Path) -> None:
    """Give the complete folder its final name; an older folder of that name goes."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.replace(old)
    partial.replace(folder)
    (folder / COMMIT_FILE).unlink()
    sync_file(folder.parent)
    shutil.rmtree(old, ignore_errors=True)
