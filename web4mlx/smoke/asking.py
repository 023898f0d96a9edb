"""One question as the assistant answers it, streamed, with the times of its parts."""

import time
from dataclasses import dataclass, field

from web4mlx.assistant.answering import Prepared, prepare
from web4mlx.assistant.context import Hit, Query, Retriever
from web4mlx.config.serving import AssistantConfig
from web4mlx.engines.base import Engine, Request, Response
from web4mlx.modelfile import Modelfile, sampling_options

# One of each kind: the first answer of a kind loads pages, embedder and caches. No test asks any of them.
WARM_UP = (
    "What is Radical OOP?",
    "How did we hand over open work in the past?",
    "Read the file src/layer2/App.ts.",
)
SEED = 7


@dataclass
class Asked:
    """Passes questions on to the store and remembers which collections were asked."""

    retriever: Retriever
    collections: list[str] = field(default_factory=list)

    def retrieve(self, query: Query) -> list[Hit]:
        """The hits of a query, best first."""
        self.collections += query.collections or ()
        return self.retriever.retrieve(query)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, how its prompt came about, and its times in milliseconds from the question on."""

    prepared: Prepared
    response: Response
    collections: tuple[str, ...]
    first_token_ms: float
    total_ms: float


@dataclass(frozen=True)
class Bench:
    """What questions are asked of: a model, its Modelfile, a store."""

    engine: Engine
    modelfile: Modelfile
    retriever: Retriever
    settings: AssistantConfig

    def ask(self, question: str, max_tokens: int | None = None) -> Answer:
        """Ask, and take the times.

        Raises:
            Web4Error: The store or the engine failed, or the prompt does not fit.
        """
        options = sampling_options(self.modelfile, seed=SEED, max_tokens=max_tokens)
        asked = Asked(self.retriever)
        start = time.perf_counter()
        request = Request("smoke", tuple(self.modelfile.chat(question)), options=options)
        prepared = prepare(request, self.engine, self.modelfile.context, asked, self.settings)
        first_at = 0.0
        stream = self.engine.stream(prepared.request)
        for piece in stream:
            first_at = first_at or (time.perf_counter() if piece else 0.0)
        end = time.perf_counter()
        times = ((first_at or end) - start, end - start)
        return Answer(prepared, stream.finish(), tuple(asked.collections), *(1000 * s for s in times))

    def warm_up(self) -> None:
        """Answer one question of each kind, a token long.

        Raises:
            Web4Error: The store or the engine failed.
        """
        for question in WARM_UP:
            self.ask(question, max_tokens=1)
