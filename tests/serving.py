"""The server in a thread, and a store that answers from a script."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.micro_gguf import Follows, write_micro_gguf
from web4mlx.assistant.context import Hit, Query, Retriever
from web4mlx.assistant.tool_need import open_detector
from web4mlx.config.serving import AssistantConfig
from web4mlx.engines.llamacpp import LlamaCppEngine
from web4mlx.errors import StageCrashed
from web4mlx.events import Event, EventLog, Served
from web4mlx.modelfile import parse_modelfile
from web4mlx.serving.app import build_app
from web4mlx.serving.backend import Backend
from web4mlx.serving.gguf_backend import GgufBackend
from web4mlx.serving.injecting import Injector
from web4mlx.serving.running import address_of, listen, make_server
from web4mlx.serving.served_model import describe_model
from web4mlx.serving.upstream import OllamaBackend

MODELFILE = (
    "FROM ./m.gguf\nSYSTEM Spell.\nPARAMETER temperature 0\nPARAMETER num_ctx 512\nPARAMETER num_predict 6\n"
)


@dataclass
class Serving:
    """A running server: its URL, its events so far, and a way to wait for one."""

    url: str
    events: list[Event] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def take(self, event: Event) -> None:
        with self.changed:
            self.events.append(event)
            self.changed.notify_all()

    def await_served(self, count: int = 1) -> list[Served]:
        """The events of the first `count` requests."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.served) >= count, timeout=60)
            return self.served

    @property
    def served(self) -> list[Served]:
        return [event for event in self.events if isinstance(event, Served)]


@contextmanager
def running(
    backend: Backend,
    retriever: Retriever | None = None,
    settings: AssistantConfig | None = None,
    **guard: Any,
) -> Iterator[Serving]:
    """A server in front of a backend, on a free port."""
    injector = Injector(retriever, settings or AssistantConfig(), open_detector())
    listener = listen("127.0.0.1", 0)
    serving, ready = Serving(address_of(listener)), threading.Event()
    app = build_app(backend, injector, EventLog(None, "test", "serve", serving.take), **guard)
    server = make_server(app, ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="test-server")
    with listener:
        thread.start()
        try:
            assert ready.wait(60)
            yield serving
        finally:
            server.should_exit = True
            thread.join(60)
    assert not thread.is_alive()


@contextmanager
def serving_gguf(
    folder: Path,
    follows: Follows,
    *,
    words: tuple[str, ...] = (),
    parallel: int = 2,
    retriever: Retriever | None = None,
    settings: AssistantConfig | None = None,
    modelfile: str = MODELFILE,
    context: int = 512,
    **guard: Any,
) -> Iterator[Serving]:
    """A server in front of a tiny GGUF called `agent`."""
    gguf = write_micro_gguf(folder / "m.gguf", follows, words=words, context=context)
    spoken = parse_modelfile(modelfile)
    with LlamaCppEngine(gguf, context=spoken.context, parallel=parallel, threads=1) as engine:
        model = describe_model(gguf, spoken, "agent", engine.context)
        backend = GgufBackend(engine, model, engine.count_tokens, parallel)
        with running(backend, retriever, settings, **guard) as serving:
            yield serving


@contextmanager
def serving_ollama(url: str, retriever: Retriever | None = None, **options: Any) -> Iterator[Serving]:
    """A server in front of an Ollama server."""
    settings = options.pop("settings", None)
    with running(OllamaBackend(url, **options), retriever, settings) as serving:
        yield serving


@dataclass
class ScriptedStore:
    """A retriever over a list: filters as told, ranks by the given scores, remembers what it was asked."""

    hits: list[Hit]
    is_filtering: bool = True
    is_broken: bool = False
    queries: list[Query] = field(default_factory=list)

    def retrieve(self, query: Query) -> list[Hit]:
        self.queries.append(query)
        if self.is_broken:
            raise StageCrashed("the store is gone")
        found = [hit for hit in self.hits if query.collections is None or hit.collection in query.collections]
        if self.is_filtering and query.where:
            found = [hit for hit in found if matches(hit.metadata, query.where)]
        return sorted(found, key=lambda hit: -hit.score)[: query.limit]


def matches(metadata: Mapping[str, Any], where: Mapping[str, Any]) -> bool:
    """Chroma's filters as far as they are used here."""
    operators: dict[str, Callable[[Any, Any], bool]] = {"$in": lambda value, among: value in among}
    for key, wanted in where.items():
        if key == "$and":
            if not all(matches(metadata, part) for part in wanted):
                return False
        elif isinstance(wanted, Mapping):
            if not all(operators[name](metadata.get(key), value) for name, value in wanted.items()):
                return False
        elif metadata.get(key) != wanted:
            return False
    return True


def example(
    number: int,
    tool: str = "read_file",
    ecosystem: str = "custom",
    *,
    score: float = 0.8,
    negative: bool = False,
) -> Hit:
    """A tool example."""
    metadata = {"tool_name": tool, "tool_ecosystem": ecosystem, "is_negative": negative}
    text = f'Read F{number}.ts\n{{"name": "{tool}", "parameters": {{"path": "F{number}.ts"}}}}'
    return Hit(f"e{number}", "tool_examples", text, metadata, score, citation=f"tool_core#{number}")


def document(number: int, text: str = "We pinned the versions.", *, score: float = 0.7) -> Hit:
    """A piece of a PDCA."""
    return Hit(
        f"d{number}", "pdca_historical", text, {}, score, citation=f"pdca/2024-0{number}.pdca.md § Act"
    )
