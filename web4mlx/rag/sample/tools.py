"""Tool examples of the generated source: tasks and calls in the form of three ecosystems, and wrong ones."""

import json
from collections.abc import Iterator
from typing import Any

from web4mlx.data.corpus.grammar import Dealer, fill
from web4mlx.data.corpus.short_answers import TOOLS, draw_values, tool_arguments
from web4mlx.rag.sample.pdcas import layouts

ECOSYSTEMS = ("continue", "cursor", "custom")
USAGES = ("simple", "intermediate", "complex", "edge_case")
FRAMES = {
    "intermediate": "{task} Then say in one sentence what you found.",
    "complex": "We are in the middle of a larger change of {stem}. {task}",
    "edge_case": "{task} If it is not there, say so and stop.",
}
CURSOR_NAMES = {"grep": "grep_search", "list_files": "list_dir", "run_terminal_command": "run_terminal_cmd"}


def write_examples(dealer: Dealer, count: int, *, negative: bool) -> Iterator[str]:
    """A number of examples as JSON lines, each task and ecosystem once."""
    seen: set[tuple[str, str]] = set()
    number = 0
    while number < count:
        row = example(dealer, negative=negative)
        key = (row["instruction"], row["metadata"]["tool_ecosystem"])
        if key in seen:
            continue
        seen.add(key)
        number += 1
        stem = "tool_neg" if negative else "tool_core"
        row["metadata"]["sample_id"] = f"{stem}_{number:05d}"
        yield json.dumps(row, ensure_ascii=False) + "\n"


def example(dealer: Dealer, *, negative: bool) -> dict[str, Any]:
    """One example without its id."""
    tool, ecosystem = dealer.deal("tool", TOOLS), dealer.deal("ecosystem", ECOSYSTEMS)
    usage, values = dealer.deal("usage", USAGES), draw_values(dealer)
    task = fill(dealer.words("tools", "ask", tool), values)
    call = write_call(ecosystem, tool, tool_arguments(tool, values))
    if negative:
        call = f"{dealer.deal('negative', layouts()['negative'])}\n{call.replace('path', 'file_name', 1)}"
    return {
        "instruction": fill(FRAMES.get(usage, "{task}"), {**values, "task": task}),
        "input": "",
        "output": call,
        "metadata": {
            "task_type": "tool_call",
            "tool_name": tool,
            "tool_ecosystem": ecosystem,
            "usage_pattern": usage,
            "is_negative": negative,
        },
    }


def write_call(ecosystem: str, tool: str, arguments: dict[str, str]) -> str:
    """A call as the ecosystem writes it."""
    if ecosystem == "cursor":
        name = CURSOR_NAMES.get(tool, tool)
        parameters = "".join(f"<{key}>{value}</{key}>" for key, value in arguments.items())
        return f"<{name}>{parameters}</{name}>"
    if ecosystem == "continue":
        return json.dumps({"name": f"builtin_{tool}", "arguments": arguments}, ensure_ascii=False)
    return json.dumps({"name": tool, "arguments": arguments}, ensure_ascii=False)
