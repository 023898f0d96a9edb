"""Rows of the sample corpus, and the guard that keeps near duplicates out."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from web4mlx.data.duplicates import shingle

SOURCE = "web4mlx-sample"
TRAIN_FILES = (
    "style_core", "domain_patterns", "process_framework", "domain_representatives", "style_refactor",
    "guardrails", "tool_awareness", "reporting_protocol",
)  # fmt: skip
FILES = (*TRAIN_FILES, "eval")


@dataclass(slots=True)
class Row:
    """One sample before it has an id; `extra` is the metadata its file asks for."""

    instruction: str
    input: str
    output: str
    task_type: str
    extra: dict[str, object] = field(default_factory=dict)

    def json_line(self, sample_id: str, **marks: object) -> str:
        """The row as a line of its file; `marks` are added to the metadata."""
        metadata = {
            "task_type": self.task_type,
            "sample_id": sample_id,
            **self.extra,
            "source": SOURCE,
            **marks,
        }
        row = {
            "instruction": self.instruction,
            "input": self.input,
            "output": self.output,
            "metadata": metadata,
        }
        return json.dumps(row, ensure_ascii=False) + "\n"

    def shingles(self) -> list[int]:
        """Hashes of the row's runs of five words, as `data check` compares them."""
        hashes: list[int] = shingle(f"{self.instruction} {self.input} {self.output}").tolist()
        return hashes


class NearDuplicates:
    """Remembers short rows and tells whether a new one is too similar to any of them.

    Rows with more than `longest` characters of output pass unseen: each is told from dozens of sentences or
    methods, so they differ by themselves, and comparing tens of thousands of them would take minutes.

    Args:
        similarity: Jaccard similarity of five-word shingles from which a row counts as a near duplicate.
        longest: Most characters of output of a row that is compared.
    """

    def __init__(self, similarity: float, longest: int) -> None:
        self.similarity = similarity
        self.longest = longest
        self._sizes: list[int] = []
        self._rows_with: dict[int, list[int]] = defaultdict(list)

    def accept(self, row: Row) -> bool:
        """Remember the row and say True, unless it is a near duplicate of a remembered one."""
        if len(row.output) > self.longest:
            return True
        hashes = row.shingles()
        shared: Counter[int] = Counter()
        for one in hashes:
            shared.update(self._rows_with.get(one, ()))
        for other, common in shared.items():
            if common / (len(hashes) + self._sizes[other] - common) >= self.similarity:
                return False
        for one in hashes:
            self._rows_with[one].append(len(self._sizes))
        self._sizes.append(len(hashes))
        return True
