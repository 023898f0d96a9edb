"""How speed and memory scale: with the sequence's length, the samples of a step, the vocabulary.

    python benchmarks/train_scaling.py [--rounds N] [--json] [--out FILE] [--plot FILE.svg]
    python benchmarks/train_scaling.py --from FILE.json --plot FILE.svg

Ours (selective recompute for lengths) beside mlx-lm's own loop, taking turns.
"""

import argparse
from typing import Any

from bar_chart import Panel, draw_charts
from options import interleaved_parser, report
from train_vs_mlx_lm import interleave, ratio

LENGTHS = (256, 512, 1024, 2048)
SAMPLES = (1, 4, 12, 24)
VOCABULARIES = (16_384, 49_152, 147_456)


TITLES = {
    "length": "Single sequences of so many tokens, selective recompute",
    "samples": "Samples a step of the demo corpus, rows of 2048 tokens",
    "vocabulary": "Rows of the vocabulary, single sequences of 256 tokens",
}


def main() -> None:
    report(interleaved_parser(__doc__, rounds=1).parse_args(), measure, render, draw)


def measure(args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Run everything; see the module's docstring."""
    common = {"rounds": args.rounds, "threads": args.threads, "config": args.config}
    result: dict[str, dict[str, Any]] = {"length": {}, "samples": {}, "vocabulary": {}}
    for length in LENGTHS:
        result["length"][str(length)] = compare("web4mlx_selective", length=length, **common)
    for samples in SAMPLES:
        result["samples"][str(samples)] = compare("web4mlx", samples=samples, **common)
    for vocabulary in VOCABULARIES:
        options = {"length": 256, "vocabulary": vocabulary}
        result["vocabulary"][str(vocabulary)] = compare("web4mlx", **options, **common)
    return result


def render(result: dict[str, dict[str, Any]]) -> str:
    """The result as text, with bars."""
    lines = []
    for axis, points in result.items():
        lines.append(f"{axis:>12s}  speed  activations, ours over mlx-lm's")
        for point, row in points.items():
            bar = "█" * round(12 * row["speed"])
            lines.append(f"{point:>12s}{row['speed']:7.2f}×{row['activations']:8.2f}  {bar}")
    return "\n".join(lines)


def draw(result: dict[str, dict[str, Any]]) -> str:
    """The result as a picture: a panel an axis, speed and activations at every point."""
    panels = [
        Panel(
            TITLES[axis],
            ("speed", "activation memory"),
            {f"{int(point):,}": (row["speed"], row["activations"]) for point, row in points.items()},
            unit="×",
            reference="mlx-lm",
        )
        for axis, points in result.items()
    ]
    return draw_charts("How training scales: web4mlx over mlx-lm", panels)


def compare(ours: str, **options: Any) -> dict[str, float]:
    """Our speed and activation memory over mlx-lm's."""
    medians = interleave((ours, "mlx_lm"), **options)
    one, other = medians[ours], medians["mlx_lm"]
    return {
        "speed": ratio(one, other, "tokens_per_second"),
        "activations": ratio(one, other, "activation_bytes"),
    }


if __name__ == "__main__":
    main()
