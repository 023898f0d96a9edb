"""Our training loop against mlx-lm's own `train`, on the same samples, base, precision and LoRA keys.

    python benchmarks/train_vs_mlx_lm.py [--quick] [--config demo] [--json]

Each pass is a process of its own that loads the base, takes one step to warm up and times the next ones.
Passes of the variants are interleaved, so that a noisy machine is noisy for all of them; figures are medians
over steps, and only ratios are worth quoting. "Real tokens" are all tokens of all samples, without padding.
The validation loss after the pass is measured the same plain way for every variant.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

VARIANTS = ("web4mlx", "mlx_lm", "mlx_lm_checkpointed")
RANK, ALPHA, SEED = 16, 32.0, 42
VALIDATION_ROWS = 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--config", default="demo")
    parser.add_argument("--quick", action="store_true", help="2 rounds of 2 steps instead of 3 of 6")
    parser.add_argument("--json", action="store_true", dest="as_json")
    parser.add_argument("--child", choices=VARIANTS, help=argparse.SUPPRESS)
    parser.add_argument("--steps", type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(run_variant(args.child, args.config, args.steps)))
        return
    rounds, steps = (2, 2) if args.quick else (3, 6)
    passes: dict[str, list[dict[str, Any]]] = {name: [] for name in VARIANTS}
    for round_number in range(rounds):
        for name in VARIANTS:
            command = [
                sys.executable,
                __file__,
                "--child",
                name,
                "--config",
                args.config,
                "--steps",
                str(steps),
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            passes[name].append(json.loads(done.stdout.splitlines()[-1]))
            speed = passes[name][-1]["tokens_per_second"]
            print(f"round {round_number + 1}: {name:20s} {speed:8.1f} real tokens/s", file=sys.stderr)
    result = summarize(passes)
    print(json.dumps(result, indent=2) if args.as_json else render(result))


def summarize(passes: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Medians over rounds, and ratios of ours to the others (speed: higher is better; memory: lower)."""
    medians = {
        name: {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        for name, runs in passes.items()
    }
    ours = medians["web4mlx"]
    return {
        "ratios": {
            f"vs_{name}": round(ours["tokens_per_second"] / medians[name]["tokens_per_second"], 3)
            for name in VARIANTS[1:]
        },
        "peak_memory_ratios": {
            f"vs_{name}": round(ours["peak_bytes"] / medians[name]["peak_bytes"], 3) for name in VARIANTS[1:]
        },
        "validation_loss_differences": {
            f"vs_{name}": round(ours["validation_loss"] - medians[name]["validation_loss"], 4)
            for name in VARIANTS[1:]
        },
        "medians": medians,
    }


def render(result: dict[str, Any]) -> str:
    lines = [f"{'variant':22s}{'tokens/s':>10s}{'peak GB':>9s}{'val loss':>10s}"]
    for name, row in result["medians"].items():
        peak = row["peak_bytes"] / 1e9
        lines.append(f"{name:22s}{row['tokens_per_second']:10.1f}{peak:9.2f}{row['validation_loss']:10.4f}")
    lines += [f"speed {name}: {ratio}" for name, ratio in result["ratios"].items()]
    lines += [f"peak memory {name}: {ratio}" for name, ratio in result["peak_memory_ratios"].items()]
    return "\n".join(lines)


def run_variant(name: str, config_name: str, steps: int) -> dict[str, float]:
    """One pass of one variant; dropout is off, so that the variants do the same work."""
    from web4mlx.config import find_config, load_config
    from web4mlx.machine.mlx_runtime import load_mlx
    from web4mlx.models.base import find_base
    from web4mlx.models.tokenizer import ChatTokenizer

    config = load_config(find_config(config_name), {"lora.dropout": 0.0, "training.warmup_steps": 0})
    mx = load_mlx(config.hardware.device)
    from web4mlx.train.batches import Sampler
    from web4mlx.train.prepare import load_training_data

    base = find_base(config.model)
    data = load_training_data(config, ChatTokenizer(base))
    plans = list(Sampler(len(data.train), config.training.samples_per_step, 5, SEED).steps())[: steps + 1]
    run = run_ours if name == "web4mlx" else run_mlx_lm
    times, model = run(config, base, data, plans, checkpointed=name.endswith("checkpointed"))
    tokens = [int(data.train.lengths[plan.samples].sum()) for plan in plans]
    speeds = [count / seconds for count, seconds in zip(tokens[1:], times[1:], strict=True)]
    peak = mx.get_peak_memory()
    return {
        "tokens_per_second": statistics.median(speeds),
        "peak_bytes": peak,
        "validation_loss": validation_loss(model, data.validation),
    }


def run_ours(
    config: Any, base: Path, data: Any, plans: list[Any], checkpointed: bool
) -> tuple[list[float], Any]:
    from web4mlx.train.batches import lay_out
    from web4mlx.train.lora import first_adapters, place_adapters
    from web4mlx.train.prepare import load_training_model
    from web4mlx.train.step import apply_gradients, new_optimizer, step_gradients

    loaded = load_training_model(config, base)
    adapters = first_adapters(loaded.model, loaded.names, RANK, SEED)
    optimizer = new_optimizer(config.training)
    optimizer.init(adapters)
    loaded.model.train()
    times = []
    for plan in plans:
        started = time.perf_counter()
        batches = lay_out(data.train, plan.samples.tolist(), config.data.max_seq_length)
        _, gradients = step_gradients(loaded.model, adapters, batches, loaded.dtype, 0, 1.0)
        adapters, _ = apply_gradients(adapters, gradients, optimizer, config.training.max_grad_norm, 1.0)
        times.append(time.perf_counter() - started)
    place_adapters(loaded.model, adapters, loaded.dtype)
    return times, loaded.model


def run_mlx_lm(
    config: Any, base: Path, data: Any, plans: list[Any], checkpointed: bool
) -> tuple[list[float], Any]:
    """mlx-lm's `train` with batch 1 and accumulation over the samples of a step, in the same order."""
    import mlx.core as mx
    import mlx.optimizers as optim
    import numpy as np
    from mlx_lm.tuner import trainer
    from mlx_lm.tuner.callbacks import TrainingCallback
    from mlx_lm.tuner.utils import linear_to_lora_layers
    from mlx_lm.utils import load_model

    mx.random.seed(SEED)
    model, _ = load_model(base)
    model.set_dtype(mx.float32 if mx.default_device() == mx.cpu else mx.float16)
    model.freeze()
    keys = [f"self_attn.{k}_proj" for k in "qkvo"] + [f"mlp.{k}_proj" for k in ("gate", "up", "down")]
    linear_to_lora_layers(
        model, len(model.layers), {"rank": RANK, "scale": ALPHA / RANK, "dropout": 0.0, "keys": keys}
    )
    order = [int(index) for plan in plans for index in plan.samples]
    per_step = [len(plan.samples) for plan in plans]
    times: list[float] = []

    class Clock(TrainingCallback):  # type: ignore[misc]
        def on_train_loss_report(self, info: dict[str, Any]) -> None:
            times.append(1 / info["iterations_per_second"])

    def batches(dataset: Any, **options: Any) -> Iterator[tuple[Any, Any]]:
        for index in order:
            row = data.train[index]
            width = 1 + 32 * ((len(row) + 31) // 32)
            padded = np.zeros((1, width), np.int32)
            padded[0, : len(row)] = row.tokens
            yield mx.array(padded), mx.array([[row.mask.index(True), len(row)]])

    args = trainer.TrainingArgs(
        batch_size=1, iters=len(order), steps_per_report=1, steps_per_eval=10**9, steps_per_save=10**9,
        grad_accumulation_steps=config.training.samples_per_step, grad_checkpoint=checkpointed,
        adapter_file=str(Path(config.outputs) / "benchmark_adapters.safetensors"),
    )  # fmt: skip
    Path(config.outputs).mkdir(parents=True, exist_ok=True)
    optimizer = optim.AdamW(config.training.learning_rate, weight_decay=config.training.weight_decay)
    stdout, sys.stdout = sys.stdout, sys.stderr
    trainer.train(model, optimizer, data.train, args=args, iterate_batches=batches, training_callback=Clock())
    sys.stdout = stdout
    seconds, start = [], 0
    for count in per_step:
        seconds.append(sum(times[start : start + count]))
        start += count
    return seconds, model


def validation_loss(model: Any, rows: Any) -> float:
    """Mean loss per supervised token, the plain way from all logits."""
    from web4mlx.train.batches import lay_out
    from web4mlx.train.loss import plain_loss_sum

    model.eval()
    batches = lay_out(rows, range(min(len(rows), VALIDATION_ROWS)), 512)
    total = sum(plain_loss_sum(model, batch).item() for batch in batches)
    return float(total / sum(len(batch.targets) for batch in batches))


if __name__ == "__main__":
    main()
