"""A float16 run through the trainer: overflows are skipped, the scale finds its place, the loss falls."""

import json
from pathlib import Path

import pytest

from tests.functional.test_train import train_here
from tests.training_project import write_project
from web4mlx.events import Warned


def write_half_project(folder: Path, dtype: str, **training: object) -> Path:
    config = write_project(folder, samples=8, gradient_accumulation_steps=4, eval_steps=100, **training)
    config.write_text(config.read_text() + f'[hardware]\ndevice = "cpu"\ndtype = "{dtype}"\n')
    return config


def test_float16_skips_overflows_halves_the_scale_and_then_learns(
    in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first scale is far too large, so that the first gradients really overflow on their way back."""
    from web4mlx.train import step

    monkeypatch.setattr(step, "FIRST_SCALE", 2.0**26)
    run, events = train_here(write_half_project(in_tmp, "float16", epochs=10, max_skipped_in_a_row=30))
    stats = json.loads((run / "training_stats.json").read_text())
    newest = sorted((run / "checkpoints").glob("step_*"))[-1]
    state = json.loads((newest / "state.json").read_text())
    skipped = [event for event in events if isinstance(event, Warned) and event.code == "non-finite"]
    assert stats["skipped_steps"] == len(skipped) >= 3
    assert state["loss_scale"] == 2.0 ** (26 - len(skipped))
    assert state["good_steps"] > 0
    assert stats["best_val_loss"] < 0.95 * stats["base_val_loss"]
    assert_float32_masters(newest)


def test_bfloat16_needs_no_scale_and_learns(in_tmp: Path) -> None:
    run, _ = train_here(write_half_project(in_tmp, "bfloat16", epochs=8))
    stats = json.loads((run / "training_stats.json").read_text())
    newest = sorted((run / "checkpoints").glob("step_*"))[-1]
    assert (stats["dtype"], stats["skipped_steps"]) == ("bfloat16", 0)
    assert json.loads((newest / "state.json").read_text())["loss_scale"] == 1.0
    assert stats["best_val_loss"] < 0.95 * stats["base_val_loss"]
    assert_float32_masters(newest)


def assert_float32_masters(checkpoint: Path) -> None:
    """Adapters and moments of a checkpoint are float32."""
    from safetensors import safe_open

    for name, own in (("adapter", ()), ("optimizer", ("step", "learning_rate"))):
        with safe_open(checkpoint / f"{name}.safetensors", "numpy") as file:
            keys = set(file.keys()) - set(own)
            assert {file.get_slice(key).get_dtype() for key in keys} == {"F32"}
