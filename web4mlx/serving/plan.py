"""Everything that `web4mlx serve` decides before it listens, and the opening of what it serves."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from web4mlx.assistant.context import Retriever
from web4mlx.assistant.tool_need import open_detector
from web4mlx.assistant.tool_rules import SHIPPED
from web4mlx.config.serving import AssistantConfig, ServeConfig
from web4mlx.engines.endpoint import OLLAMA_PORT, is_loopback, parse_endpoint
from web4mlx.events import EventLog, Started
from web4mlx.modelfile import read_modelfile
from web4mlx.serving.app import build_app
from web4mlx.serving.backend import Backend
from web4mlx.serving.gguf_backend import GgufBackend
from web4mlx.serving.guard import TOKEN_VARIABLE, check_bind
from web4mlx.serving.injecting import Injector
from web4mlx.serving.running import address_of, listen, serve
from web4mlx.serving.served_model import describe_model
from web4mlx.serving.upstream import OllamaBackend


@dataclass(frozen=True, slots=True)
class ServePlan:
    """What is served where. With a `gguf` it is served directly, else the Ollama server at `ollama`.

    `modelfile` and `name` are those of the GGUF; `token` is what clients must show, empty for none.
    """

    settings: ServeConfig
    assistant: AssistantConfig
    ollama: str
    gguf: Path | None
    modelfile: Path
    name: str
    allow_remote: bool = False
    token: str = ""


def plan_serving(
    settings: ServeConfig,
    assistant: AssistantConfig,
    *,
    ollama: str = "",
    gguf: Path | None = None,
    modelfile: Path,
    name: str,
    allow_remote: bool = False,
) -> ServePlan:
    """Complete and check what was asked for.

    Args:
        settings: The configured server.
        assistant: What is brought into prompts.
        ollama: The server behind it, as in OLLAMA_HOST; empty takes OLLAMA_HOST, else this machine.
        gguf: The file to serve directly.
        modelfile: SYSTEM and parameters of the GGUF.
        name: Its name for clients.
        allow_remote: Others may use it, with the token of the environment.

    Raises:
        UsageError: The address is not valid, or others could use it without a token.
    """
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    check_bind(settings.host, allow_remote, token)
    url = parse_endpoint(ollama or os.environ.get("OLLAMA_HOST", ""), OLLAMA_PORT)
    return ServePlan(settings, assistant, url, gguf, modelfile, name, allow_remote, token)


@contextmanager
def open_backend(plan: ServePlan) -> Iterator[Backend]:
    """What answers; a GGUF is loaded on entry and unloaded on exit.

    Raises:
        Web4Error: The GGUF or the Modelfile is missing or not valid.
    """
    settings = plan.settings
    if plan.gguf is None:
        yield OllamaBackend(plan.ollama, stall_s=settings.stall_s, answer_s=settings.answer_s)
        return
    from web4mlx.engines.llamacpp import LlamaCppEngine

    spoken = read_modelfile(plan.modelfile)
    with LlamaCppEngine(plan.gguf, context=spoken.context, parallel=settings.parallel) as engine:
        model = describe_model(plan.gguf, spoken, plan.name, engine.context)
        yield GgufBackend(engine, model, engine.count_tokens, settings.parallel, settings.answer_s)


def run_server(
    plan: ServePlan, retriever: Retriever | None, log: EventLog, on_ready: Callable[[str], object]
) -> None:
    """Listen and serve until told to stop.

    Args:
        plan: What is served where.
        retriever: The store; None brings nothing into prompts.
        log: Gets one event for every request; its first says where the server is.
        on_ready: Called with the server's URL when requests are answered.

    Raises:
        Web4Error: The port is taken, or the model cannot be loaded.
    """
    detector = open_detector(plan.assistant.tool_rules or SHIPPED)
    injector = Injector(retriever, plan.assistant, detector)
    listener = listen(plan.settings.host, plan.settings.port)
    with listener, open_backend(plan) as backend:
        url = address_of(listener)
        behind = str(plan.gguf) if plan.gguf else plan.ollama
        store = "no store" if retriever is None else "with the store"
        app = build_app(backend, injector, log, token=plan.token, is_local=is_loopback(plan.settings.host))

        def ready() -> None:
            log.write(Started, plan={url: f"in front of {behind}, {store}"})
            on_ready(url)

        serve(app, listener, ready)
