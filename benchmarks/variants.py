"""Training passes of the benchmarks: each variant takes the same steps of the same samples and is timed.

A pass runs in a process of its own (`python benchmarks/variants.py VARIANT …`) and prints one line of JSON.
Every step is taken twice; the first time warms up and lets mlx-lm compile for the lengths at hand, the second
is timed. Dropout is off and AdamW corrects its bias in all variants, so that they do the same work.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RANK, ALPHA = 16, 32.0
OURS = {
    "web4mlx": {},
    "web4mlx_rows_512": {"row_tokens": 512},
    "web4mlx_selective": {"recompute": "selective"},
    "web4mlx_full": {"recompute": "full"},
    "web4mlx_bucketed": {"batching": "bucketed"},
    "web4mlx_unshared": {"share": False},
    "web4mlx_library_layers": {"batching": "bucketed", "library": True},
    "web4mlx_library_layers_plain_head": {"batching": "bucketed", "library": True, "plain": True},
}
THEIRS = {
    "mlx_lm": {"checkpointed": False},
    "mlx_lm_checkpointed": {"checkpointed": True},
    "mlx_lm_token_mean": {"checkpointed": False, "token_mean": True},
    "naive_plan": {"checkpointed": False, "pad_to": 2048},
}


def run_child(variant: str, threads: int, **options: Any) -> dict[str, Any]:
    """Run a pass in a process of its own with this many BLAS threads; returns its figures."""
    command = [sys.executable, __file__, variant]
    for key, value in options.items():
        command += [f"--{key}"] if value is True else [f"--{key}", str(value)]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": str(threads)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(f"{variant} failed:\n{done.stderr}")
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("variant", choices=[*OURS, *THEIRS])
    parser.add_argument("--config", default="demo")
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--samples", type=int, default=0, help="samples per step; 0: the configuration's")
    parser.add_argument(
        "--length", type=int, default=0, help="random single sequences of this length instead"
    )
    parser.add_argument("--vocabulary", type=int, default=0, help="cut or repeat the head to so many rows")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--curve", action="store_true", help="no warm-up; report the validation loss")
    print(json.dumps(Pass(parser.parse_args()).run()))


class Pass:
    """One pass: loads the base and the samples, then trains."""

    def __init__(self, args: argparse.Namespace) -> None:
        from web4mlx.config import find_config, load_config
        from web4mlx.machine.mlx_runtime import load_mlx

        file = find_config(args.config)
        self.config = load_config(file, {"lora.dropout": 0.0, "training.warmup_steps": 0})
        self.mx = load_mlx(self.config.hardware.device)
        self.args = args
        self.base, self.data = load_inputs(self.config, file)
        self.rows = random_rows(args.length) if args.length else self.data.train
        self.steps = self.choose_steps()

    def choose_steps(self) -> list[list[int]]:
        """Sample indices of each step, equally many: mlx-lm counts micro-batches to know when a step ends.

        A naive step is one sample, because padded all cost the same.
        """
        from web4mlx.train.sampler import Sampler

        if self.args.length:
            return [[index % len(self.rows)] for index in range(self.args.steps)]
        per_step = self.args.samples or self.config.training.samples_per_step
        if self.args.variant == "naive_plan":
            per_step = 1
        plans = Sampler(len(self.rows), per_step, 5, self.args.seed).steps()
        steps = [next(plans).samples.tolist() for _ in range(self.args.steps)]
        size = min(map(len, steps))
        return [step[:size] for step in steps]

    def run(self) -> dict[str, Any]:
        name = self.args.variant
        if name in OURS:
            seconds, peak, resident, model = self.run_ours(**OURS[name])
        else:
            seconds, peak, resident, model = self.run_mlx_lm(**THEIRS[name])
        tokens = [int(self.rows.lengths[step].sum()) for step in self.steps]
        if name == "naive_plan":  # one sample stands for all: scale to the mean sample
            tokens = [float(self.rows.lengths.mean())] * len(tokens)
        figures = {
            "tokens_per_second": statistics.median(t / s for t, s in zip(tokens, seconds, strict=True)),
            "step_s": statistics.median(seconds),
            "peak_bytes": peak,
            "activation_bytes": peak - resident,
        }
        if self.args.curve:
            figures["validation_loss"] = validation_loss(model, self.data.validation)
        return figures

    def order(self) -> list[tuple[list[int], bool]]:
        """Steps in the order they are taken, and whether each is timed."""
        if self.args.curve or self.args.variant == "naive_plan":  # a minute a sample: no warm-up
            return [(step, True) for step in self.steps]
        return [(step, timed) for step in self.steps for timed in (False, True)]

    def load_model(self) -> Any:
        import mlx.nn as nn
        from mlx_lm.utils import load_model

        model, _ = load_model(self.base)
        model.set_dtype(self.mx.float32 if self.mx.default_device() == self.mx.cpu else self.mx.float16)
        if self.args.vocabulary:
            weight = model.model.embed_tokens.weight
            repeats = -(-self.args.vocabulary // len(weight))
            model.model.embed_tokens = nn.Embedding(1, 1)
            model.model.embed_tokens.weight = self.mx.tile(weight, (repeats, 1))[: self.args.vocabulary]
        return model

    def run_ours(
        self, row_tokens: int = 2048, recompute: str = "none", batching: str = "packed", share: bool = True,
        library: bool = False, plain: bool = False,
    ) -> tuple[list[float], int, int, Any]:  # fmt: skip
        from web4mlx.train import packing, step
        from web4mlx.train.batches import Layout
        from web4mlx.train.lora import attach_adapters, first_adapters, place_adapters
        from web4mlx.train.loss import plain_loss_sum
        from web4mlx.train.network import LibraryLayers, OwnLayers
        from web4mlx.train.recompute import recompute_plan

        mx, model = self.mx, self.load_model()
        names = attach_adapters(model, self.config.lora)
        dtype = model.model.embed_tokens.weight.dtype
        plan = recompute_plan(recompute, len(model.layers))
        network = (
            LibraryLayers(model, names, dtype) if library else OwnLayers(model, ALPHA / RANK, 0, dtype, plan)
        )
        if not share:
            packing.shared_prefix = lambda rows, samples: 0
        if plain:
            step.token_loss_sum = lambda network, adapters, batch, seed: (
                place_adapters(model, adapters, dtype) or plain_loss_sum(model, batch)
            )
        adapters = first_adapters(model, names, RANK, self.args.seed)
        optimizer = step.new_optimizer(self.config.training)
        optimizer.init(adapters)
        mx.eval(model.parameters(), optimizer.state)
        layout = Layout(batching, row_tokens, self.config.data.max_seq_length)
        resident, times = mx.get_active_memory(), []
        for samples, timed in self.order():
            mx.reset_peak_memory()
            started = time.perf_counter()
            _, gradients = step.step_gradients(network, adapters, layout(self.rows, samples), 0, 1.0)
            adapters, _ = step.apply_gradients(
                adapters, gradients, optimizer, self.config.training.max_grad_norm, 1.0
            )
            if timed:
                times.append(time.perf_counter() - started)
        peak = mx.get_peak_memory()
        place_adapters(model, adapters, dtype)
        return times, peak, resident, model

    def run_mlx_lm(
        self, checkpointed: bool, pad_to: int = 0, token_mean: bool = False
    ) -> tuple[list[float], int, int, Any]:
        """mlx-lm's own `train`: batch 1, accumulation over the samples of a step, in the same order.

        It averages the samples' mean losses, so that a token of a short answer weighs more than one of a
        long answer; with `token_mean` every supervised token of a step weighs the same, as in our loop.
        """
        import mlx.optimizers as optim
        import numpy as np
        from mlx_lm.tuner import trainer
        from mlx_lm.tuner.callbacks import TrainingCallback
        from mlx_lm.tuner.utils import linear_to_lora_layers

        mx, rows = self.mx, self.rows
        mx.random.seed(self.args.seed)
        model = self.load_model()
        model.freeze()
        keys = [f"self_attn.{k}_proj" for k in "qkvo"] + [f"mlp.{k}_proj" for k in ("gate", "up", "down")]
        lora = {"rank": RANK, "scale": ALPHA / RANK, "dropout": 0.0, "keys": keys}
        linear_to_lora_layers(model, len(model.layers), lora)
        mx.eval(model.parameters())
        order = [index for samples, _ in self.order() for index in samples]
        tokens = [sum(sum(rows[i].mask) for i in samples) for samples, _ in self.order() for _ in samples]
        size = len(self.steps[0])
        times: list[float] = []

        class Clock(TrainingCallback):  # type: ignore[misc]
            def on_train_loss_report(self, info: dict[str, Any]) -> None:
                times.append(1 / info["iterations_per_second"])
                if len(times) < len(order):
                    peaks.append(mx.get_peak_memory())
                    mx.reset_peak_memory()

        def batches(dataset: Any, **options: Any) -> Iterator[tuple[Any, Any]]:
            for index, of_step in zip(order, tokens, strict=True):
                row = rows[index]
                width = pad_to or 1 + 32 * ((len(row) + 31) // 32)
                padded = np.zeros((1, width), np.int32)
                padded[0, : len(row)] = row.tokens
                yield mx.array(padded), mx.array([[row.mask.index(True), len(row) - 1, of_step]])

        def loss(model: Any, batch: Any, lengths: Any) -> tuple[Any, Any]:
            mean, count = trainer.default_loss(model, batch, lengths[:, :2])
            return (mean * count * size / lengths[0, 2] if token_mean else mean), count

        peaks: list[int] = []
        folder = Path(self.config.outputs)
        folder.mkdir(parents=True, exist_ok=True)
        args = trainer.TrainingArgs(
            batch_size=1, iters=len(order), steps_per_report=1, steps_per_eval=10**9, steps_per_save=10**9,
            grad_accumulation_steps=size, grad_checkpoint=checkpointed,
            adapter_file=str(folder / "benchmark_adapters.safetensors"),
        )  # fmt: skip
        rate, decay = self.config.training.learning_rate, self.config.training.weight_decay
        optimizer = optim.AdamW(rate, weight_decay=decay, bias_correction=True)
        adapters = sum(v.nbytes for v in _leaves(model.trainable_parameters()))
        resident = mx.get_active_memory() + 2 * adapters
        mx.reset_peak_memory()
        stdout, sys.stdout = sys.stdout, sys.stderr
        options = {"loss": loss, "iterate_batches": batches, "training_callback": Clock()}
        trainer.train(model, optimizer, rows, args=args, **options)
        sys.stdout = stdout
        peaks.append(mx.get_peak_memory())
        seconds, start = [], 0
        for samples, timed in self.order():
            if timed:
                seconds.append(sum(times[start : start + len(samples)]))
            start += len(samples)
        return seconds, max(peaks[len(peaks) // 2 :]), resident, model


def _leaves(tree: Any) -> list[Any]:
    from mlx.utils import tree_flatten

    return [value for _, value in tree_flatten(tree)]


def load_inputs(config: Any, file: Path) -> tuple[Path, Any]:
    """The base and the corpus, made or fetched when they are missing."""
    from web4mlx.cli.output import EventPrinter
    from web4mlx.data.corpus import write_corpus
    from web4mlx.events import EventLog
    from web4mlx.models.base import ensure_base
    from web4mlx.models.tokenizer import ChatTokenizer
    from web4mlx.train.prepare import load_training_data

    log = EventLog(None, "benchmark", "inputs", EventPrinter())
    base = ensure_base(config.model, log)
    if config.data.sample_scale and not config.data.eval.is_file():
        write_corpus(config.data.eval.parent, config.data.sample_scale, config.data.sample_seed, log)
    return base, load_training_data(config, ChatTokenizer(base))


def random_rows(length: int, count: int = 4, prompt_share: float = 0.4) -> Any:
    """Rows of random tokens, `length` inputs each, the first part not supervised."""
    import numpy as np

    from web4mlx.data.chat import Row
    from web4mlx.data.rows import RowSet

    generator = np.random.default_rng(0)
    prompt = round(length * prompt_share)
    mask = (False,) * prompt + (True,) * (length + 1 - prompt)
    return RowSet(
        [Row(tuple(generator.integers(3, 400, length + 1).tolist()), mask, str(n)) for n in range(count)]
    )


def validation_loss(model: Any, rows: Any) -> float:
    """Mean loss per supervised token, the plain way from all logits, the same for every variant."""
    from web4mlx.train.batches import lay_out_bucketed
    from web4mlx.train.loss import plain_loss_sum

    model.eval()
    batches = lay_out_bucketed(rows, range(len(rows)), 512)
    total = sum(plain_loss_sum(model, batch).item() for batch in batches)
    return float(total / sum(len(batch.targets) for batch in batches))


if __name__ == "__main__":
    main()
