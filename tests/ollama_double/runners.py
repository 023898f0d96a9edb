"""Loaded models: real answers of llama.cpp from the stored blob, and the times they took."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.go_template import render
from tests.ollama_double.gguf_header import GgufError, read_gguf
from tests.ollama_double.store import Store
from web4mlx.engines.base import Request, Response, SamplingOptions
from web4mlx.engines.llamacpp import LlamaCppEngine
from web4mlx.errors import UsageError

_INTEGERS = ("num_ctx", "num_predict", "seed", "top_k", "repeat_last_n", "num_batch", "num_gpu")
_FLOATS = ("temperature", "top_p", "min_p", "repeat_penalty", "presence_penalty", "frequency_penalty")
_RELOADING = ("num_ctx", "num_batch", "num_gpu")
_SAMPLING = ("temperature", "top_k", "top_p", "min_p", "repeat_penalty", "repeat_last_n",
             "presence_penalty", "frequency_penalty")  # fmt: skip
Prompt = str | list[dict[str, Any]]


@dataclass
class Runner:
    """A loaded blob; `polls_left` is how often it still shows after it was told to unload."""

    name: str
    digest: str
    engine: LlamaCppEngine
    settings: dict[str, Any]
    size: int
    polls_left: int | None = None


@dataclass
class Runners:
    """Runners by the path of their blob: two names of one blob share one."""

    store: Store
    loaded: dict[Path, Runner] = field(default_factory=dict)
    loads: int = 0
    slow_unload_polls: int = 0

    def get(self, manifest: Path, options: dict[str, Any]) -> tuple[Runner, int]:
        """A runner with these options, and the nanoseconds until it was ready."""
        start = time.perf_counter_ns()
        blob = self.store.model_blob(manifest)
        settings = {key: options[key] for key in _RELOADING if key in options}
        runner = self.loaded.get(blob)
        if runner is not None and (runner.settings != settings or runner.polls_left is not None):
            self.drop(blob)
            runner = None
        if runner is None:
            context = options.get("num_ctx", 4096)
            engine = LlamaCppEngine(blob, context=context, threads=1, reuse_prompts=True)
            name = self.store.name_of(manifest).shown
            runner = Runner(name, self.store.digest(manifest), engine, settings, blob.stat().st_size)
            self.loaded[blob] = runner
            self.loads += 1
        return runner, max(1, time.perf_counter_ns() - start)

    def unload(self, manifest: Path) -> None:
        """Begin to unload; with `slow_unload_polls` it goes on showing for so many looks."""
        blob = self.store.model_blob(manifest)
        if blob in self.loaded:
            self.loaded[blob].polls_left = self.slow_unload_polls
            if not self.slow_unload_polls:
                self.drop(blob)

    def drop(self, blob: Path) -> None:
        self.loaded.pop(blob).engine.close()

    def shown(self) -> list[dict[str, Any]]:
        """What `ps` says."""
        for blob, runner in list(self.loaded.items()):
            if runner.polls_left is not None:
                runner.polls_left -= 1
                if runner.polls_left < 0:
                    self.drop(blob)
        return [
            {
                "name": runner.name,
                "model": runner.name,
                "size": runner.size,
                "digest": runner.digest,
                "details": {"format": "gguf"},
                "expires_at": "2026-01-01T00:00:00Z",
                "size_vram": 0,
                "context_length": runner.engine.context,
            }
            for runner in self.loaded.values()
        ]

    def close(self) -> None:
        for blob in list(self.loaded):
            self.drop(blob)


def check_options(options: dict[str, Any]) -> None:
    """What fails when a model is loaded, not when it is created.

    Raises:
        GgufError: An option has another type than it must have.
    """
    for name, value in options.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if name in _INTEGERS and not (is_number and float(value).is_integer()):
            raise GgufError(f'option "{name}" must be of type integer')
        if name in _FLOATS and not is_number:
            raise GgufError(f'option "{name}" must be of type float32')
        if name == "stop" and not isinstance(value, list):
            raise GgufError('option "stop" must be of type array')


def sampling(options: dict[str, Any]) -> SamplingOptions:
    """Options of a request as the engine takes them."""
    fields: dict[str, Any] = {name: options[name] for name in _SAMPLING if name in options}
    if options.get("seed", -1) >= 0:
        fields["seed"] = int(options["seed"])
    limit = int(options.get("num_predict", -1))
    return SamplingOptions(
        max_tokens=limit if limit > 0 else 4096, stop=tuple(options.get("stop", ())), **fields
    )


def answer(
    runner: Runner, prompt: str | list[dict[str, Any]], options: dict[str, Any]
) -> Iterator[str | Response]:
    """Generate; a prompt that does not fit is cut to some more than half the context without a word."""
    chosen = sampling(options)

    def request(of: Prompt) -> Request:
        if isinstance(of, str):
            return Request("a", prompt=of, options=chosen)
        return Request("a", messages=tuple(of), options=chosen)

    stream = runner.engine.stream(request(prompt))
    try:
        yield from stream
    except UsageError:
        text = prompt if isinstance(prompt, str) else chat_text(runner, prompt)
        stream = runner.engine.stream(request(text[-(runner.engine.context // 2 + 40) :]))
        yield from stream
    if stream.response is not None:
        yield stream.response


def chat_text(runner: Runner, messages: list[dict[str, Any]]) -> str:
    """A chat as the GGUF's own template writes it."""
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    source = read_gguf(runner.engine.gguf).values["tokenizer.chat_template"]
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(source).render(messages=messages, add_generation_prompt=True)


def go_text(template: str, messages: list[dict[str, Any]]) -> str:
    """A chat as a Go template writes it."""
    turns = [{"Role": turn["role"], "Content": turn.get("content", "")} for turn in messages]
    system = "\n\n".join(turn["content"] for turn in messages if turn["role"] == "system")
    prompt = next((turn["content"] for turn in reversed(messages) if turn["role"] == "user"), "")
    return render(template, {"System": system, "Messages": turns, "Tools": [], "Prompt": prompt})
