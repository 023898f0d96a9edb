"""Predicted against measured peak memory and time of a step, for three shapes.

    python benchmarks/plan_accuracy.py [--layers N] [--length T] [--json] [--out FILE] [--plot FILE.svg]
    python benchmarks/plan_accuracy.py --from FILE.json --plot FILE.svg

The demo's model on the demo's rows, the same with rows of 512 tokens, and two layers of the 7B's exact shape
with random weights at 2048 tokens, whose peak a layer is carried on to 28 layers in 16 bits. Time is
predicted from one layer, as `web4mlx plan` does it, right before it is measured.
"""

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bar_chart import Panel, draw_charts
from options import new_parser, report

QWEN_7B = {
    "model_type": "qwen2", "hidden_size": 3584, "intermediate_size": 18944,
    "num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064,
    "rms_norm_eps": 1e-6, "rope_theta": 1e6, "tie_word_embeddings": False, "max_position_embeddings": 32768,
}  # fmt: skip
WAYS = ("none", "selective", "full")


def main() -> None:
    parser = new_parser(__doc__)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--length", type=int, default=2048)
    report(parser.parse_args(), measure, render, draw)


def measure(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Predict and measure every shape."""
    from web4mlx.machine.mlx_runtime import load_mlx

    load_mlx()
    return [*demo_shapes(args.config), *seven_billion(args.layers, args.length)]


def render(results: list[dict[str, Any]]) -> str:
    """The results as a table."""
    titles = ("peak GB", "predicted", "ratio", "seconds", "predicted", "ratio")
    lines = [f"{'shape':34s}{'way':11s}" + "".join(f"{title:>10s}" for title in titles)]
    for row in results:
        measured = f"{row['peak_bytes'] / 1e9:10.2f}" if "peak_bytes" in row else " " * 10
        rest = ""
        if "step_s" in row:
            ratio = row["predicted_s"] / row["step_s"]
            rest = f"{row['peak_ratio']:10.2f}{row['step_s']:10.1f}{row['predicted_s']:10.1f}{ratio:10.2f}"
        predicted = row["predicted_bytes"] / 1e9
        lines.append(f"{row['shape']:34s}{row['way']:11s}{measured}{predicted:10.2f}{rest}")
    return "\n".join(lines)


def draw(results: list[dict[str, Any]]) -> str:
    """The results as a picture: peak memory and time, predicted beside measured."""
    peaks = {name_row(row): (in_gb(row.get("peak_bytes")), in_gb(row["predicted_bytes"])) for row in results}
    timed = {name_row(row): (row["step_s"], row["predicted_s"]) for row in results if "step_s" in row}
    series = ("measured", "predicted")
    panels = [
        Panel("Peak memory", series, peaks, unit=" GB"),
        Panel("Time of a step", series, timed, unit=" s"),
    ]
    return draw_charts("The plan of a training, and what was measured", panels)


def name_row(row: dict[str, Any]) -> str:
    """The shape and the way of a row; a number of layers is recomputed in full."""
    way = row["way"]
    return f"{row['shape']}: {way} layers in full" if way.isdigit() else f"{row['shape']}: {way}"


def in_gb(size: float | None) -> float | None:
    """Bytes in GB, where they were measured."""
    return None if size is None else size / 1e9


def demo_shapes(config_name: str) -> list[dict[str, Any]]:
    """The demo's model on its largest step, with rows of 2048 and of 512 tokens."""
    from variants import load_inputs

    from web4mlx.config import find_config, load_config
    from web4mlx.plan.report import Plan

    file = find_config(config_name)
    config = load_config(file)
    load_inputs(config, file)
    plan = Plan(config)
    found = []
    for row_tokens in (2048, 512):
        work = plan.work(row_tokens)
        batches = plan.layout(row_tokens)(plan.data.train, work.largest_samples)
        for way in WAYS:
            found.append({"shape": f"demo, rows of {row_tokens}"} | compare(config, plan.base, way, batches))
    return found


def seven_billion(layers: int, length: int) -> list[dict[str, Any]]:
    """Some layers of the 7B's shape, measured, and all 28 in 16 bits, predicted."""
    from variants import random_rows

    from web4mlx.config.schema import DataConfig, RunConfig
    from web4mlx.plan.strategy import Planner
    from web4mlx.plan.work import work_of
    from web4mlx.train.packing import pack

    batches = pack(random_rows(length, 1, 0.5), [0], length)
    config = RunConfig(data=DataConfig(train=(Path("a.jsonl"),), eval=Path("b.jsonl")))
    found = []
    with TemporaryDirectory() as folder:
        base = Path(folder)
        (base / "config.json").write_text(json.dumps(QWEN_7B | {"num_hidden_layers": layers}), "utf-8")
        for way in ("selective", "full"):
            found.append({"shape": f"7B, {layers} layers, {length}"} | compare(config, base, way, batches))
        (base / "config.json").write_text(json.dumps(QWEN_7B), "utf-8")
        planner = Planner.for_config(config, base, "float16", on_gpu=True)
        row = work_of(batches[0])
        choice = planner.choose(row, 23e9)
        for way in ("selective", choice, "full"):
            found.append(
                {
                    "shape": f"7B, 28 layers, {length}, float16",
                    "way": str(way),
                    "predicted_bytes": planner.peak(row, way),
                    "parts": asdict(planner.memory(row, way)),
                }
            )
    return found


def compare(config: Any, base: Path, way: str, batches: list[Any]) -> dict[str, Any]:
    """Predict, then take the step twice and measure the second time."""
    import mlx.core as mx

    from web4mlx.plan.calibrate import calibrate
    from web4mlx.plan.strategy import Planner
    from web4mlx.plan.work import add_up, work_of
    from web4mlx.train.lora import attach_adapters, first_adapters
    from web4mlx.train.network import OwnLayers
    from web4mlx.train.recompute import recompute_plan
    from web4mlx.train.step import apply_gradients, new_optimizer, step_gradients

    planner = Planner.for_config(config, base, "float32", on_gpu=False)
    forecast = calibrate(base, config.lora, "float32")
    model = random_model(base)
    names = attach_adapters(model, config.lora)
    adapters = first_adapters(model, names, config.lora.rank, 0)
    ways = recompute_plan(way, len(model.layers))
    network = OwnLayers(model, config.lora.scale, config.lora.dropout, mx.float32, ways)
    optimizer = new_optimizer(config.training)
    optimizer.init(adapters)
    mx.eval(model.parameters(), adapters, optimizer.state)
    for _ in range(2):
        mx.reset_peak_memory()
        started = time.perf_counter()
        _, gradients = step_gradients(network, adapters, batches, 1, 1.0)
        adapters, _ = apply_gradients(adapters, gradients, optimizer, 1.0, 1.0)
        seconds = time.perf_counter() - started
    work = add_up(work_of(batch) for batch in batches)
    row = max((work_of(batch) for batch in batches), key=lambda one: one.computed)
    predicted, measured = planner.peak(row, way), mx.get_peak_memory()
    return {
        "way": way, "peak_bytes": measured, "predicted_bytes": predicted,
        "peak_ratio": round(predicted / measured, 3),
        "step_s": seconds, "predicted_s": forecast.seconds(work, ways),
    }  # fmt: skip


def random_model(base: Path) -> Any:
    """The model of a config.json with its weights, or with random ones when it has none."""
    import mlx.core as mx
    from mlx_lm.utils import _get_classes, load_model

    if any(base.glob("*.safetensors")):
        model, _ = load_model(base)
    else:
        config = json.loads((base / "config.json").read_text("utf-8"))
        model_class, args_class = _get_classes(config)
        model = model_class(args_class.from_dict(config))
    model.set_dtype(mx.float32)
    return model


if __name__ == "__main__":
    main()
