"""Answers of the full corpus: patterns explained, guardrails with steps, tool calls in sequence."""

import json

from web4mlx.data.corpus.grammar import Dealer, Story, fill
from web4mlx.data.corpus.long_documents import layout
from web4mlx.data.corpus.rows import Row
from web4mlx.data.corpus.short_answers import SEVERITY, TOOLS, draw_values, tool_arguments
from web4mlx.data.corpus.words import read_list

# Which tools a phrasing of [steps] asks for, by the words it contains, in the order of doing.
MENTIONS = (
    ("list_files", ("list {folder}", "show me {folder}")),
    ("grep", ("'{term}'",)),
    ("read_file", ("read {file}", "open {file}")),
    ("create_file", ("create {file}", "add {file}", "adds {file}", "calls add {file}")),
    ("edit_file", ("'{old}'",)),
    ("run_terminal_command", ("{command}",)),
)


def explanation(dealer: Dealer, topic: str) -> Row:
    """A pattern explained with an example and the way to apply it."""
    known = {**dealer.subject().context, "answer": read_list("knowledge")[topic]["answer"]}
    story = Story(dealer, known, {"question": dealer.words("knowledge", topic)})
    question = fill(dealer.words("phrasings", "question"), story)
    text = layout("explain").replace("{reason}", f"{{why_{topic}}}").replace("{apply}", f"{{apply_{topic}}}")
    details = fill("The example should be {component}, which {purpose}. {context}", story)
    return Row(question, details, fill(text, story), "explain", {"pattern_name": topic, "layer": "all"})


def guardrail(dealer: Dealer, *, banned: bool) -> Row:
    """A banned request or its legitimate twin, answered with reasons and steps."""
    side, form = ("banned", "refusal") if banned else ("allowed", "compliance")
    kind = dealer.deal(f"{side}/kinds", list(SEVERITY))
    pair = dealer.deal(f"{side}/{kind}", read_list("guardrails")[kind][dealer.split])
    known = {**dealer.subject().context, **pair, "action": pair[side]}
    known |= {"env": dealer.sentence("variables"), "script": dealer.sentence("scripts")}
    text = layout(form).replace("{way}", f"{{way_{kind}}}").replace("{danger}", f"{{risk_{kind}}}")
    story = Story(dealer, known)
    question, details = (
        fill(dealer.words("phrasings", "request"), story),
        fill(dealer.sentence("preface"), story),
    )
    extra: dict[str, object] = {
        "violation_type": kind,
        "severity": SEVERITY[kind],
        "is_negative_example": banned,
    }
    return Row(question, details, fill(text, story), "refuse" if banned else "comply", extra)


def tool_steps(dealer: Dealer) -> Row:
    """A task for several tools: each call with its reason, in order."""
    values = draw_values(dealer)
    story = Story(dealer, values, dealer.subject().context)
    template = dealer.words("phrasings", "steps")
    calls = [
        f"{number}. {fill(f'{{reason_{tool}}}', story)}\n{call_json(tool, values)}"
        for number, tool in enumerate(mentioned_tools(template), 1)
    ]
    answer = f"{len(calls)} calls, one after the other:\n\n" + "\n\n".join(calls)
    closing = fill("\n\n{tool_closing} {tool_closing} {tool_closing}", story)
    extra: dict[str, object] = {"concept_taught": "tool_sequence", "is_generic_tool": True}
    details = fill("{context}", story)
    return Row(fill(template, story), details, answer + closing, "tool_sequence", extra)


def mentioned_tools(template: str) -> list[str]:
    """The tools that a phrasing asks for, in the order in which it mentions them."""
    lowered = template.lower()
    places = {
        tool: min(lowered.find(word) for word in words if word in lowered)
        for tool, words in MENTIONS
        if any(word in lowered for word in words)
    }
    return sorted(places, key=lambda tool: places[tool])


def call_json(tool: str, values: dict[str, str]) -> str:
    """A tool call as JSON."""
    return json.dumps({"name": tool, "arguments": tool_arguments(tool, values)})


def tool_choice(dealer: Dealer) -> Row:
    """Why a task calls for a certain tool, with the call and the tools that do not fit."""
    tool = dealer.deal("tools", TOOLS)
    values = draw_values(dealer)
    story = Story(dealer, values, dealer.subject().context, read_list("tools")["choice"])
    story.update(
        task=fill(dealer.words("tools", "ask", tool), story), tool=tool, call=call_json(tool, values)
    )
    story.update(
        why=story[f"reason_{tool}"], use=story[f"use_{tool}"], parameters=story[f"parameters_{tool}"]
    )
    others = [other for other in TOOLS if other != tool]
    other = dealer.random.choice(others)
    story.update(other=other, other_use=story[f"use_{other}"])
    question = fill(dealer.words("phrasings", "tool_choice"), story)
    extra: dict[str, object] = {"concept_taught": tool, "is_generic_tool": True}
    return Row(question, fill("{context}", story), fill(layout("tool_choice"), story), "tool_choice", extra)
