"""The prompt that the model gets: the question, with documents and tool examples before it where needed.

The question's own words are never changed or cut. What does not fit is dropped and named in the result.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from web4mlx.assistant.context import TOOL_EXAMPLES, Hit, Query, Retriever
from web4mlx.assistant.fitting import CountTokens, Fitted, fit_block
from web4mlx.assistant.route import Route, choose_route
from web4mlx.assistant.tool_need import ToolNeed, ToolNeedDetector, open_detector
from web4mlx.config.serving import AssistantConfig
from web4mlx.quoting import CONTEXT, TOOLS


@dataclass(frozen=True, slots=True)
class BuiltPrompt:
    """A prompt and how it came about.

    `text` is the whole prompt, `context` what stands before the question in it. The hits are best first; an
    answer cites `documents` by number from 1. `retrieve_s` is the time in the store.
    """

    text: str
    context: str
    route: Route
    documents: tuple[Hit, ...] = ()
    examples: tuple[Hit, ...] = ()
    dropped: tuple[Hit, ...] = ()
    context_tokens: int = 0
    retrieve_s: float = 0.0
    notes: tuple[str, ...] = field(default=())


class ToolAwarePromptBuilder:
    """Builds prompts.

    Args:
        retriever: The store; None answers everything from trained knowledge.
        count_tokens: Tokens of a text, by the model's tokenizer.
        settings: Ecosystem, thresholds and caps.
        detector: Decides about tools and history; None takes the configured rules.
    """

    def __init__(
        self,
        retriever: Retriever | None,
        count_tokens: CountTokens,
        settings: AssistantConfig | None = None,
        detector: ToolNeedDetector | None = None,
    ) -> None:
        self.retriever = retriever
        self.count_tokens = count_tokens
        self.settings = settings or AssistantConfig()
        rules = self.settings.tool_rules
        self.detector = detector or (open_detector(rules) if rules else open_detector())

    def detect_tool_need(self, prompt: str) -> ToolNeed:
        """Whether a prompt needs tools, and which."""
        return self.detector.detect(prompt)

    def inject_tool_examples(self, prompt: str, need: ToolNeed | None = None) -> Fitted:
        """Two or three examples of the needed tools as a block; empty when there are none alike enough.

        Args:
            prompt: The question.
            need: What was detected; None detects it.

        Raises:
            Web4Error: The store cannot be read.
        """
        need = need or self.detect_tool_need(prompt)
        if self.retriever is None or not need.needs:
            return Fitted()
        hits = self.retriever.retrieve(self.example_query(prompt, need))
        chosen = [hit for hit in hits if self._is_example(hit, need)][: self.settings.examples]
        return fit_block(TOOLS, chosen, self.settings.example_tokens, self.count_tokens)

    def example_query(self, prompt: str, need: ToolNeed) -> Query:
        """The question to the store; for more than needed, since some may be alike too little."""
        conditions = [
            {"tool_ecosystem": self.settings.ecosystem},
            {"is_negative": False},
            {"tool_name": {"$in": sorted(self.detector.names_of(need))}},
        ]
        limit = self.settings.examples * 2
        return Query(prompt, (TOOL_EXAMPLES,), where={"$and": conditions}, limit=limit)

    def _is_example(self, hit: Hit, need: ToolNeed) -> bool:
        """Checked here too: a store that ignores a filter must not teach the wrong thing."""
        metadata = hit.metadata
        return (
            hit.score >= self.settings.example_similarity
            and not metadata.get("is_negative", False)
            and metadata.get("tool_ecosystem") == self.settings.ecosystem
            and metadata.get("tool_name") in self.detector.names_of(need)
        )

    def find_documents(self, prompt: str) -> list[Hit]:
        """The pieces of documents that are alike enough, best first.

        Raises:
            Web4Error: The store cannot be read.
        """
        if self.retriever is None:
            return []
        settings = self.settings
        query = Query(prompt, settings.collections, hops=settings.hops, limit=settings.documents)
        hits = self.retriever.retrieve(query)
        return [hit for hit in hits if hit.score >= settings.document_similarity][: settings.documents]

    def build_prompt(self, prompt: str, room: int | None = None) -> BuiltPrompt:
        """The prompt with what it needs before it.

        Args:
            prompt: The question.
            room: Tokens that may stand before it; None has no limit but the configured caps.

        Raises:
            Web4Error: The store cannot be read.
        """
        route = choose_route(prompt, self.detector)
        if self.retriever is None or route.name == "trained":
            notes = () if route.name == "trained" else ("no store is open: answered from trained knowledge",)
            return BuiltPrompt(prompt, "", route, notes=notes)
        start = time.perf_counter()
        examples = self.inject_tool_examples(prompt, route.need)
        found = self.find_documents(prompt) if route.history else []
        retrieve_s = time.perf_counter() - start
        limit = self.settings.context_tokens if room is None else min(room, self.settings.context_tokens)
        if examples.tokens > limit:
            examples = fit_block(TOOLS, examples.used, limit, self.count_tokens)
        documents = fit_block(CONTEXT, found, limit - examples.tokens, self.count_tokens)
        return self._assemble(prompt, route, documents, examples, retrieve_s)

    def _assemble(
        self, prompt: str, route: Route, documents: Fitted, examples: Fitted, retrieve_s: float
    ) -> BuiltPrompt:
        context = "\n\n".join(part.text for part in (documents, examples) if part.text)
        dropped = documents.dropped + examples.dropped
        return BuiltPrompt(
            text=f"{context}\n\n{prompt}" if context else prompt,
            context=context,
            route=route,
            documents=documents.used,
            examples=examples.used,
            dropped=dropped,
            context_tokens=documents.tokens + examples.tokens,
            retrieve_s=retrieve_s,
            notes=tuple(_notes(route, documents, examples, dropped)),
        )


def _notes(route: Route, documents: Fitted, examples: Fitted, dropped: Sequence[Hit]) -> list[str]:
    notes = []
    if route.history and not (documents.used or documents.dropped):
        notes.append("no document is alike enough: answered from trained knowledge")
    if route.need.needs and not (examples.used or examples.dropped):
        notes.append("no tool example is alike enough")
    if dropped:
        names = ", ".join(hit.citation or hit.id for hit in dropped[:5])
        notes.append(f"{len(dropped)} of the found pieces did not fit into the context: {names}")
    return notes
