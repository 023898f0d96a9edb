"""Which template a server chooses, and how it counts a prompt that it knows. Contract tests 13 and 14."""

from pathlib import Path
from typing import Any, Literal

import ollama
import pytest

from tests.micro_gguf import CHAT_TEMPLATE, sentence, write_micro_gguf
from tests.ollama_double import OllamaDouble
from tests.ollama_double.agent import WORDS
from web4mlx.deploy.measure import PROMPTS
from web4mlx.engines.ollama_server import OllamaServer

TOOLS = (
    "{% if tools %}{{ '<tools>' }}{% for tool in tools %}{{ tool | tojson }}{% endfor %}{{ '</tools>' }}"
    "{% endif %}" + CHAT_TEMPLATE
)
PLAIN = "{{ range .Messages }}[{{ .Role }}] {{ .Content }}\n{{ end }}"
WITH_TOOLS = "{{ if .Tools }}{{ range .Tools }}{{ . }}{{ end }}{{ end }}" + PLAIN
QUESTION = [{"role": "user", "content": "What?"}]
BY_THE_GGUF = "<|im_start|>user\nWhat?<|im_end|>\n<|im_start|>assistant\n"
BY_THE_MODELFILE = "[user] What?\n"
Mode = Literal["auto", "go", "wrong"]


def create(server: OllamaServer, folder: Path, source: str, template: str = "") -> None:
    """A Qwen2 named `a` with this template in its GGUF, and this TEMPLATE."""
    gguf = write_micro_gguf(
        folder / "m.gguf", sentence(*WORDS), words=WORDS, architecture="qwen2", chat_template=source
    )
    fields: dict[str, Any] = {"template": template} if template else {}
    digest = server.client.create_blob(gguf)
    server.client.create("a", files={"m.gguf": digest}, parameters={"num_ctx": 512}, **fields)


def rendered(server: OllamaServer) -> str:
    body = {"model": "a", "messages": QUESTION, "stream": False, "_debug_render_only": True}
    return str(server.post("/api/chat", body)["_debug_info"]["rendered_template"])


@pytest.mark.parametrize(
    ("source", "template", "mode", "chosen"),
    [
        (TOOLS, "", "auto", TOOLS),
        (TOOLS, PLAIN, "auto", TOOLS),
        (TOOLS, WITH_TOOLS, "auto", WITH_TOOLS),
        (TOOLS, PLAIN, "go", PLAIN),
        (CHAT_TEMPLATE, PLAIN, "auto", PLAIN),
    ],
    ids=["none", "TEMPLATE without tools is ignored", "with tools", "forced", "no tools in the GGUF"],
)
def test_14_the_template_that_can_do_more_is_used_unless_go_is_forced(
    double: OllamaDouble,
    server: OllamaServer,
    tmp_path: Path,
    source: str,
    template: str,
    mode: Mode,
    chosen: str,
) -> None:
    double.template_mode = mode
    create(server, tmp_path, source, template)
    assert server.show("a")["template"] == chosen
    assert rendered(server) == (BY_THE_GGUF if chosen == TOOLS else BY_THE_MODELFILE)


def test_13_a_prompt_that_is_cached_counts_in_full(server: OllamaServer, tmp_path: Path) -> None:
    create(server, tmp_path, CHAT_TEMPLATE)
    prompt = "What is the empty constructor pattern? " * 5

    def ask() -> ollama.GenerateResponse:
        return server.client.generate("a", prompt, options={"num_predict": 1})

    first, again = ask(), ask()
    assert first.prompt_eval_count == again.prompt_eval_count
    assert (again.prompt_eval_count or 0) > len(prompt) / 2


def test_13_no_prompt_that_is_measured_begins_like_another() -> None:
    """The time of a cached prompt is that of its new tokens alone, so its speed would come out too high."""
    assert len({prompt[:8] for prompt in PROMPTS}) == len(PROMPTS)
