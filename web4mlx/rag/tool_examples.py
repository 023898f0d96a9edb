"""Tool examples from JSONL: how people ask, and the call that answers; one example, one document."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from web4mlx.errors import MissingPrerequisite
from web4mlx.rag.documents import Failure, Scalar

FILES = ("tool_core.jsonl", "tool_neg.jsonl")
FIELDS = ("instruction", "input", "output")
METADATA: dict[str, type] = {
    "tool_name": str,
    "tool_ecosystem": str,
    "usage_pattern": str,
    "is_negative": bool,
}


@dataclass(frozen=True, slots=True)
class ToolExample:
    """An example: its id within its file, what is embedded, and its metadata."""

    path: str
    text: str
    metadata: dict[str, Scalar]


def read_tool_examples(folder: Path) -> Iterator[ToolExample | Failure]:
    """The examples of a folder's files, and the lines that are none.

    Raises:
        MissingPrerequisite: The folder holds neither file.
    """
    present = [folder / name for name in FILES if (folder / name).is_file()]
    if not present:
        raise MissingPrerequisite(
            f"{folder}: neither {FILES[0]} nor {FILES[1]} is there",
            "Name the folder with the tool examples, or leave out --tools.",
        )
    for path in present:
        with path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                if raw.strip():
                    yield read_line(path.name, number, raw)


def read_line(name: str, number: int, raw: bytes) -> ToolExample | Failure:
    """One line of a file."""
    where = f"{name}:{number}"
    try:
        row = json.loads(raw)
    except ValueError as error:
        return Failure(where, f"not valid JSON: {error}")
    metadata = row.get("metadata") if isinstance(row, dict) else None
    if not isinstance(metadata, dict):
        return Failure(where, "expected an object with instruction, input, output and metadata")
    wrong = [key for key in FIELDS if not isinstance(row.get(key), str)]
    wrong += [f"metadata.{key}" for key, kind in METADATA.items() if not isinstance(metadata.get(key), kind)]
    if wrong:
        return Failure(where, f"missing or of a wrong type: {', '.join(wrong)}")
    if not row["instruction"].strip():
        return Failure(where, "instruction: empty")
    identity = str(metadata.get("sample_id") or number)
    text = "\n".join(row[key].strip() for key in FIELDS if row[key].strip())
    kept: dict[str, Scalar] = {key: metadata[key] for key in METADATA}
    return ToolExample(f"{name}#{identity}", text, {**kept, "sample_id": identity})
