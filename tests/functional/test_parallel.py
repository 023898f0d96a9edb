"""Two ranks under `mlx.launch` on loopback, each in a folder of its own, as on two machines."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TypeVar

import numpy as np
import psutil
import pytest

from tests.training_project import write_project
from tests.two_ranks import launch
from web4mlx.events import Checkpoint, Event, Failed, Finished, Step, Validation, read_events

TRAIN = f"exec {sys.executable} -m web4mlx train --config config.toml"
ON_ITS_MACHINE = f"cd machine$MLX_RANK && {TRAIN}"
LIMIT_S = 300


@pytest.fixture
def machines(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same project in `alone`, `machine0` and `machine1`; temporary folders go to `tmp`."""
    first = in_tmp / "alone"
    first.mkdir()
    with pytest.MonkeyPatch.context() as inside:
        inside.chdir(first)
        config = write_project(first, epochs=15, learning_rate=0.001, save_steps=5, eval_steps=10)
    with config.open("a") as file:
        file.write("[lora]\ndropout = 0.0\n")
    for number in range(2):
        shutil.copytree(first, in_tmp / f"machine{number}")
    (in_tmp / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(in_tmp / "tmp"))
    return in_tmp


def newest_run(machine: Path) -> Path:
    return max((machine / "outputs").glob("tiny_lora_*"))


def train_alone(machine: Path, *options: str) -> Path:
    done = subprocess.run(
        ["sh", "-c", " ".join([TRAIN, *options])], cwd=machine, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return newest_run(machine)


def end_of(launcher: "subprocess.Popen[str]") -> tuple[str, dict[int, int]]:
    """What the ranks wrote, and exit codes of those that failed, as the launcher reports them."""
    text, _ = launcher.communicate(timeout=LIMIT_S)
    codes = re.findall(r"Node with rank (\d) exited with code (-?\d+)", text)
    return text, {int(rank): int(code) for rank, code in codes}


def wait_for_step(machine: Path, step: int, launcher: "subprocess.Popen[str]") -> Path:
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline and launcher.poll() is None:
        for log in (machine / "outputs").glob("*/events.jsonl"):
            if any(isinstance(event, Step) and event.step >= step for event, _ in read_events(log)):
                return log.parent
        time.sleep(0.05)
    raise AssertionError(f"step {step} was not reached: {end_of(launcher)[0]}")


def process_of(launcher: "subprocess.Popen[str]", rank: int, is_trainer: bool) -> psutil.Process:
    """The trainer process of a rank, or the command that supervises it."""
    for process in psutil.Process(launcher.pid).children(recursive=True):
        with_worker = "web4mlx.train.worker" in process.cmdline()
        if (
            "-m" in process.cmdline()
            and process.environ().get("MLX_RANK") == str(rank)
            and with_worker == is_trainer
        ):
            return process
    raise AssertionError(f"rank {rank} is not running")


def difference(run: Path, other: Path) -> float:
    """The largest difference of the last checkpoints' adapter weights."""
    from safetensors.numpy import load_file

    files = [max((folder / "checkpoints").glob("step_*")) / "adapter.safetensors" for folder in (run, other)]
    assert files[0].parent.name == files[1].parent.name
    ours, theirs = (load_file(file) for file in files)
    return max(float(np.abs(ours[key] - theirs[key]).max()) for key in theirs)


Kind = TypeVar("Kind", bound=Event)


def events_of(run: Path, kind: type[Kind]) -> list[Kind]:
    return [event for event, _ in read_events(run / "events.jsonl") if isinstance(event, kind)]


def test_two_ranks_train_like_one_and_only_rank_0_writes(machines: Path) -> None:
    text, codes = end_of(launch(ON_ITS_MACHINE, machines))
    assert codes == {}, text
    run, alone = newest_run(machines / "machine0"), train_alone(machines / "alone")
    assert difference(run, alone) < 1e-5
    kinds: tuple[type[Step | Validation], ...] = (Step, Validation)
    for kind in kinds:
        losses = [[event.loss for event in events_of(folder, kind)] for folder in (run, alone)]
        assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    assert {file.name for file in run.iterdir()} == {file.name for file in alone.iterdir()}
    assert not (machines / "machine1" / "outputs").exists()
    assert list((machines / "tmp").glob("web4mlx*")) == []
    assert text.count("step 30/30") == 1


def test_a_killed_rank_ends_all_and_the_run_goes_on_with_two_or_one(machines: Path) -> None:
    from web4mlx.train import checkpoint

    launcher = launch(ON_ITS_MACHINE, machines)
    run = wait_for_step(machines / "machine0", 3, launcher)
    process_of(launcher, 1, is_trainer=True).send_signal(signal.SIGKILL)
    text, codes = end_of(launcher)
    assert codes == {0: 4, 1: 4}, text
    assert "another rank was lost" in text
    assert "rank 1 on" in text
    (failed,) = events_of(run, Failed)
    assert "--resume" in failed.hint
    stopped_at = events_of(run, Step)[-1].step
    newest = checkpoint.read_state(checkpoint.list_checkpoints(run)[-1]).step
    assert stopped_at - 5 < newest <= stopped_at

    launcher = launch(f"{ON_ITS_MACHINE} --resume auto", machines)
    wait_for_step(machines / "machine0", stopped_at + 3, launcher)
    process_of(launcher, 1, is_trainer=False).send_signal(signal.SIGTERM)
    text, codes = end_of(launcher)
    assert codes[0] == 130, text
    assert events_of(run, Checkpoint)[-1].step == events_of(run, Step)[-1].step
    assert not (run / "manifest.json").exists(), "the run ended before it was stopped"

    assert train_alone(machines / "machine0", "--resume", "auto") == run
    assert len(events_of(run, Finished)) == 1
    assert difference(run, train_alone(machines / "alone")) < 1e-5


def test_ranks_that_would_train_something_else_are_refused(machines: Path) -> None:
    config = machines / "machine1" / "config.toml"
    config.write_text(config.read_text().replace("learning_rate = 0.001", "learning_rate = 0.002"))
    data = machines / "machine1" / "data" / "style_core.jsonl"
    data.write_text("".join(data.read_text().splitlines(keepends=True)[:-1]))
    text, codes = end_of(launch(ON_ITS_MACHINE, machines))
    assert set(codes) == {0, 1}
    assert (
        "do not train the same: data:style_core.jsonl, tokenized rows, training.learning_rate differ" in text
    )
    assert events_of(newest_run(machines / "machine0"), Step) == []


def test_a_rank_that_cannot_start_ends_the_other(machines: Path) -> None:
    (machines / "machine1" / "config.toml").unlink()
    started = time.monotonic()
    text, codes = end_of(launch(ON_ITS_MACHINE, machines))
    assert codes[1] == 3, text
    assert codes[0] in (4, 130, -signal.SIGTERM)  # by how far it had come
    assert time.monotonic() - started < 100


def test_only_train_runs_as_several_ranks(machines: Path) -> None:
    hosts = machines / "hosts.json"
    hosts.write_text('[["127.0.0.1:1"], ["127.0.0.1:2"]]')
    done = subprocess.run(
        [sys.executable, "-m", "web4mlx", "run", "alone/config.toml", "--dry-run"],
        env={**os.environ, "MLX_RANK": "1", "MLX_HOSTFILE": str(hosts)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert "web4mlx train" in done.stderr
