"""What each technique of the training loop adds: one taken away at a time, and all together.

    python benchmarks/train_techniques.py [--rounds N] [--json] [--out FILE]

Whole steps of the demo corpus, variants take turns. mlx-lm's own loop is there for comparison.
"""

import argparse
import json
from pathlib import Path

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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--config", default="demo")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true", dest="as_json")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    medians = interleave(list(VARIANTS), args.rounds, threads=args.threads, config=args.config)
    base = medians["mlx_lm"]
    result = {
        name: {
            "speed": round(row["tokens_per_second"] / base["tokens_per_second"], 3),
            "peak": round(row["peak_bytes"] / base["peak_bytes"], 3),
        }
        for name, row in medians.items()
    }
    if args.out:
        args.out.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    if args.as_json:
        print(json.dumps(result, indent=2))
        return
    for name, row in result.items():
        bar = "█" * round(12 * row["speed"])
        print(f"{VARIANTS[name]:45s}{row['speed']:7.2f}×{row['peak']:7.2f} peak  {bar}")


if __name__ == "__main__":
    main()
