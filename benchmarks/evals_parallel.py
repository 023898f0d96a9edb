"""Answers one at a time, several at a time, and with prompts reused: how fast, and are they equal?

    python benchmarks/evals_parallel.py GGUF [--modelfile FILE] [--limit N] [--rounds N] [--json] [--out FILE]

The prompts of the empty constructor harness, greedy, with the same caps and threads. The ways take turns,
each with a freshly loaded engine; loading is not counted. Every slot has the whole context of the Modelfile.
Speeds are medians over rounds, in tokens generated per second of wall time, prompts included: quote ratios.
"""

import argparse
import json
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evals.harnesses.empty_constructor import HARNESS
from web4mlx.engines.base import Request
from web4mlx.engines.llamacpp import LlamaCppEngine
from web4mlx.modelfile import read_modelfile, sampling_options
from web4mlx.reports import Verdict


@dataclass(frozen=True)
class Way:
    """How requests are worked on."""

    parallel: int
    reuse_prompts: bool


@dataclass(frozen=True)
class Pass:
    """One way's answers by request, in one round."""

    tokens_per_second: float
    texts: dict[str, str]


def main() -> None:
    args = parse_arguments()
    modelfile = read_modelfile(args.modelfile)
    options = sampling_options(modelfile, temperature=0.0, seed=7, max_tokens=args.max_tokens)
    cases = HARNESS.cases()[: args.limit]
    requests = [Request(case.id, tuple(modelfile.chat(case.prompt)), options=options) for case in cases]
    ways = {
        "one_at_a_time": Way(1, False),
        "parallel": Way(args.parallel, False),
        "reused_prompts": Way(1, True),
        "parallel_reused_prompts": Way(args.parallel, True),
    }
    passes: dict[str, list[Pass]] = {name: [] for name in ways}
    for number in range(args.rounds):
        for name, way in ways.items():
            passes[name].append(answer(args, way, requests, modelfile.context))
            speed = passes[name][-1].tokens_per_second
            print(f"round {number + 1}: {name:24s}{speed:8.1f} tokens/s", file=sys.stderr)
    result = {
        "ways": summarize(passes),
        "requests": len(requests),
        "rounds": args.rounds,
        "parallel": args.parallel,
        "threads": args.threads,
        "context_per_slot": modelfile.context,
        "max_tokens": options.max_tokens,
    }
    if args.out:
        args.out.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    print(json.dumps(result, indent=2) if args.as_json else render(result))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("gguf", type=Path)
    parser.add_argument("--modelfile", type=Path, default=Path("configs/demo.Modelfile"))
    parser.add_argument("--parallel", type=int, default=8, help="requests at a time")
    parser.add_argument("--limit", type=int, help="so many requests instead of all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--max-tokens", type=int, default=128, help="of each answer")
    parser.add_argument("--threads", type=int, help="of the engine; default: the physical cores")
    parser.add_argument("--json", action="store_true", dest="as_json")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    return parser.parse_args()


def answer(args: argparse.Namespace, way: Way, requests: list[Request], context: int) -> Pass:
    """Load the model, answer all requests, unload it."""
    engine = LlamaCppEngine(
        args.gguf,
        context=context,
        parallel=way.parallel,
        reuse_prompts=way.reuse_prompts,
        threads=args.threads,
    )
    with engine:
        if engine.context < context:
            sys.exit(f"a slot holds {engine.context} tokens, {context} were asked for")
        began = time.perf_counter()
        responses = list(engine.generate(requests, way.parallel))
        seconds = time.perf_counter() - began
    if failed := [response for response in responses if response.finish_reason == "error"]:
        sys.exit(f"{failed[0].id}: {failed[0].error}")
    tokens = sum(response.completion_tokens for response in responses)
    return Pass(tokens / seconds, {response.id: response.text for response in responses})


def summarize(passes: dict[str, list[Pass]]) -> dict[str, dict[str, Any]]:
    """Median speed of each way, its ratio to one at a time, and how many of its answers differ from those.

    `flipped` of these have another verdict. `unstable` answers of a way differ from round to round.
    """
    speeds = {
        name: statistics.median(each.tokens_per_second for each in found) for name, found in passes.items()
    }
    reference = passes["one_at_a_time"][0].texts
    verdicts = {name: judge(found[0].texts) for name, found in passes.items()}
    return {
        name: {
            "tokens_per_second": round(speeds[name], 1),
            "speed": round(speeds[name] / speeds["one_at_a_time"], 3),
            "different": sum(found[0].texts[key] != text for key, text in reference.items()),
            "flipped": sum(verdicts[name][key] != verdicts["one_at_a_time"][key] for key in reference),
            "unstable": sum(len({each.texts[key] for each in found}) > 1 for key in reference),
        }
        for name, found in passes.items()
    }


def judge(texts: dict[str, str]) -> dict[str, Verdict]:
    """The verdict of each answer."""
    cases = {case.id: case for case in HARNESS.cases()}
    return {name: HARNESS.check(cases[name], text).verdict for name, text in texts.items()}


def render(result: dict[str, Any]) -> str:
    """The figures as text, with bars."""
    counts = ("different", "flipped", "unstable")
    lines = [f"{'way':26s}{'tokens/s':>10s}{'ratio':>8s}" + "".join(f"{name:>11s}" for name in counts)]
    for name, row in result["ways"].items():
        figures = "".join(f"{row[count]:11d}" for count in counts)
        bar = "█" * round(10 * row["speed"])
        lines.append(f"{name:26s}{row['tokens_per_second']:10.1f}{row['speed']:8.2f}{figures}  {bar}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
