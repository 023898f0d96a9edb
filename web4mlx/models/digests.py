"""Comparing files with the digests that the Hub or a manifest states; always reads the whole file."""

import hashlib
from pathlib import Path

from web4mlx.artifacts import Manifest
from web4mlx.events import EventLog, Progress
from web4mlx.models.hub import HubFile
from web4mlx.models.verify import Finding


def read_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_git_sha1(path: Path) -> str:
    """The name git gives a file's content: SHA-1 of `blob SIZE NUL` and the content."""
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def wrong_hash(path: Path, file: HubFile) -> str:
    """What is wrong with a downloaded file's hash; empty when it is right or the Hub states none."""
    if file.sha256:
        found, expected, kind = read_sha256(path), file.sha256, "sha256"
    elif file.git_sha1:
        found, expected, kind = read_git_sha1(path), file.git_sha1, "git sha1"
    else:
        return ""
    return "" if found == expected else f"{file.name}: wrong hash: {kind} {found}, expected {expected}"


def compare_digests(folder: Path, manifest: Manifest, log: EventLog) -> Finding:
    """Compare a folder's files with the digests its manifest recorded when it was made."""
    problems = []
    for done, (name, expected) in enumerate(manifest.outputs.items(), start=1):
        path = folder / name
        if not path.is_file():
            problems.append(f"{name}: missing")
        elif (found := read_sha256(path)) != expected:
            problems.append(f"{name}: wrong hash: sha256 {found}, expected {expected}")
        total = len(manifest.outputs)
        log.write(Progress, done=done, total=total, unit="files", message="hashing")
    return Finding(check="hashes", detail=f"{len(manifest.outputs)} files", problems=tuple(problems))
