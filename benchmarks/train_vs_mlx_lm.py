"""Our training loop against mlx-lm's own `train` and against padding everything to 2048 tokens.

    python benchmarks/train_vs_mlx_lm.py [--quick] [--json] [--threads N] [--out FILE] [--plot FILE.svg]
    python benchmarks/train_vs_mlx_lm.py --from FILE.json --plot FILE.svg

Same base, samples, precision, LoRA and number of BLAS threads; variants take turns, figures are medians over
rounds, and only ratios are worth quoting. "Real tokens" are all tokens of all samples, without padding, as a
user counts them. Activation memory is the peak beyond weights, adapters and optimizer of a single sequence of
512 tokens. Without --quick also: the validation loss after the same steps, over three seeds.
"""

import argparse
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from typing import Any

from bar_chart import Panel, draw_charts
from options import interleaved_parser, report
from variants import run_child

STEP = ("web4mlx", "web4mlx_rows_512", "mlx_lm", "mlx_lm_checkpointed")
SINGLE = ("web4mlx", "web4mlx_selective", "web4mlx_full", "mlx_lm", "mlx_lm_checkpointed")
SINGLE_LENGTH = 512
CURVE_STEPS, SEEDS = 10, (1, 2, 3)
MAKERS = ("web4mlx", "mlx-lm's loop")


def main() -> None:
    parser = interleaved_parser(__doc__)
    parser.add_argument("--quick", action="store_true", help="one round instead of three, no loss curves")
    report(parser.parse_args(), measure, render, draw)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Run everything; see the module's docstring."""
    rounds = 1 if args.quick else 3
    common = {"threads": args.threads, "config": args.config}
    steps = interleave(STEP, rounds, **common)
    singles = interleave(SINGLE, rounds, length=SINGLE_LENGTH, steps=2, **common)
    naive = interleave(("naive_plan",), 1 if args.quick else 2, **common)
    ours = steps["web4mlx"]
    result = {
        "ratios": {
            f"vs_{name}": ratio(ours, other, "tokens_per_second")
            for name, other in (steps | naive).items()
            if not name.startswith("web4mlx")
        },
        "rows_512": {
            "speed_vs_mlx_lm": ratio(steps["web4mlx_rows_512"], steps["mlx_lm"], "tokens_per_second"),
            "peak_vs_mlx_lm": ratio(steps["web4mlx_rows_512"], steps["mlx_lm"], "peak_bytes"),
        },
        "activation_memory": compare_singles(singles, "activation_bytes"),
        "single_sequence_speed": compare_singles(singles, "tokens_per_second"),
        "medians": {"step": steps | naive, "single": singles},
        "machine": {"system": platform.platform(), "cores": os.cpu_count(), "threads": args.threads},
    }
    if not args.quick:
        result["validation_loss"] = curves(common)
    return result


def interleave(variants: Sequence[str], rounds: int, **options: Any) -> dict[str, dict[str, float]]:
    """Medians over rounds in which the variants take turns."""
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in variants}
    for number in range(rounds):
        for name in variants:
            figures = run_child(name, **options)
            runs[name].append(figures)
            speed, peak = figures["tokens_per_second"], figures["peak_bytes"] / 1e9
            print(
                f"round {number + 1}: {name:20s} {speed:8.1f} real tokens/s {peak:6.2f} GB", file=sys.stderr
            )
    return {
        name: {key: statistics.median(figures[key] for figures in several) for key in several[0]}
        for name, several in runs.items()
    }


def compare_singles(singles: dict[str, dict[str, float]], key: str) -> dict[str, float]:
    """Ours over mlx-lm's, like with like: checkpointed against full recomputation."""
    pairs = (
        ("web4mlx", "mlx_lm"),
        ("web4mlx_selective", "mlx_lm"),
        ("web4mlx_full", "mlx_lm_checkpointed"),
    )
    return {f"{one}_vs_{other}": ratio(singles[one], singles[other], key) for one, other in pairs}


def ratio(one: dict[str, float], other: dict[str, float], key: str) -> float:
    """One figure over another."""
    return round(one[key] / other[key], 3)


def curves(common: dict[str, Any]) -> dict[str, list[float]]:
    """Validation losses after the same steps, one for each seed."""
    losses: dict[str, list[float]] = {"web4mlx": [], "mlx_lm_token_mean": [], "mlx_lm": []}
    for seed in SEEDS:
        for name, found in losses.items():
            command = {"steps": CURVE_STEPS, "seed": seed, "curve": True, **common}
            found.append(round(run_child(name, **command)["validation_loss"], 4))
            print(f"seed {seed}: {name:20s} validation loss {found[-1]}", file=sys.stderr)
    return losses


def render(result: dict[str, Any]) -> str:
    """The figures as text, with bars."""
    lines = [f"{'variant':22s}{'tokens/s':>10s}{'peak GB':>9s}"]
    medians = result["medians"]["step"]
    most = max(row["tokens_per_second"] for row in medians.values())
    for name, row in medians.items():
        bar = "█" * round(40 * row["tokens_per_second"] / most)
        lines.append(f"{name:22s}{row['tokens_per_second']:10.1f}{row['peak_bytes'] / 1e9:9.2f}  {bar}")
    for part in ("ratios", "rows_512", "activation_memory", "single_sequence_speed"):
        lines += ["", part, *(f"  {key:45s} {value}" for key, value in result[part].items())]
    if "validation_loss" in result:
        lines += ["", "validation loss", *(f"  {k:20s} {v}" for k, v in result["validation_loss"].items())]
    return "\n".join(lines)


def draw(result: dict[str, Any]) -> str:
    """The figures as a picture: whole steps, single sequences, and the loss where it was measured."""
    step = result["medians"]["step"]
    panels = [
        Panel("Whole steps: real tokens a second", MAKERS, by_maker(step, "tokens_per_second")),
        Panel("Whole steps: peak memory", MAKERS, by_maker(step, "peak_bytes", 1e-9), unit=" GB"),
        Panel(
            f"Single sequences of {SINGLE_LENGTH} tokens: web4mlx over mlx-lm, like with like",
            ("speed", "activation memory"),
            {
                key.replace("_vs_", " vs "): (speed, result["activation_memory"][key])
                for key, speed in result["single_sequence_speed"].items()
            },
            unit="×",
            reference="mlx-lm",
        ),
    ]
    if losses := result.get("validation_loss"):
        title = f"Validation loss after {CURVE_STEPS} steps"
        seeds = {f"seed {seed}": found for seed, *found in zip(SEEDS, *losses.values(), strict=True)}
        panels.append(Panel(title, tuple(losses), seeds, digits=4))
    machine = result["machine"]
    caption = (
        f"{machine['system']}, {machine['cores']} cores, BLAS threads of each variant: {machine['threads']}"
    )
    return draw_charts(
        "Training with web4mlx and with mlx-lm: same base, samples and precision", panels, caption
    )


def by_maker(
    figures: dict[str, dict[str, float]], key: str, factor: float = 1
) -> dict[str, tuple[float | None, ...]]:
    """A figure of each variant, in the first column where the loop is ours and else in the second."""
    found = {name: row[key] * factor for name, row in figures.items()}
    return {
        name: (value, None) if name.startswith(MAKERS[0]) else (None, value) for name, value in found.items()
    }


if __name__ == "__main__":
    main()
