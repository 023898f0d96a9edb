"""Small sample files, a configuration over them, and a tiny model folder whose tokenizer counts."""

import json
import random
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from tests.micro_models import write_micro_llama
from web4mlx.config.schema import RunConfig
from web4mlx.data.check import check_data
from web4mlx.data.report import DataReport, Finding
from web4mlx.events import EventLog
from web4mlx.models.tokenizer import ChatTokenizer

SYSTEM = "You are the Web4 agent."
WORDS = [
    a + b + c
    for a in ("sce", "lay", "mod", "ver")
    for b in ("na", "er", "el")
    for c in ("rio", "ify", "ty", "")
]


@lru_cache(maxsize=1)
def micro_folder() -> Path:
    """A whole tiny model in a folder of this test process."""
    folder = Path(mkdtemp()) / "micro"
    write_micro_llama(folder)
    return folder


@lru_cache(maxsize=1)
def micro_tokenizer() -> ChatTokenizer:
    """The tokenizer of the tiny model: 400 tokens, ChatML."""
    return ChatTokenizer(micro_folder())


def make_text(seed: int | str, words: int = 40) -> str:
    """A text of random words that differs from that of any other seed."""
    chance = random.Random(f"text-{seed}")
    return " ".join(chance.choices(WORDS, k=words)) + f" {seed}."


def make_row(sample_id: str, **changes: Any) -> dict[str, Any]:
    """A valid row; `changes` replace top-level fields, `metadata` is merged."""
    metadata = {"task_type": "style_core", "sample_id": sample_id, **changes.pop("metadata", {})}
    return {
        "instruction": make_text(f"ask {sample_id}", 12), "input": "", "output": make_text(sample_id),
        "metadata": metadata, **changes,
    }  # fmt: skip


def make_eval_row(sample_id: str, **changes: Any) -> dict[str, Any]:
    """A valid held-out row."""
    return make_row(sample_id, metadata={"is_eval": True, "never_train": True}, **changes)


def write_rows(path: Path, rows: Sequence[dict[str, Any] | bytes]) -> Path:
    """Write rows, and raw lines as they are."""
    lines = [row if isinstance(row, bytes) else json.dumps(row, ensure_ascii=False).encode() for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def make_config(folder: Path, **data: Any) -> RunConfig:
    """A configuration over `train.jsonl`, `more.jsonl` and `eval.jsonl` of a folder, written when missing."""
    for stem in ("train", "more"):
        if not (folder / f"{stem}.jsonl").exists():
            write_rows(folder / f"{stem}.jsonl", [make_row(f"{stem}-{n}") for n in range(4)])
    if not (folder / "eval.jsonl").exists():
        write_rows(folder / "eval.jsonl", [make_eval_row(f"eval-{n}") for n in range(3)])
    modelfile = folder / "Modelfile"
    modelfile.write_text(f'FROM ./none.gguf\nSYSTEM """{SYSTEM}"""\n', "utf-8")
    return RunConfig.model_validate(
        {
            "outputs": folder / "outputs",
            "modelfile": modelfile,
            "data": {
                "train": [folder / "train.jsonl", folder / "more.jsonl"],
                "eval": folder / "eval.jsonl",
                **data,
            },
        }
    )


def check(folder: Path, **data: Any) -> DataReport:
    """Check the files of `make_config`."""
    return check_data(make_config(folder, **data), micro_tokenizer(), EventLog(None, "test", "data"))


def findings(report: DataReport, code: str) -> list[Finding]:
    """The findings of one code."""
    return [finding for finding in report.findings if finding.code == code]
