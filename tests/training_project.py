"""A small real project for training tests: a micro model, generated samples, a config, in one folder.

And training it: in a process of its own, or here.
"""

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.micro_models import write_micro_llama
from web4mlx.config import load_config
from web4mlx.events import Event, EventLog

WORDS = ("build", "test", "scenario", "layer", "class", "method", "object", "state", "link", "plan", "check")
FILES = ("style_core", "guardrails")
MODELFILE = 'FROM ./outputs/web4-agent.gguf\nSYSTEM You are a Web4 agent.\nPARAMETER stop "<|im_end|>"\n'


def sample_row(number: int, generator: random.Random, words: int | None = None) -> dict[str, Any]:
    """One sample with random words; `words` fixes the length of its answer."""
    answer = " ".join(generator.choices(WORDS, k=words or generator.randint(4, 30)))
    return {
        "instruction": " ".join(generator.choices(WORDS, k=6)) + f" {number}?",
        "input": "",
        "output": answer,
        "metadata": {"task_type": "style", "sample_id": f"sample-{number:04d}"},
    }


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write rows as JSONL."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def write_project(
    folder: Path, *, samples: int = 30, base: Callable[[Path], object] = write_micro_llama, **training: object
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
        row["metadata"] |= {"is_eval": True, "never_train": True}
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


def run_worker(run: Path) -> int:
    """Train in a process of its own, as the program does."""
    done = subprocess.run([sys.executable, "-m", "web4mlx.train.worker", str(run)], capture_output=True)
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done.returncode


def train_here(config_file: Path, inject: object = None) -> tuple[Path, list[Event]]:
    """Train in this process, with something else in place of `step_gradients` on request.

    Returns:
        The run folder and the events.
    """
    from web4mlx.machine.mlx_runtime import load_mlx

    load_mlx("cpu")
    from web4mlx.train import loop, supervise, worker

    run = supervise.new_run(config := load_config(config_file))
    events: list[Event] = []
    with (
        EventLog(run / worker.EVENTS, run.name, "train", events.append) as log,
        pytest.MonkeyPatch.context() as patch,
    ):
        if inject is not None:
            patch.setattr(loop, "step_gradients", inject)
        worker.train_run(config, run, log)
    return run, events
