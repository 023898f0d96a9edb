"""The questions of a harness: JSONL data files, one case a line, checked as they are read."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from web4mlx.errors import Problems
from web4mlx.textfile import read_text

DATA = Path(__file__).parent / "data"


class Case(BaseModel):
    """One question.

    `phrasing` names the way of asking (many cases share one), `source` says where the task comes from,
    `expect` is what this harness's checker needs to know, such as the tool and the file of the task.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str = Field(min_length=1, pattern=r"^[a-z0-9_-]+$")
    category: str = Field(min_length=1)
    phrasing: str = Field(min_length=1)
    source: str = Field(min_length=1)
    prompt: str = Field(min_length=1)
    expect: dict[str, Any] = Field(default_factory=dict)


def read_cases(path: Path) -> tuple[Case, ...]:
    """Read the cases of one harness.

    Raises:
        Problems: Every line that is not a valid case, and every id or prompt that appears twice.
    """
    cases: list[Case] = []
    problems: list[str] = []
    text = read_text(path, f"{path}: no such file of cases").removesuffix("\n")
    for number, line in enumerate(text.split("\n"), 1):
        try:
            cases.append(Case.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            problems.append(f"line {number}: {'.'.join(map(str, first['loc']))}: {first['msg']}")
    for name in ("id", "prompt"):
        counts = Counter(getattr(case, name).strip().casefold() for case in cases)
        problems += [f"{name} {json.dumps(value)} appears {n} times" for value, n in counts.items() if n > 1]
    if problems:
        raise Problems(str(path), problems, "A prompt stands in a harness once.")
    return tuple(cases)
