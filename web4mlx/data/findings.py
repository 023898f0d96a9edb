"""The checks over scanned files: each turns facts into findings, and none reads a file.

Errors are what would spoil a training run or its verdict; everything else is a warning.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from web4mlx.config.schema import DataConfig
from web4mlx.data.duplicates import Match, NearIndex
from web4mlx.data.report import Finding, Severity
from web4mlx.data.scan import BlockFacts, RowFacts

LEAK_RECALL = 0.99
COPY_RECALL = 0.9


@dataclass(frozen=True, slots=True)
class ScannedFile:
    """One file of the corpus. `facts` is None when the file is missing or cannot be read."""

    path: Path
    role: Literal["train", "eval"]
    facts: BlockFacts | None
    quarantined: int
    sha256: str

    @property
    def rows(self) -> list[RowFacts]:
        """Its valid rows."""
        return self.facts.rows if self.facts else []


@dataclass(frozen=True, slots=True)
class PlacedRow:
    """A valid row and its file."""

    file: ScannedFile
    facts: RowFacts

    @property
    def place(self) -> str:
        """`FILE:LINE`."""
        return f"{self.file.path}:{self.facts.line}"

    def find(self, severity: Severity, code: str, message: str, field: str = "") -> Finding:
        """A finding at this row."""
        return Finding(
            severity=severity, code=code, file=str(self.file.path), line=self.facts.line,
            field=field, message=message,
        )  # fmt: skip


def place_rows(files: Sequence[ScannedFile], role: str = "") -> list[PlacedRow]:
    """All valid rows in file order, or those of one role."""
    return [PlacedRow(file, row) for file in files if role in ("", file.role) for row in file.rows]


def check_files(files: Sequence[ScannedFile], data: DataConfig) -> Iterator[Finding]:
    """Existence, emptiness, bad rows, and the number of rows against the expected one."""
    for file in files:
        name = str(file.path)
        if file.facts is None:
            advice = "no such readable file; `web4mlx data sample` writes a sample corpus"
            yield Finding(severity="error", code="missing_file", file=name, message=advice)
            continue
        for bad in file.facts.bad:
            yield Finding(
                severity="error",
                code="bad_row",
                file=name,
                line=bad.line,
                field=bad.field,
                message=bad.reason,
            )
        if not file.rows:
            yield Finding(severity="error", code="no_rows", file=name, message="holds no valid sample")
        expected = data.expected_counts.get(file.path.stem)
        if expected and (finding := _compare_count(file, expected)):
            yield finding


def _compare_count(file: ScannedFile, expected: int) -> Finding | None:
    """Rows that were moved to the side file account for a difference; it is then only a warning."""
    count = len(file.rows)
    if count == expected:
        return None
    is_explained = count + file.quarantined == expected
    moved = f", {file.quarantined} quarantined" if file.quarantined else ""
    return Finding(
        severity="warning" if is_explained else "error", code="count", file=str(file.path),
        message=f"{count} samples{moved}; expected {expected}",
    )  # fmt: skip


def check_names(files: Sequence[ScannedFile], data: DataConfig) -> Iterator[Finding]:
    """Expected counts that name no file: a typing error would switch a check off."""
    stems = {file.path.stem for file in files}
    for stem in data.expected_counts:
        if stem not in stems:
            message = f"data.expected_counts names {stem!r}, but no listed file has that name"
            yield Finding(severity="warning", code="unknown_file", file=stem, message=message)


def check_ids(rows: Sequence[PlacedRow]) -> Iterator[Finding]:
    """Sample ids that occur more than once over all files."""
    first: dict[str, PlacedRow] = {}
    for row in rows:
        earlier = first.setdefault(row.facts.sample_id, row)
        if earlier is not row:
            message = f"{row.facts.sample_id!r} is already the id of {earlier.place}"
            yield row.find("error", "duplicate_id", message, "metadata.sample_id")


def check_flags(rows: Sequence[PlacedRow]) -> Iterator[Finding]:
    """Held-out rows in training files, and evaluation rows that are not marked as held out."""
    for row in rows:
        flags = {"never_train": row.facts.is_never_train, "is_eval": row.facts.is_eval}
        for name, is_set in flags.items():
            if row.file.role == "train" and is_set:
                message = "is true: the row is held out and must not stand in a training file"
                yield row.find("error", "held_out_row", message, f"metadata.{name}")
            elif row.file.role == "eval" and not is_set:
                yield row.find(
                    "error", "unmarked_eval_row", "must be true in the eval file", f"metadata.{name}"
                )


def check_texts(rows: Sequence[PlacedRow]) -> Iterator[Finding]:
    """Secrets, and control tokens of the chat template inside the texts."""
    for row in rows:
        if token := row.facts.control_token:
            message = f"holds the model's control token {token}, which ends or starts a turn"
            yield row.find("warning", "control_token", message)
        for hit in row.facts.secrets:
            severity: Severity = "error" if hit.is_certain else "warning"
            kind = hit.kind if hit.is_certain else f"possible {hit.kind}"
            yield row.find(severity, "secret", f"{kind} in text line {hit.text_line}", hit.field)


def check_likeness(rows: Sequence[PlacedRow], threshold: float) -> Iterator[Finding]:
    """Exact and near copies within the training files and within the eval file, and leakage between them.

    A training row is compared with every held-out row, but only with those training rows that are no near
    copies themselves, so that a file of copies stays cheap.
    """
    if not rows:
        return
    signatures = np.stack([row.facts.signature for row in rows])
    shingles = [row.facts.shingles for row in rows]
    held_out = NearIndex(threshold, shingles, signatures, LEAK_RECALL)
    training = NearIndex(threshold, shingles, signatures, COPY_RECALL)
    copies: dict[tuple[str, bytes], int] = {}
    for number in sorted(range(len(rows)), key=lambda number: rows[number].file.role != "eval"):
        row = rows[number]
        is_training = row.file.role == "train"
        if is_training and (leak := held_out.find(number)):
            kind = _describe_likeness(row, rows[leak.row], leak)
            yield row.find("error", "leak", f"{kind} of the held-out row {rows[leak.row].place}")
        earlier = copies.setdefault((row.file.role, row.facts.digest), number)
        if earlier != number:
            yield row.find("error", "exact_duplicate", f"exact copy of {rows[earlier].place}")
            continue
        index = training if is_training else held_out
        match = index.find(number)
        if match:
            kind = _describe_likeness(row, rows[match.row], match)
            yield row.find("warning", "near_duplicate", f"{kind} of {rows[match.row].place}")
        if not match or not is_training:
            index.add(number)


def _describe_likeness(row: PlacedRow, other: PlacedRow, match: Match) -> str:
    is_exact = row.facts.digest == other.facts.digest
    return "exact copy" if is_exact else f"near copy ({match.similarity:.2f})"


def check_prompts(rows: Sequence[PlacedRow]) -> Iterator[Finding]:
    """Training rows that ask exactly what an evaluation row asks, whatever the answer."""
    asked = {row.facts.prompt_digest: row for row in rows if row.file.role == "eval"}
    for row in rows:
        held_out = asked.get(row.facts.prompt_digest)
        if row.file.role == "train" and held_out and held_out.facts.digest != row.facts.digest:
            message = f"same instruction and input as the held-out row {held_out.place}"
            yield row.find("warning", "same_prompt", message)


def check_token_ranges(rows: Sequence[PlacedRow], data: DataConfig, name: str) -> Iterator[Finding]:
    """Total and mean tokens of the training rows against the expected ranges."""
    total = sum(row.facts.content_tokens for row in rows)
    mean = total / max(len(rows), 1)
    for code, value, expected in (
        ("total_tokens", total, data.expected_total_tokens),
        ("mean_tokens", mean, data.expected_mean_tokens),
    ):
        if expected and not expected[0] <= value <= expected[1]:
            noun = "tokens in all" if code == "total_tokens" else "tokens a sample"
            message = f"{value:,.0f} {noun}; expected {expected[0]:,} to {expected[1]:,}"
            yield Finding(severity="warning", code=code, file=name, message=message)
