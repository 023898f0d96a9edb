"""What rounding by training rows is worth: the error of Q5_0 outputs for held-out rows, against the nearest.

    python benchmarks/rounding.py MERGED [--config demo] [--rows 64] [--json] [--out FILE]

MERGED is a fused model, e.g. of `make demo`. Each projection is rounded both ways, and both read the inputs
that the float32 model has on the evaluation file, which decided nothing. An error is the norm of the change
of the outputs over the norm of the outputs; the median over the layers is shown.
"""

import argparse
from collections import defaultdict
from pathlib import Path
from statistics import median

import numpy as np
from gguf import GGMLQuantizationType
from gguf.quants import dequantize, quantize
from options import plain_parser, show

from web4mlx.config import find_config, load_config
from web4mlx.events import EventLog
from web4mlx.export.plan import ExportOptions, plan_export
from web4mlx.export.predict import gguf_name
from web4mlx.export.rounding import inverse_factor, round_matrix, roundable, watch_inputs
from web4mlx.export.stage import spread_rows
from web4mlx.fuse.parity import load_for_parity

Q5_0 = GGMLQuantizationType.Q5_0


def main() -> None:
    parser = plain_parser(__doc__)
    parser.add_argument("merged", type=Path)
    parser.add_argument("--config", default="demo")
    parser.add_argument("--rows", type=int, default=64, help="training rows that decide")
    args = parser.parse_args()
    show(measure(args), args, render)


def measure(args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Median errors by projection, in percent."""
    config = load_config(find_config(args.config))
    plan = plan_export(args.merged, config, config.outputs / "rounding.gguf", ExportOptions())
    names, device = roundable(plan.prediction), config.hardware.device
    decided = spread_rows(config.data.train, args.rows, config, plan.source)
    judged = spread_rows([config.data.eval], 10**6, config, plan.source)
    with EventLog(None, "benchmark", "rounding") as log:
        training = watch_inputs(args.merged, names, decided, device, log)
        held_out = watch_inputs(args.merged, names, judged, device, log)
    weights = {
        gguf_name(f"{name}.weight"): np.array(module.weight)
        for name, module in load_for_parity(args.merged, in_float32=True).named_modules()
        if name.endswith("_proj")
    }
    errors: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for seen, unseen in zip(training, held_out, strict=True):
        factor = inverse_factor(seen.moments)
        for name in seen.readers:
            weight = weights[name]
            ways = {
                "nearest": dequantize(quantize(weight, Q5_0), Q5_0),
                "by rows": round_matrix(weight, factor),
            }
            for way, values in ways.items():
                errors[name.split(".")[2]][way].append(output_error(values, weight, unseen.moments))
    return {
        leaf: {way: round(100 * median(found), 2) for way, found in ways.items()}
        for leaf, ways in errors.items()
    }


def output_error(values: np.ndarray, weight: np.ndarray, moments: np.ndarray) -> float:
    """Relative change of the outputs for inputs of these second moments."""
    change = values - weight
    return float(np.sqrt(np.sum((change @ moments) * change) / np.sum((weight @ moments) * weight)))


def render(result: dict[str, dict[str, float]]) -> str:
    """The result as text."""
    lines = [f"{'projection':12s} {'nearest':>8s} {'by rows':>8s}  error of the outputs, percent"]
    lines += [f"{leaf:12s} {row['nearest']:8.2f} {row['by rows']:8.2f}" for leaf, row in result.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
