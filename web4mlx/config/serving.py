"""The part of a configuration that is about answering: what is brought into prompts, and the server."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from web4mlx.config.section import Section

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0)]


class AssistantConfig(Section):
    """What is brought into a prompt.

    `collections` hold the team's history. `example_similarity` and `document_similarity` are the least
    scores, for all-MiniLM-L6-v2; `examples` and `documents` are the most of each; `hops` is how many links
    are followed from what was found.
    `example_tokens` caps the block of examples, `context_tokens` both blocks. `tool_rules` is a file like the
    shipped tool_need.toml.
    """

    ecosystem: Literal["continue", "cursor", "custom"] = "custom"
    examples: Annotated[int, Field(ge=1, le=5)] = 3
    documents: Annotated[int, Field(ge=1, le=32)] = 6
    hops: Annotated[int, Field(ge=0, le=5)] = 1
    collections: Annotated[tuple[str, ...], Field(min_length=1)] = ("pdca_historical", "process_docs")
    example_similarity: Share = 0.35
    document_similarity: Share = 0.25
    example_tokens: Positive = 600
    context_tokens: Positive = 2400
    tool_rules: Path | None = None


class OllamaEnvironment(Section):
    """What `serve --start-ollama` sets for `ollama serve`; None leaves Ollama's own default."""

    host: str = "127.0.0.1:11434"
    models: Path | None = None
    num_parallel: Positive = 1
    max_loaded_models: Positive = 1
    keep_alive: Annotated[str, Field(pattern=r"^-?\d+[smh]$|^-1$")] = "30m"
    context_length: Positive | None = None


class ServeConfig(Section):
    """The server: where it listens, what is behind it, and its limits.

    `parallel` is how many answers a GGUF generates together. `stall_s` is the longest silence of an upstream
    server, its first load included; `answer_s` the longest time of one answer.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 11435
    parallel: Annotated[int, Field(gt=0, le=64)] = 2
    stall_s: Seconds = 600
    answer_s: Seconds = 1800
    ollama: OllamaEnvironment = OllamaEnvironment()
