"""What `web4mlx download` does: plan, download or repair, verify; each with a report of the base."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from web4mlx.artifacts import read_manifest
from web4mlx.config.schema import ModelConfig
from web4mlx.events import EventLog
from web4mlx.machine.disk import free_bytes
from web4mlx.models.base import (
    Source,
    fetch_base,
    find_base,
    locate_base,
    lock_folder,
    possible_sources,
    why_not_ready,
)
from web4mlx.models.digests import compare_digests
from web4mlx.models.hub import Hub
from web4mlx.models.verify import Finding, inspect_model


class BaseReport(BaseModel):
    """A base model on this machine; `commit` is the Hub's, None for a packaged copy or a plain folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    base: str
    folder: Path
    source: str
    commit: str | None
    size_bytes: int
    downloaded: bool
    findings: tuple[Finding, ...]


class DownloadPlan(BaseModel):
    """What a download would do."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    base: str
    folder: Path
    is_present: bool
    sources: tuple[str, ...]
    free_bytes: int


def plan_download(config: ModelConfig, source: Source = "auto") -> DownloadPlan:
    """What `ensure_base` would do, without touching network or disk."""
    entry, folder = locate_base(config)
    is_present = entry is None or not why_not_ready(config, folder, source)
    return DownloadPlan(
        base=entry.name if entry else config.base,
        folder=folder,
        is_present=is_present,
        sources=() if entry is None or is_present else tuple(possible_sources(entry, config, source)),
        free_bytes=free_bytes(folder.absolute()),
    )


def download_base(
    config: ModelConfig, log: EventLog, source: Source = "auto", hub: Hub | None = None
) -> BaseReport:
    """Make sure that the base is there and whole: `ensure_base`, but a present one is hashed and repaired."""
    entry, folder = locate_base(config)
    is_good = entry is None or (
        not why_not_ready(config, folder, source) and examine_hashes(folder, log).passed
    )
    if entry is not None and not is_good:
        with lock_folder(folder, log):
            fetch_base(entry, config, log, source, hub)
    findings = list(inspect_model(find_base(config), load=False))
    return report_base(config, findings, downloaded=not is_good)


def verify_base(config: ModelConfig, log: EventLog) -> BaseReport:
    """Hash, inspect and load the base that is there; what is wrong stands in the report.

    Raises:
        MissingPrerequisite: It is not there.
    """
    entry, folder = locate_base(config)
    if not folder.is_dir():
        find_base(config)
    findings = [] if entry is None else [examine_hashes(folder, log)]
    return report_base(config, [*findings, *inspect_model(folder)], downloaded=False)


def examine_hashes(folder: Path, log: EventLog) -> Finding:
    """Compare the files with the manifest."""
    manifest = read_manifest(folder)
    if manifest is None:
        return Finding(check="hashes", problems=("manifest.json: missing or not readable",))
    return compare_digests(folder, manifest, log)


def report_base(config: ModelConfig, findings: list[Finding], *, downloaded: bool) -> BaseReport:
    """Describe the base that is there."""
    entry, folder = locate_base(config)
    manifest = read_manifest(folder)
    origin = manifest.config if manifest and entry else {}
    return BaseReport(
        base=entry.name if entry else config.base,
        folder=folder,
        source=origin.get("source", "folder"),
        commit=origin.get("commit"),
        size_bytes=sum(file.stat().st_size for file in folder.iterdir() if file.is_file()),
        downloaded=downloaded,
        findings=tuple(findings),
    )
