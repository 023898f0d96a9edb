"""Is the model in Ollama the one that was evaluated? Every check asks the server, none trusts the upload.

The stored file may differ from the uploaded one, because newer servers write it again; so what is compared
is what the server says of the model and what it does with a chat.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from web4mlx.deploy.gguf_facts import GgufFacts
from web4mlx.deploy.names import ModelName
from web4mlx.engines.ollama_server import OllamaServer
from web4mlx.errors import CheckFailed
from web4mlx.events import EventLog, Gate
from web4mlx.modelfile import Modelfile
from web4mlx.modelfile.write import format_value
from web4mlx.models.tokenizer import compile_chat_template
from web4mlx.verify import Check

QUESTION = "What is the empty constructor pattern?"
KEYWORDS = ("constructor", "init")
CONTROL_MARK = "<|"
SECOND_TURNS = (
    {"role": "user", "content": "Name one guardrail."},
    {"role": "assistant", "content": "Tests are written with Vitest."},
    {"role": "user", "content": "Why?"},
)


@dataclass(frozen=True, slots=True)
class Expected:
    """What the model in Ollama must be: the GGUF's own facts, and the Modelfile."""

    facts: GgufFacts
    modelfile: Modelfile


def verify_model(server: OllamaServer, name: ModelName, expected: Expected, log: EventLog) -> list[Check]:
    """Run all checks on a model.

    Raises:
        CheckFailed: Lists those that failed.
        Web4Error: The server failed meanwhile.
    """
    shown = server.show(str(name))
    checks = [
        *check_details(shown, expected.facts),
        check_parameters(shown, expected.modelfile),
        check_system(shown, expected.modelfile),
        check_prompts(server, name, expected),
        check_answer(server, name),
    ]
    for check in checks:
        log.write(Gate, name=check.name, verdict=check.verdict, detail=check.detail)
    if faults := [f"{check.name}: {check.detail}" for check in checks if check.verdict != "passed"]:
        listed = "\n".join(f"  - {fault}" for fault in faults)
        raise CheckFailed(
            f"{name} is not what was evaluated:\n{listed}", "It was removed. Production was not touched."
        )
    return checks


def check_details(shown: dict[str, Any], facts: GgufFacts) -> Iterator[Check]:
    """Family and quantization."""
    details = shown.get("details") or {}
    wanted = {"family": facts.architecture, "quantization_level": facts.quantization}
    for field, value in wanted.items():
        said = details.get(field)
        yield _check(field, said == value, f"{said}", f"the server says {said!r}, the GGUF {value!r}")


def check_parameters(shown: dict[str, Any], modelfile: Modelfile) -> Check:
    """Each PARAMETER, with its value."""
    found = Counter(read_parameters(str(shown.get("parameters") or "")))
    wanted = Counter(
        (name, item if isinstance(item, str) else _number_or_text(format_value(item)))
        for name, value in modelfile.parameters.items()
        for item in (value if isinstance(value, tuple) else (value,))
    )
    missing, extra = wanted - found, found - wanted
    fault = f"missing {sorted(map(str, missing))}, too many {sorted(map(str, extra))}"
    return _check(
        "parameters", not missing and not extra, f"{sum(wanted.values())} as in the Modelfile", fault
    )


def read_parameters(text: str) -> Iterator[tuple[str, float | str]]:
    """Names and values of `show`: a padded name and a value a line, texts quoted."""
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name:
            value = value.strip()
            yield name, _unquote(value) if value.startswith('"') else _number_or_text(value)


def _unquote(text: str) -> str:
    try:
        return str(json.loads(text))
    except ValueError:
        return text.strip('"')


def _number_or_text(text: str) -> float | str:
    try:
        return round(float(text), 6)
    except ValueError:
        return text


def check_system(shown: dict[str, Any], modelfile: Modelfile) -> Check:
    """The system prompt, letter for letter."""
    said = str(shown.get("system") or "")
    fault = f"the server has {len(said)} letters, the Modelfile {len(modelfile.system)}, or others"
    return _check("system prompt", said == modelfile.system, f"{len(said)} letters", fault)


def check_prompts(server: OllamaServer, name: ModelName, expected: Expected) -> Check:
    """What the server makes of two chats, against what the GGUF's own template makes, as in the evaluation.

    A server that can show the prompt is compared letter for letter. An older one has to count as many tokens
    in the chat as in our text.
    """
    template = compile_chat_template(expected.facts.chat_template)
    for turns in ([{"role": "user", "content": QUESTION}], list(SECOND_TURNS)):
        messages = [*expected.modelfile.chat("")[:-1], *turns]
        ours = template.render(messages=messages, add_generation_prompt=True, **expected.facts.special_tokens)
        body = {"model": str(name), "messages": turns, "stream": False, "_debug_render_only": True}
        answer = server.post("/api/chat", body | {"options": {"num_predict": 1}})
        rendered = (answer.get("_debug_info") or {}).get("rendered_template")
        if rendered is None:
            if fault := count_fault(server, name, ours, answer.get("prompt_eval_count")):
                return _check("rendered prompt", False, "", fault)
        elif rendered != ours:
            return _check("rendered prompt", False, "", first_difference(rendered, ours))
    how = "letter for letter" if rendered is not None else "by number of tokens"
    return _check("rendered prompt", True, f"two chats as in the evaluation, {how}", "")


def count_fault(server: OllamaServer, name: ModelName, ours: str, said: int | None) -> str:
    """Whether the server counts as many tokens in its prompt as in ours; the reason if not."""
    body = {"model": str(name), "prompt": ours, "raw": True, "stream": False, "options": {"num_predict": 1}}
    count = server.post("/api/generate", body).get("prompt_eval_count")
    if said is None or count is None:
        return "this server neither shows the prompt nor counts its tokens"
    return "" if said == count else f"the server's prompt has {said} tokens, ours {count}"


def first_difference(theirs: str, ours: str) -> str:
    """Where two texts begin to differ."""
    at = len(os.path.commonprefix([theirs, ours]))
    shown = repr(theirs[at : at + 40])
    return f"from letter {at} on the server writes {shown}, the model expects {ours[at : at + 40]!r}"


def check_answer(server: OllamaServer, name: ModelName) -> Check:
    """Ask one question of the domain, greedily: the answer is to the point and ends by itself."""
    with server.failures(f"asking {name}"):
        answer = server.client.chat(
            str(name), [{"role": "user", "content": QUESTION}], options={"temperature": 0, "seed": 0}
        )
    text = answer.message.content or ""
    faults = [f"it does not say {word!r}" for word in KEYWORDS if word not in text.casefold()]
    faults += ["a control token stands in it"] if CONTROL_MARK in text else []
    faults += [] if answer.done_reason == "stop" else ["it does not end by itself"]
    shown = " ".join(text.split())[:160]
    return _check("answer", not faults, shown, f"{', '.join(faults)}: {shown!r}")


def _check(name: str, is_right: bool, detail: str, fault: str) -> Check:
    return Check(name=name, verdict="passed" if is_right else "failed", detail=detail if is_right else fault)
