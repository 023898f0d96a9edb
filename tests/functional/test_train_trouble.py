"""Training in trouble: interrupted, non-finite, out of memory; what is kept, and what is said."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.training_project import train_here, write_project
from web4mlx.config import load_config
from web4mlx.errors import StageCrashed
from web4mlx.events import Event, Step, Warned, read_events
from web4mlx.train import deaths, supervise


@pytest.fixture
def project(in_tmp: Path) -> Path:
    return write_project(in_tmp)


def test_interrupt_finishes_the_step_and_checkpoints(in_tmp: Path) -> None:
    config = load_config(write_project(in_tmp, epochs=50, save_steps=1000, eval_steps=1000))
    run = supervise.new_run(config)
    trainer = subprocess.Popen([sys.executable, "-m", "web4mlx.train.worker", str(run)])
    while not any(isinstance(e, Step) for e, _ in read_events(run / "events.jsonl")):
        assert trainer.poll() is None
        time.sleep(0.02)
    trainer.send_signal(signal.SIGINT)
    assert trainer.wait(300) == 130
    assert len(list((run / "checkpoints").glob("step_*/state.json"))) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_request_while_a_stopped_trainer_ends_changes_nothing(
    number: signal.Signals, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from web4mlx.train import board, loop, worker

    def stopped(*args: Any) -> None:
        with loop.StopSignals(SimpleNamespace(stop_requested=True)):
            raise loop.Stopped

    monkeypatch.setattr(worker, "train_run", stopped)
    monkeypatch.setattr(board.TensorBoard, "close", lambda self: signal.raise_signal(number))
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(number, signal.default_int_handler)
    try:
        assert worker.main(supervise.new_run(load_config(project))) == 130
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def test_an_infinite_batch_is_survived(project: Path) -> None:
    from web4mlx.train.step import step_gradients

    calls = []

    def poisoned(*args: Any) -> object:
        loss, gradients = step_gradients(*args)
        calls.append(1)
        if len(calls) == 2:
            gradients = {key: value * float("inf") for key, value in gradients.items()}
        return loss, gradients

    run, events = train_here(project, poisoned)
    assert [e.code for e in events if isinstance(e, Warned)].count("non-finite") == 1
    stats = json.loads((run / "training_stats.json").read_text())
    assert stats["skipped_steps"] == 1
    assert np.isfinite(stats["train_loss"])


def test_many_infinite_batches_stop_the_run_with_good_checkpoints(in_tmp: Path) -> None:
    from web4mlx.train.step import step_gradients

    config_file = write_project(in_tmp, epochs=20, max_skipped_in_a_row=3)
    calls = []

    def poisoned(*args: Any) -> object:
        loss, gradients = step_gradients(*args)
        calls.append(1)
        return (loss * float("nan"), gradients) if len(calls) > 4 else (loss, gradients)

    with pytest.raises(StageCrashed, match="3 steps in a row"):
        train_here(config_file, poisoned)
    (run,) = (in_tmp / "outputs").glob("tiny_lora_*")
    from web4mlx.machine.mlx_runtime import load_mlx

    mx = load_mlx("cpu")
    newest = sorted((run / "checkpoints").glob("step_*"))[-1]
    assert all(bool(mx.isfinite(v).all()) for v in mx.load(str(newest / "adapter.safetensors")).values())


def test_a_killed_trainer_is_explained(tmp_path: Path) -> None:
    aborted = deaths.explain(-6, "libc++abi: terminating: [METAL] Insufficient Memory", tmp_path)
    assert "out of memory" in aborted.message
    assert "--resume" in aborted.hint
    assert "killed by signal 11: last words" in deaths.explain(-11, "last words\n", tmp_path).message
    assert "memory ran out" in deaths.explain(-9, "", tmp_path).message
    assert (
        "display"
        in deaths.explain(-6, "kIOGPUCommandBufferCallbackErrorImpactingInteractivity", tmp_path).message
    )


DYING_ONCE = """
import os, sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
run = Path(sys.argv[1])
if not (run / "died").exists():
    (run / "died").touch()
    print("[METAL] Command buffer execution failed: Insufficient Memory", flush=True)
    os.abort()
from web4mlx.train.worker import main
sys.exit(main(run))
"""


def test_after_running_out_of_memory_training_goes_on_leaner(
    project: Path, in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (in_tmp / "dying_once.py").write_text(DYING_ONCE)
    monkeypatch.setenv("PYTHONPATH", f"{in_tmp}:{Path(__file__).parents[2]}")
    monkeypatch.setattr(supervise, "WORKER", "dying_once")
    run = supervise.new_run(load_config(project))
    shown: list[Event] = []
    supervise.supervise(run, shown.append)
    assert [e.code for e in shown if isinstance(e, Warned) and e.code == "restart"] == ["restart"]
    assert load_config(run / "config.toml").training.recompute == "full"
    assert (run / "manifest.json").is_file()


def test_a_run_that_is_as_lean_as_can_be_is_not_tried_again(project: Path) -> None:
    run = supervise.new_run(load_config(project))
    assert deaths.prepare_retry(deaths.OUT_OF_MEMORY, run)
    assert not deaths.prepare_retry(deaths.OUT_OF_MEMORY, run)
    assert not deaths.prepare_retry(None, run)
