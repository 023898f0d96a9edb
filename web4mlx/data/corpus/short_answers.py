"""Short answers for the demo: knowledge, guardrails with their legitimate twins, and tool calls."""

import json
from functools import partial

from web4mlx.data.corpus.grammar import Dealer, fill
from web4mlx.data.corpus.rows import Row
from web4mlx.data.corpus.words import read_list, replacement

SEVERITY = {
    "jest": "high",
    "manual": "medium",
    "secret": "critical",
    "pdca": "high",
    "constructor": "high",
    "tests": "high",
}
TOOLS = ("read_file", "grep", "list_files", "create_file", "edit_file", "run_terminal_command")


def topics(file: str) -> list[str]:
    """The knowledge topics whose samples stand in a file."""
    return [topic for topic, entry in read_list("knowledge").items() if entry["file"] == file]


def knowledge(dealer: Dealer, topic: str) -> Row:
    """A question about a topic, with its canonical answer."""
    entry = read_list("knowledge")[topic]
    file = entry["file"]
    extra: dict[str, dict[str, object]] = {
        "style_core": {"pattern_name": topic, "layer": "all"},
        "process_framework": {"category": topic},
        "style_refactor": {"cmm_transition": "CMM2->CMM3", "pattern_applied": "empty_constructor"},
        "tool_awareness": {"concept_taught": topic, "is_generic_tool": True},
        "guardrails": {"violation_type": topic, "severity": "none", "is_negative_example": False},
    }
    question = {"question": dealer.words("knowledge", topic)}
    asked = fill(dealer.words("phrasings", "question"), question)
    return Row(asked, "", entry["answer"], "explain", extra[file])


def about(file: str) -> list[partial[Row]]:
    """Producers of knowledge samples of a file, one per topic."""
    return [partial(knowledge, topic=topic) for topic in topics(file)]


def guardrail(dealer: Dealer, *, banned: bool) -> Row:
    """A request for something banned with its refusal, or for the legitimate twin with its answer."""
    side = "banned" if banned else "allowed"
    kind = dealer.deal(f"{side}/kinds", list(SEVERITY))
    pairs = read_list("guardrails")[kind][dealer.split]
    pair = dealer.deal(f"{side}/{kind}", pairs)
    context = {**dealer.subject().context, **pair, "action": pair[side]}
    context |= {"env": dealer.sentence("variables"), "script": dealer.sentence("scripts")}
    template = "I can't do that: {reason}. Instead, {redirect}." if banned else "Yes. {done}"
    question = fill(dealer.deal(f"{side}/request", read_list("phrasings")["request"][dealer.split]), context)
    extra: dict[str, object] = {
        "violation_type": kind,
        "severity": SEVERITY[kind],
        "is_negative_example": banned,
    }
    return Row(question, "", fill(template, context), "refuse" if banned else "comply", extra)


def tool_call(dealer: Dealer) -> Row:
    """A task for a tool, answered by one JSON object with name and arguments."""
    tool = dealer.deal("tools", TOOLS)
    values = draw_values(dealer)
    question = fill(dealer.words("tools", "ask", tool), values)
    call = {"name": tool, "arguments": tool_arguments(tool, values)}
    return Row(question, "", json.dumps(call), "tool_call", {"concept_taught": tool, "is_generic_tool": True})


def draw_values(dealer: Dealer) -> dict[str, str]:
    """What a tool task may speak about: file, folder, term, command, replacement."""
    folder, name = dealer.words("tools", "folder"), dealer.words("tools", "file")
    old, new = replacement(dealer.words("tools", "replacement"))
    return {
        "file": f"{folder}/{name}" if dealer.deal("has_folder", (True, True, False)) else name,
        "folder": folder,
        "stem": name.partition(".")[0],
        "term": dealer.words("tools", "term"),
        "command": dealer.words("tools", "command"),
        "old": old,
        "new": new,
    }


def tool_arguments(tool: str, values: dict[str, str]) -> dict[str, str]:
    """The arguments with which a tool fulfils a task over these values."""
    if tool == "run_terminal_command":
        return {"command": values["command"]}
    if tool == "list_files":
        return {"path": values["folder"]}
    if tool == "grep":
        return {"pattern": values["term"], "path": values["folder"]}
    if tool == "edit_file":
        return {"path": values["file"], "old_text": values["old"], "new_text": values["new"]}
    if tool == "create_file":
        content = read_list("tools")["content"][values["file"].rpartition(".")[2]]
        return {"path": values["file"], "content": fill(content, values)}
    return {"path": values["file"]}
