"""What a Modelfile says, and what can be wrong with one."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Value = int | float | bool | tuple[str, ...]
ROLES = ("system", "user", "assistant")
COMMANDS = (
    "from", "license", "template", "system", "adapter", "draft",
    "renderer", "parser", "parameter", "message", "requires",
)  # fmt: skip
PARAMETER_TYPES: Mapping[str, Literal["int", "float", "bool", "strings"]] = {
    **dict.fromkeys(
        (
            "num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "draft_num_predict",
            "num_keep", "seed", "num_predict", "top_k", "repeat_last_n",
        ),
        "int",
    ),
    **dict.fromkeys(
        (
            "top_p", "min_p", "typical_p", "temperature",
            "repeat_penalty", "presence_penalty", "frequency_penalty",
        ),
        "float",
    ),
    "use_mmap": "bool",
    "stop": "strings",
}  # fmt: skip
DEPRECATED_PARAMETERS = (
    "penalize_newline", "low_vram", "f16_kv", "logits_all", "vocab_only",
    "use_mlock", "mirostat", "mirostat_tau", "mirostat_eta",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a Modelfile.

    `line` is where the command begins, from 1; 0 when the whole file is meant. `message` is Ollama's own text
    where Ollama refuses the file too. `ollama_line` is the line Ollama would name (it counts a newline before
    it looks at it, and CRLF twice); 0 where Ollama names none.
    """

    line: int
    message: str
    severity: Literal["error", "warning"] = "error"
    ollama_line: int = 0

    @property
    def ollama_text(self) -> str:
        """The message as Ollama prints it."""
        return f"(line {self.ollama_line}): {self.message}" if self.ollama_line else self.message


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One MESSAGE: a turn that precedes every chat."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Modelfile:
    """The content of a Modelfile; an empty text means that the command is absent.

    Args:
        from_: The first FROM: a file, a folder or a model name.
        also_from: Further FROM lines, e.g. a projector.
        parameters: Values in their types; `stop` is a tuple.
    """

    from_: str
    also_from: tuple[str, ...] = ()
    template: str = ""
    system: str = ""
    parameters: Mapping[str, Value] = field(default_factory=dict)
    adapter: str = ""
    draft: tuple[str, ...] = ()
    renderer: str = ""
    parser: str = ""
    requires: str = ""
    licenses: tuple[str, ...] = ()
    messages: tuple[ChatMessage, ...] = ()

    @property
    def stop(self) -> tuple[str, ...]:
        """The stop strings, in their order."""
        value = self.parameters.get("stop", ())
        return value if isinstance(value, tuple) else ()

    @property
    def context(self) -> int:
        """`num_ctx`, or 4096, what Ollama takes on a small machine."""
        return int(self.parameters.get("num_ctx", 4096))  # type: ignore[arg-type]

    @property
    def messages_sha256(self) -> str:
        """Digest of the MESSAGEs, which precede every question."""
        turns = [[turn.role, turn.content] for turn in self.messages]
        return hashlib.sha256(json.dumps(turns).encode()).hexdigest()

    def chat(self, question: str) -> list[dict[str, Any]]:
        """The messages of a chat that begins with `question`: SYSTEM, MESSAGEs, the question."""
        system = [{"role": "system", "content": self.system}] if self.system else []
        turns = [{"role": turn.role, "content": turn.content} for turn in self.messages]
        return [*system, *turns, {"role": "user", "content": question}]
