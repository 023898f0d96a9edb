"""Training through the program: artifacts, resume after kill -9, what is refused, what decides the result."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.training_project import run_worker, sample_row, train_here, write_jsonl, write_project
from web4mlx.config import load_config
from web4mlx.errors import UsageError
from web4mlx.events import Event, Started, Step, Validation, Warned, read_events
from web4mlx.train import supervise


@pytest.fixture
def project(in_tmp: Path) -> Path:
    return write_project(in_tmp)


def test_a_run_leaves_a_complete_verified_adapter(project: Path) -> None:
    from web4mlx.verify import verify_run

    config = load_config(project)
    run = supervise.new_run(config)
    shown: list[Event] = []
    supervise.supervise(run, shown.append)
    stats = json.loads((run / "training_stats.json").read_text())
    assert stats["samples_seen"] == 60
    assert stats["total_steps"] == 4
    assert stats["best_val_loss"] < stats["base_val_loss"]
    assert stats["trainable_share"] == pytest.approx(stats["trainable_parameters"] / stats["base_parameters"])
    assert [e.step for e in shown if isinstance(e, Step)] == [1, 2, 3, 4]
    checks = verify_run(run)
    assert {check.name: check.verdict for check in checks if check.verdict != "passed"} == {}
    assert len(checks) >= 16


def test_verify_notices_damage(project: Path) -> None:
    from web4mlx.verify import verify_run

    config = load_config(project)
    run = supervise.new_run(config)
    assert run_worker(run) == 0
    (run / "tokenizer.json").write_text((run / "tokenizer.json").read_text() + " ")
    (run / "logs").rename(run / "elsewhere")
    stats = json.loads((run / "training_stats.json").read_text())
    (run / "training_stats.json").write_text(json.dumps({**stats, "train_loss": 1e6, "best_step": 0}))
    failed = {check.name for check in verify_run(run) if check.verdict != "passed"}
    assert {"tokenizer", "TensorBoard", "final loss", "validation gain"} <= failed
    (run / "adapter_config.json").unlink()
    assert [check.verdict for check in verify_run(run)] == ["failed"]


def adapter_bytes(run: Path) -> tuple[bytes, bytes]:
    return (run / "adapter_model.safetensors").read_bytes(), (
        run / "mlx" / "adapters.safetensors"
    ).read_bytes()


def test_kill_9_and_resume_gives_a_byte_identical_adapter(in_tmp: Path) -> None:
    config = load_config(write_project(in_tmp, epochs=40, save_steps=3, eval_steps=20))
    whole = supervise.new_run(config)
    assert run_worker(whole) == 0
    killed = whole.with_name("tiny_lora_killed")
    killed.mkdir()
    (killed / "config.toml").write_bytes((whole / "config.toml").read_bytes())
    kill_at = int(np.random.default_rng().integers(4, 20))
    trainer = subprocess.Popen([sys.executable, "-m", "web4mlx.train.worker", str(killed)])
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and trainer.poll() is None:
        steps = [e.step for e, _ in read_events(killed / "events.jsonl") if isinstance(e, Step)]
        if steps and steps[-1] >= kill_at:
            break
        time.sleep(0.02)
    os.kill(trainer.pid, signal.SIGKILL)
    trainer.wait()
    assert not (killed / "manifest.json").exists(), "the run ended before it was killed"
    assert supervise.find_resumable(config, "auto") == killed
    assert run_worker(killed) == 0
    assert adapter_bytes(killed) == adapter_bytes(whole)


def test_resume_with_changed_data_is_refused(project: Path, in_tmp: Path) -> None:
    config = load_config(project)
    run = supervise.new_run(config)
    assert run_worker(run) == 0
    (run / "manifest.json").unlink()
    with (in_tmp / "data" / "guardrails.jsonl").open("a") as file:
        import random

        file.write(json.dumps(sample_row(999, random.Random(1))) + "\n")
    assert run_worker(run) == 2
    with pytest.raises(UsageError, match="another configuration, other data"):
        supervise.supervise(run, lambda event: None)


def test_validation_rows_and_losses_do_not_change_the_training(in_tmp: Path) -> None:
    often = load_config(write_project(in_tmp, eval_steps=1, patience=0))
    rarely = often.model_copy(update={"training": often.training.model_copy(update={"eval_steps": 4})})
    losses = []
    for number, config in enumerate((often, rarely)):
        run = in_tmp / "outputs" / f"tiny_lora_{number}"
        run.mkdir(parents=True)
        from web4mlx.config import write_config

        write_config(config, run / "config.toml")
        assert run_worker(run) == 0
        losses.append([e.loss for e, _ in read_events(run / "events.jsonl") if isinstance(e, Step)])
    assert losses[0] == losses[1]


def test_long_prompts_never_give_nan_and_never_lose_the_end(in_tmp: Path) -> None:
    import random

    config_file = write_project(in_tmp, samples=24)
    rows = [sample_row(5000 + i, random.Random(i)) for i in range(4)]
    for row in rows:
        row["instruction"] = "word " * 500
    write_jsonl(
        in_tmp / "data" / "style_core.jsonl", [*rows, *(sample_row(i, random.Random(i)) for i in range(12))]
    )
    run, events = train_here(config_file)
    assert all(np.isfinite(e.loss) for e in events if isinstance(e, Step | Validation))
    assert [e.code for e in events if isinstance(e, Warned)].count("dropped") == 4
    assert json.loads((run / "training_stats.json").read_text())["dropped_samples"] == 4


def test_a_selection_trains_as_files_that_hold_nothing_else(project: Path, in_tmp: Path) -> None:
    from web4mlx.artifacts import read_manifest

    chosen = [f"sample-{number:04d}" for number in (1, 2, 5, 9, 14, 15, 16, 20, 28)]
    (in_tmp / "chosen.ids").write_text("# nine\n" + "\n".join(reversed(chosen)) + "\n")
    plain = project.read_text()
    project.write_text(plain.replace("[data]\n", '[data]\nselection = "chosen.ids"\n'))
    selected, events = train_here(project)
    assert [e.plan["samples"] for e in events if isinstance(e, Started)] == [9]
    assert json.loads((selected / "training_stats.json").read_text())["samples_seen"] == 18
    manifest = read_manifest(selected)
    assert manifest is not None
    assert manifest.inputs["selection"].path == "chosen.ids"
    project.write_text(plain)
    for file in (in_tmp / "data" / "style_core.jsonl", in_tmp / "data" / "guardrails.jsonl"):
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        write_jsonl(file, [row for row in rows if row["metadata"]["sample_id"] in chosen])
    reduced, _ = train_here(project)
    assert adapter_bytes(selected) == adapter_bytes(reduced)


def test_only_the_last_checkpoints_and_the_best_stay(in_tmp: Path) -> None:
    config = load_config(write_project(in_tmp, epochs=10, save_steps=2, save_total_limit=2))
    run = supervise.new_run(config)
    assert run_worker(run) == 0
    stats = json.loads((run / "training_stats.json").read_text())
    kept = {int(folder.name[5:]) for folder in (run / "checkpoints").glob("step_*")}
    assert {18, 20} <= kept <= {18, 20, stats["best_step"]}


def test_adapter_loads_in_peft_and_gives_the_same_logits(project: Path) -> None:
    from web4mlx.machine.mlx_runtime import load_mlx

    mx = load_mlx("cpu")
    import torch
    from mlx_lm.tuner.utils import load_adapters
    from mlx_lm.utils import load_model
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    run, _ = train_here(project)
    tokens = [[1, 5, 9, 30, 12, 4, 77]]
    model, _ = load_model(Path("base"))
    model.set_dtype(mx.float32)
    load_adapters(model, str(run / "mlx"))
    model.eval()
    ours = np.array(model(mx.array(tokens)))
    base = AutoModelForCausalLM.from_pretrained("base", dtype=torch.float32)
    with torch.no_grad():
        plain = base(torch.tensor(tokens)).logits.numpy()
        theirs = PeftModel.from_pretrained(base, str(run))(torch.tensor(tokens)).logits.numpy()
    assert np.abs(ours - theirs).max() < 1e-3
    assert np.abs(plain - theirs).max() > 1e-2
