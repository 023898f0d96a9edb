"""A small real project for training tests: a micro model, generated samples, a config, in one folder."""

import json
import random
from collections.abc import Callable
from pathlib import Path

from tests.micro_models import write_micro_llama

WORDS = ("build", "test", "scenario", "layer", "class", "method", "object", "state", "link", "plan", "check")
FILES = ("style_core", "guardrails")
MODELFILE = 'FROM ./outputs/web4-agent.gguf\nSYSTEM You are a Web4 agent.\nPARAMETER stop "<|im_end|>"\n'


def sample_row(number: int, generator: random.Random, words: int | None = None) -> dict[str, object]:
    """One sample with random words; `words` fixes the length of its answer."""
    answer = " ".join(generator.choices(WORDS, k=words or generator.randint(4, 30)))
    return {
        "instruction": " ".join(generator.choices(WORDS, k=6)) + f" {number}?",
        "input": "",
        "output": answer,
        "metadata": {"task_type": "style", "sample_id": f"sample-{number:04d}"},
    }


def write_jsonl(path: Path, rows: list[dict[str, object]]) -> None:
    """Write rows as JSONL."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def write_project(
    folder: Path, *, samples: int = 30, base: Callable[[Path], None] = write_micro_llama, **training: object
) -> Path:
    """Write model, data, Modelfile and config; returns the config's path.

    Args:
        folder: Where everything goes; relative paths in the config start there.
        samples: Training samples.
        base: Writes the base model.
        training: Keys of the training section that differ from the short default.
    """
    base(folder / "base")
    generator = random.Random(5)
    rows = [sample_row(number, generator) for number in range(samples + 8)]
    half = samples // 2
    write_jsonl(folder / "data" / "style_core.jsonl", rows[:half])
    write_jsonl(folder / "data" / "guardrails.jsonl", rows[half:samples])
    for row in rows[samples:]:
        row["metadata"] = {**row["metadata"], "is_eval": True, "never_train": True}  # type: ignore[dict-item]
    write_jsonl(folder / "data" / "eval.jsonl", rows[samples:])
    (folder / "Modelfile").write_text(MODELFILE, "utf-8")
    settings = {
        "epochs": 2, "learning_rate": 0.01, "warmup_steps": 1, "logging_steps": 1, "save_steps": 2,
        "eval_steps": 2, "final_loss": [0.0, 100.0], "recompute": "none", **training,
    }  # fmt: skip
    lines = [
        'name = "tiny"',
        "[model]", 'base = "base"',
        "[data]", f"train = {json.dumps([f'data/{name}.jsonl' for name in FILES])}",
        'eval = "data/eval.jsonl"', "max_seq_length = 384",
        "[training]", *(f"{key} = {json.dumps(value)}" for key, value in settings.items()),
    ]  # fmt: skip
    config = folder / "config.toml"
    config.write_text("\n".join(lines) + "\n", "utf-8")
    return config
