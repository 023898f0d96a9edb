"""What each technique of the training loop adds: one taken away at a time, and all together.

    python benchmarks/train_techniques.py [--rounds N] [--json] [--out FILE] [--plot FILE.svg]
    python benchmarks/train_techniques.py --from FILE.json --plot FILE.svg

Whole steps of the demo corpus, variants take turns. mlx-lm's own loop is there for comparison.
"""

import argparse

from bar_chart import Panel, draw_charts
from options import interleaved_parser, report
from train_vs_mlx_lm import interleave

VARIANTS = {
    "mlx_lm": "mlx-lm's own loop",
    "web4mlx_library_layers_plain_head": "our loop, mlx-lm's layers, all logits",
    "web4mlx_library_layers": "… and the one-pass head on supervised rows",
    "web4mlx_bucketed": "… and our layers, padded by length",
    "web4mlx_unshared": "… and packed rows",
    "web4mlx": "… and the shared prefix: everything",
    "web4mlx_selective": "everything, selective recompute",
    "web4mlx_full": "everything, all layers recomputed",
}


def main() -> None:
    report(interleaved_parser(__doc__, rounds=2).parse_args(), measure, render, draw)


def measure(args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Each variant's speed and peak memory over those of mlx-lm's own loop."""
    medians = interleave(list(VARIANTS), args.rounds, threads=args.threads, config=args.config)
    base = medians["mlx_lm"]
    return {
        name: {
            "speed": round(row["tokens_per_second"] / base["tokens_per_second"], 3),
            "peak": round(row["peak_bytes"] / base["peak_bytes"], 3),
        }
        for name, row in medians.items()
    }


def render(result: dict[str, dict[str, float]]) -> str:
    """The result as text, with bars."""
    return "\n".join(
        f"{VARIANTS[name]:45s}{row['speed']:7.2f}×{row['peak']:7.2f} peak  {'█' * round(12 * row['speed'])}"
        for name, row in result.items()
    )


def draw(result: dict[str, dict[str, float]]) -> str:
    """The result as a picture: speed and peak memory of every variant."""
    rows = {VARIANTS[name]: (row["speed"], row["peak"]) for name, row in result.items()}
    title = "Whole steps of the demo corpus"
    panel = Panel(title, ("speed", "peak memory"), rows, unit="×", reference="mlx-lm")
    return draw_charts("What each technique of the training loop adds: over mlx-lm's own loop", [panel])


if __name__ == "__main__":
    main()
