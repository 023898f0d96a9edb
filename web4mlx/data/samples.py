"""Reading sample files: JSONL rows of `instruction`, `input`, `output`, `metadata`, checked one by one.

Reading never stops at a bad row: each is reported with file, line and field, so that one pass finds all.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from web4mlx.errors import MissingPrerequisite

TEXT_FIELDS = ("instruction", "input", "output")
FIELDS = (*TEXT_FIELDS, "metadata")


@dataclass(frozen=True, slots=True)
class Sample:
    """One training sample and where it stands (`line` counts from 1)."""

    instruction: str
    input: str
    output: str
    metadata: dict[str, Any]
    file: Path
    line: int

    @property
    def sample_id(self) -> str:
        """The id that is unique over all files."""
        return str(self.metadata["sample_id"])

    def messages(self, system: str) -> list[dict[str, str]]:
        """The sample as a chat: system prompt, the task with its input, the answer."""
        task = f"{self.instruction}\n\n{self.input}" if self.input else self.instruction
        return [
            {"role": "system", "content": system},
            {"role": "user", "content": task},
            {"role": "assistant", "content": self.output},
        ]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that is no sample: where, which field, and what was expected. `raw` is the line's bytes."""

    file: Path
    line: int
    field: str
    reason: str
    raw: bytes

    def __str__(self) -> str:
        field = f"{self.field}: " if self.field else ""
        return f"{self.file}:{self.line}: {field}{self.reason}"


def read_rows(path: Path) -> Iterator[Sample | BadRow]:
    """Yield each row of a file as a sample or as a bad row; blank lines are passed over.

    Raises:
        MissingPrerequisite: The file does not exist.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise MissingPrerequisite(
            f"{path}: no such file", "`web4mlx data sample` writes a sample corpus; or correct the config."
        ) from error
    with file:
        for line, raw in enumerate(file, 1):
            if raw.strip():
                yield parse_row(path, line, raw)


def parse_row(path: Path, line: int, raw: bytes) -> Sample | BadRow:
    """Parse one line into a sample, or say what is wrong with it."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return BadRow(
            path, line, "", f"not UTF-8: byte {raw[error.start]:#04x} at column {error.start + 1}", raw
        )
    try:
        row = json.loads(text)
    except json.JSONDecodeError as error:
        return BadRow(path, line, "", f"not valid JSON at column {error.colno}: {error.msg}", raw)
    except RecursionError:
        return BadRow(path, line, "", "not valid JSON: nested too deeply", raw)
    if not isinstance(row, dict):
        return BadRow(path, line, "", f"expected a JSON object, found {type(row).__name__}", raw)
    field, reason = _first_problem(row)
    if reason:
        return BadRow(path, line, field, reason, raw)
    return Sample(row["instruction"], row["input"], row["output"], row["metadata"], path, line)


def _first_problem(row: dict[str, Any]) -> tuple[str, str]:
    for field in FIELDS:
        if field not in row:
            return field, "required key is missing"
    for field in TEXT_FIELDS:
        if not isinstance(row[field], str):
            return field, f"expected a string, found {type(row[field]).__name__}"
        try:
            row[field].encode("utf-8")
        except UnicodeEncodeError:
            return field, "holds half a surrogate pair, which is no Unicode text"
    for field in ("instruction", "output"):
        if not row[field].strip():
            return field, "must not be empty"
    if unknown := sorted(set(row) - set(FIELDS)):
        return unknown[0], f"unknown key; expected only {', '.join(FIELDS)}"
    metadata = row["metadata"]
    if not isinstance(metadata, dict):
        return "metadata", f"expected an object, found {type(metadata).__name__}"
    for key in ("task_type", "sample_id"):
        if not isinstance(metadata.get(key), str) or not metadata[key].strip():
            return f"metadata.{key}", f"expected a non-empty string, found {metadata.get(key)!r}"
    return "", ""


def read_samples(path: Path) -> Iterator[Sample]:
    """Yield the valid samples of a file, skipping bad rows (`data check` reports those)."""
    return (row for row in read_rows(path) if isinstance(row, Sample))
