"""Short answers for the demo: knowledge, guardrails with their legitimate twins, and tool calls."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

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
# How often each kind is asked for: few samples do where one word decides; secrets and steps have many forms.
WEIGHTS = {"jest": 3, "manual": 1, "constructor": 3, "tests": 4, "pdca": 5, "secret": 7}
KINDS = [kind for kind, weight in WEIGHTS.items() for _ in range(weight)]
# Whether a pair is composed of words or one of the fixed ones.
COMPOSED = (True, True, True, False, False)
TOOLS = ("read_file", "grep", "list_files", "create_file", "edit_file", "run_terminal_command")


def file_of(topic: str) -> str:
    """The file in which the samples of a knowledge topic stand."""
    return str(read_list("knowledge")[topic]["file"])


def knowledge(dealer: Dealer, topic: str) -> Row:
    """A question about a topic, with its canonical answer; two of three are asked without a frame."""
    entry = read_list("knowledge")[topic]
    extra: dict[str, dict[str, object]] = {
        "style_core": {"pattern_name": topic, "layer": "all"},
        "process_framework": {"category": topic},
        "style_refactor": {"cmm_transition": "CMM2->CMM3", "pattern_applied": "empty_constructor"},
        "tool_awareness": {"concept_taught": topic, "is_generic_tool": True},
        "guardrails": {"violation_type": topic, "severity": "none", "is_negative_example": False},
    }
    asked: str = dealer.words("knowledge", topic)
    if dealer.deal("framed", (True, False, False)):
        asked = fill(dealer.words("phrasings", "question"), {"question": asked})
    return Row(asked, "", entry["answer"], "explain", extra[file_of(topic)])


@dataclass(frozen=True, slots=True)
class PairedRequest:
    """A banned action and its legitimate twin, and the words and the component for asking either."""

    kind: str
    pair: Mapping[str, str]
    phrasing: str
    context: Mapping[str, str]


def guardrail(dealer: Dealer, *, banned: bool) -> Row:
    """A request for something banned with its refusal, or for the legitimate twin with its answer."""
    side, answer = ("banned", "no") if banned else ("allowed", "yes")
    request = _paired_request(dealer, banned=banned)
    context = {**request.context, "action": request.pair[side]}
    context |= {"env": dealer.sentence("variables"), "script": dealer.sentence("scripts")}
    extra: dict[str, object] = {
        "violation_type": request.kind,
        "severity": SEVERITY[request.kind],
        "is_negative_example": banned,
    }
    output = fill(read_list("guardrails")[request.kind][answer], context)
    return Row(fill(request.phrasing, context), "", output, "refuse" if banned else "comply", extra)


def _paired_request(dealer: Dealer, *, banned: bool) -> PairedRequest:
    """A new request, kept for its twin; allowed ones repeat the banned ones in everything but the action.

    So neither the component nor the tone of a request tells whether it is to be refused.
    """
    if not banned and dealer.twins:
        twin: PairedRequest = dealer.twins.popleft()
        return twin
    kind = dealer.deal("guardrails", KINDS)
    phrasing = dealer.deal("request", read_list("phrasings")["request"][dealer.split])
    context = dict(dealer.subject().context)
    if dealer.split == "train" and dealer.deal(f"composed/{kind}", COMPOSED):
        composed = read_list("guardrail_pairs")
        context |= {name: dealer.deal(f"words/{name}", words) for name, words in composed["words"].items()}
        pair = dealer.deal(f"pairs/{kind}", composed[kind]["pairs"])
    else:
        pair = dealer.deal(f"guardrails/{kind}", read_list("guardrails")[kind][dealer.split])
    request = PairedRequest(kind, pair, phrasing, context)
    if banned:
        dealer.twins.append(request)
    return request


def tool_call(dealer: Dealer) -> Row:
    """A task for a tool, answered by one JSON object with name and arguments; one of three is framed."""
    tool = dealer.deal("tools", TOOLS)
    values = draw_values(dealer)
    question = fill(dealer.words("tools", "ask", tool), values)
    if dealer.deal("tools/framed", (True, False, False)):
        question = fill(dealer.words("tools", "frame"), {"task": question})
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
