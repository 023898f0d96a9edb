"""Quarantine: rows that must not be trained on move to `NAME.quarantine.jsonl` beside their file.

Nothing is lost: the side file keeps the exact bytes of every moved line with its old line number and the
reasons, so kept and quarantined lines together are the original; there is no other backup. The side file is
written first, so a crash between the two writes leaves a row in both, and the next run completes the move
(the file's digest in each entry tells a repeated move from a new one).
"""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from web4mlx.artifacts import atomic_write, sha256_bytes, sha256_file
from web4mlx.data.report import DataReport, Finding
from web4mlx.errors import CheckFailed, UsageError

QUARANTINED_CODES = frozenset(
    {"bad_row", "exact_duplicate", "leak", "duplicate_id", "held_out_row", "secret"}
)


@dataclass(frozen=True, slots=True)
class Moved:
    """What was moved, or would be: the file, its side file, and the number of rows."""

    file: Path
    side_file: Path
    rows: int


def quarantine_path(file: Path) -> Path:
    """The side file of a sample file; of a linked file it stands beside the file itself."""
    file = file.resolve()
    return file.with_name(f"{file.stem}.quarantine.jsonl")


def count_quarantined(file: Path) -> int:
    """Number of rows in the side file of a sample file."""
    side_file = quarantine_path(file)
    if not side_file.is_file():
        return 0
    with side_file.open("rb") as lines:
        return sum(1 for line in lines if line.strip())


def quarantine_rows(report: DataReport, *, dry_run: bool = False) -> list[Moved]:
    """Move the rows whose errors a removal cures; files without such rows stay untouched.

    Args:
        report: A report of the files as they are now.
        dry_run: Only say what would be moved.

    Raises:
        CheckFailed: A file was changed since the report was made.
        UsageError: A side file is damaged.
    """
    digests = {file.file: file.sha256 for file in report.files}
    moved = []
    for name, reasons in reasons_by_file(report.errors).items():
        file = Path(name)
        if sha256_file(file) != digests[name]:
            raise CheckFailed(f"{file}: changed since it was checked", "Run the check again.")
        if not dry_run:
            move_lines(file, reasons)
        moved.append(Moved(file, quarantine_path(file), len(reasons)))
    return moved


def reasons_by_file(errors: Sequence[Finding]) -> dict[str, dict[int, list[Finding]]]:
    """Findings that quarantine cures, by file and line."""
    files: dict[str, dict[int, list[Finding]]] = {}
    for error in errors:
        if error.code in QUARANTINED_CODES:
            files.setdefault(error.file, {}).setdefault(error.line, []).append(error)
    return files


def move_lines(file: Path, reasons: Mapping[int, Sequence[Finding]]) -> None:
    """Move lines (numbered from 1) of a file to its side file."""
    file = file.resolve()  # an atomic write would replace a link
    data = file.read_bytes()
    lines, source = split_lines(data), sha256_bytes(data)
    side_file = quarantine_path(file)
    entries = read_entries(side_file)
    known = {(entry["file_sha256"], entry["line"]) for entry in entries}
    for number, findings in sorted(reasons.items()):
        if (source, number) not in known:
            entries.append(make_entry(source, number, lines[number - 1], findings))
    atomic_write(side_file, "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries))
    atomic_write(file, b"".join(raw for number, raw in enumerate(lines, 1) if number not in reasons))


def split_lines(data: bytes) -> list[bytes]:
    """Lines with their ends, cut at newlines only, as files are iterated."""
    lines = [line + b"\n" for line in data.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def make_entry(source: str, line: int, raw: bytes, findings: Sequence[Finding]) -> dict[str, Any]:
    """One row of a side file; bytes that are no UTF-8 text are kept as base64."""
    entry: dict[str, Any] = {
        "file_sha256": source,
        "line": line,
        "codes": sorted({finding.code for finding in findings}),
        "reasons": [f"{finding.field}: {finding.message}".removeprefix(": ") for finding in findings],
    }
    try:
        entry["raw"] = raw.decode("utf-8")
    except UnicodeDecodeError:
        entry["raw_base64"] = base64.b64encode(raw).decode("ascii")
    return entry


def raw_bytes(entry: Mapping[str, Any]) -> bytes:
    """The original bytes of a quarantined row."""
    if "raw_base64" in entry:
        return base64.b64decode(entry["raw_base64"])
    return str(entry["raw"]).encode("utf-8")


def read_entries(side_file: Path) -> list[dict[str, Any]]:
    """The rows of a side file; none when it does not exist.

    Raises:
        UsageError: A row is damaged; nothing is overwritten.
    """
    return list(_parse_entries(side_file)) if side_file.is_file() else []


def _parse_entries(side_file: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(side_file.read_bytes().split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            raw_bytes(entry)
            is_entry = isinstance(entry["line"], int) and isinstance(entry["file_sha256"], str)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _damaged(side_file, number) from error
        if not is_entry:
            raise _damaged(side_file, number)
        yield entry


def _damaged(side_file: Path, line: int) -> UsageError:
    return UsageError(f"{side_file}:{line}: not a quarantined row", "Repair the line or move the file away.")
