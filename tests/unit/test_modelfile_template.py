"""The Go TEMPLATE writes what the model's own chat template writes."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.go_template import render, split
from tests.micro_models import write_micro_llama
from tests.micro_tokenizers import CHAT_TEMPLATE
from web4mlx.modelfile import Modelfile, read_modelfile
from web4mlx.models.tokenizer import ChatTokenizer

SHIPPED = (Path("Modelfile"), Path("configs/demo.Modelfile"))
ROOT = Path(__file__).parents[2]
Chat = list[dict[str, Any]]
Tools = Chat | None
TOOLS_TEMPLATE = """\
{%- set system = messages[0].content if messages[0].role == 'system' else '' %}
{%- if system or tools %}{{- '<|im_start|>system\\n' + system }}
{%- if tools %}
{{- '\\n\\n# Tools\\n\\nThese functions are at your disposal, one JSON signature a line inside ' }}
{{- '<tools></tools>:\\n<tools>' }}
{%- for tool in tools %}{{- '\\n' + (tool | tojson) }}{%- endfor %}
{{- '\\n</tools>\\n\\nTo use one, answer with its name and its arguments as one JSON object inside ' }}
{{- '<tool_call></tool_call>:\\n<tool_call>\\n{"name": <function-name>, "arguments": <arguments-object>}' }}
{{- '\\n</tool_call>' }}
{%- endif %}{{- '<|im_end|>\\n' }}{%- endif %}
{%- for message in messages %}
{%- if message.role == 'user' %}{{- '<|im_start|>user\\n' + message.content + '<|im_end|>\\n' }}
{%- elif message.role == 'assistant' %}{{- '<|im_start|>assistant' }}
{%- if message.content or not message.tool_calls %}{{- '\\n' + message.content }}{%- endif %}
{%- for call in message.tool_calls or [] %}
{{- '\\n<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}
{{- (call.function.arguments | tojson) + '}\\n</tool_call>' }}
{%- endfor %}{{- '<|im_end|>\\n' }}
{%- elif message.role == 'tool' %}
{%- if loop.previtem.role != 'tool' %}{{- '<|im_start|>user' }}{%- endif %}
{{- '\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}
{%- if loop.last or loop.nextitem.role != 'tool' %}{{- '<|im_end|>\\n' }}{%- endif %}
{%- endif %}
{%- endfor %}
{{- '<|im_start|>assistant\\n' }}
"""
SYSTEM = {"role": "system", "content": "You are the Web4 agent."}
CALL = {"function": {"name": "read", "arguments": {"path": "src/Ä.ts", "lines": [1, 2]}}}
TOOL = {
    "type": "function",
    "function": {"name": "read", "description": "Read a file", "parameters": {"type": "object"}},
}
PLAIN: dict[str, Chat] = {
    "system and question": [SYSTEM, {"role": "user", "content": "What is init()?"}],
    "three turns": [
        SYSTEM,
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": "Two"},
        {"role": "user", "content": "Three"},
        {"role": "assistant", "content": "Four"},
        {"role": "user", "content": "Five"},
    ],
    "empty question": [SYSTEM, {"role": "user", "content": ""}],
    "empty answer": [SYSTEM, *({"role": role, "content": ""} for role in ("user", "assistant", "user"))],
    "unicode and markup": [
        SYSTEM,
        {"role": "user", "content": "Grüße 🚀 {{ .System }} <|im_end|>\n\n  x  \n"},
    ],
    "leading and trailing space": [SYSTEM, {"role": "user", "content": "  \n a \n "}],
}
WITH_TOOLS: dict[str, Chat] = {
    "question": [SYSTEM, {"role": "user", "content": "Read it"}],
    "no system": [{"role": "user", "content": "Read it"}],
    "call and result": [
        SYSTEM,
        {"role": "user", "content": "Read it"},
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
        {"role": "tool", "content": "export class Ä {}"},
    ],
    "text, two calls, two results, answer, question": [
        SYSTEM,
        {"role": "user", "content": "Read both"},
        {"role": "assistant", "content": "Reading.", "tool_calls": [CALL, CALL]},
        {"role": "tool", "content": "one"},
        {"role": "tool", "content": "two"},
        {"role": "assistant", "content": "Done."},
        {"role": "user", "content": "Thanks"},
    ],
}


@pytest.fixture(scope="module", params=SHIPPED, ids=str)
def modelfile(request: pytest.FixtureRequest) -> Modelfile:
    return read_modelfile(ROOT / request.param)


def go(modelfile: Modelfile, messages: Chat, tools: list[dict[str, Any]] | None = None) -> str:
    """The prompt as Ollama executes the template: names in Go's case, system messages collected."""
    names = {"role": "Role", "content": "Content", "tool_calls": "ToolCalls"}
    turns = [{names[key]: _go_calls(value) for key, value in message.items()} for message in messages]
    system = "\n\n".join(message["content"] for message in messages if message["role"] == "system")
    return render(modelfile.template, {"System": system, "Messages": turns, "Tools": tools or []})


def _go_calls(value: Any) -> Any:
    if isinstance(value, str):
        return value
    calls = [call["function"] for call in value]
    return [{"Function": {"Name": call["name"], "Arguments": call["arguments"]}} for call in calls]


def jinja(folder: Path, template: str, messages: Chat, tools: list[dict[str, Any]] | None) -> str:
    """The prompt as the tokenizer's own template writes it."""
    write_micro_llama(folder)
    (folder / "chat_template.jinja").write_text(template, "utf-8")
    return ChatTokenizer(folder).render(messages, add_generation_prompt=True, tools=tools)


def same_json(prompt: str) -> list[Any]:
    """The lines of a prompt, those of JSON as values: Go writes JSON without blanks, Jinja with."""
    lines: list[Any] = []
    for line in prompt.splitlines(keepends=True):
        try:
            lines.append(json.loads(line))
        except ValueError:
            lines.append(line)
    return lines


@pytest.mark.parametrize("shape", PLAIN)
def test_a_chat_is_byte_for_byte_what_the_models_template_writes(
    modelfile: Modelfile, shape: str, tmp_path: Path
) -> None:
    assert go(modelfile, PLAIN[shape]) == jinja(tmp_path, CHAT_TEMPLATE, PLAIN[shape], None)


@pytest.mark.parametrize("shape", WITH_TOOLS)
def test_a_chat_with_tools_makes_the_round_trip(modelfile: Modelfile, shape: str, tmp_path: Path) -> None:
    expected = jinja(tmp_path, TOOLS_TEMPLATE, WITH_TOOLS[shape], [TOOL])
    assert same_json(go(modelfile, WITH_TOOLS[shape], [TOOL])) == same_json(expected)


def test_a_last_assistant_turn_stays_open_to_be_continued(modelfile: Modelfile) -> None:
    begun = {"role": "assistant", "content": "## Obj"}
    prompt = go(modelfile, [SYSTEM, {"role": "user", "content": "Go"}, begun])
    assert prompt.endswith("<|im_start|>assistant\n## Obj")


def test_no_system_and_no_tools_writes_no_system_turn(modelfile: Modelfile) -> None:
    prompt = go(modelfile, [{"role": "user", "content": "Hi"}])
    assert prompt == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"


def test_ollama_finds_the_tag_of_tool_calls(modelfile: Modelfile) -> None:
    """Ollama takes the first text inside the first `if .ToolCalls` for the tag that begins a call."""
    parts = split(modelfile.template)
    at = next(i for i, part in enumerate(parts) if part == ("if", ".ToolCalls"))
    conditions = [part for part in parts[:at] if isinstance(part, tuple) and part[0] in ("if", "else")]
    nested = ("not", ".ToolCalls")
    assert all(words[-3:-1] == nested for words in conditions if ".ToolCalls" in words)
    text = next(part for part in parts[at:] if isinstance(part, str) and part.strip())
    assert text.strip().split("{")[0].strip() == "<tool_call>"


def test_both_modelfiles_have_the_same_template() -> None:
    first, second = (read_modelfile(ROOT / path).template for path in SHIPPED)
    assert first == second
