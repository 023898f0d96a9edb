"""Whether an artifact is byte for byte what manifests say: everything is read and hashed anew."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

from web4mlx.artifacts import digested_files, folder_digest
from web4mlx.events import EventLog, Finished, Progress, Started
from web4mlx.inventory.artifacts import Artifact
from web4mlx.models.weights import read_weights
from web4mlx.verify import Check

BLOCK_BYTES = 8 << 20


def verify_artifact(artifact: Artifact, log: EventLog) -> list[Check]:
    """Hash a merged folder or a GGUF and compare it with what was recorded.

    Args:
        artifact: It; its digest is the recorded one.
        log: Gets progress.
    """
    began = time.monotonic()
    log.write(Started, plan={"artifact": str(artifact.path), "bytes": artifact.size_bytes})
    checks = list(_checks(artifact, log))
    log.write(Finished, duration_s=time.monotonic() - began, artifact=str(artifact.path))
    return checks


def _checks(artifact: Artifact, log: EventLog) -> Iterator[Check]:
    whole = artifact.manifest is not None
    yield _check("manifest", whole, f"stage {artifact.manifest.stage}" if artifact.manifest else "missing")
    if artifact.path.is_dir():
        problems = read_weights(artifact.path)[1]
        yield _check("weights", not problems, problems[0] if problems else "all tensors are there")
    if not artifact.digest:
        detail = "no manifest records its digest"
        yield Check(name="digest", verdict="errored", detail=detail)
        return
    found = _hash(artifact, log)
    same = found == artifact.digest
    detail = f"sha256 {found[:12]}" + ("" if same else f", recorded {artifact.digest[:12]}")
    yield _check("digest", same, detail)


def _check(name: str, passed: bool, detail: str) -> Check:
    return Check(name=name, verdict="passed" if passed else "failed", detail=detail)


def _hash(artifact: Artifact, log: EventLog) -> str:
    """The digest of a file, or of a folder as `artifacts.describe_input` makes it, from its bytes."""
    files = digested_files(artifact.path) if artifact.path.is_dir() else [artifact.path]
    total = sum(file.stat().st_size for file in files)
    digests: dict[str, str] = {}
    done = 0
    for file in files:
        for digest, read in _hash_file(file):  # noqa: B007
            log.write(Progress, done=(done + read) >> 20, total=total >> 20, unit="MB", message="hash")
        digests[file.name] = digest
        done += file.stat().st_size
    return folder_digest(digests) if artifact.path.is_dir() else digests[artifact.path.name]


def _hash_file(path: Path) -> Iterator[tuple[str, int]]:
    """Digest so far and bytes read, block by block; at least once."""
    digest, read = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
            read += len(block)
            yield digest.hexdigest(), read
    yield digest.hexdigest(), read
