"""Bringing context into a request: what the client asked stays as it is, what it needs stands before it.

Nothing is injected when nothing is needed: then the request goes on byte for byte.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from web4mlx.assistant.answering import TOKENS_PER_TURN, source
from web4mlx.assistant.builder import BuiltPrompt, ToolAwarePromptBuilder
from web4mlx.assistant.context import Retriever
from web4mlx.assistant.tool_need import ToolNeedDetector
from web4mlx.config.serving import AssistantConfig
from web4mlx.errors import UsageError, Web4Error
from web4mlx.serving.asked import Asked, message_text
from web4mlx.serving.backend import ModelFacts

LONGEST_SOURCES = 900  # characters of a header


@dataclass(frozen=True, slots=True)
class Injected:
    """A request as it goes on, and what was brought into it; `built` is None where nothing could be."""

    asked: Asked
    built: BuiltPrompt | None = None
    notes: tuple[str, ...] = ()

    @property
    def headers(self) -> dict[str, str]:
        """What a curious client may read: the route, and the sources, percent-encoded."""
        if self.built is None:
            return {}
        sources = ", ".join(source(hit) for hit in self.built.documents)[:LONGEST_SOURCES]
        named = {"x-web4mlx-route": self.built.route.name}
        return named | ({"x-web4mlx-sources": quote(sources, safe=" ,/§[]:.-_")} if sources else {})

    @property
    def served(self) -> dict[str, Any]:
        """The fields of the request's event."""
        built, note = self.built, "; ".join(self.notes)
        if built is None:
            return {"model": self.asked.model, "note": note}
        return {
            "model": self.asked.model,
            "route": built.route.name,
            "hits": len(built.documents),
            "examples": len(built.examples),
            "dropped": len(built.dropped),
            "context_tokens": built.context_tokens,
            "retrieve_ms": round(built.retrieve_s * 1e3, 3),
            "note": note,
        }


class Injector:
    """Builds the prompt of each request.

    Args:
        retriever: The store; None injects nothing.
        settings: Ecosystem, thresholds and caps.
        detector: Decides about tools and history.
    """

    def __init__(
        self, retriever: Retriever | None, settings: AssistantConfig, detector: ToolNeedDetector
    ) -> None:
        self.retriever = retriever
        self.settings = settings
        self.detector = detector

    def inject(self, asked: Asked, facts: ModelFacts) -> Injected:
        """A request with what it needs; blocks while the store is asked.

        A store that fails costs the context, not the answer: the note says so.

        Args:
            asked: The request.
            facts: What is known of its model.

        Raises:
            UsageError: The prompt alone does not fit into the model's context.
        """
        used = prompt_tokens(asked, facts)
        if facts.is_exact and used >= facts.context:
            raise UsageError(f"the prompt has {used} tokens, the context holds {facts.context}")
        question = asked.question
        if not question:
            return Injected(asked)
        room = max(0, facts.context - used - answer_room(facts))
        builder = ToolAwarePromptBuilder(self.retriever, facts.count_tokens, self.settings, self.detector)
        try:
            built = builder.build_prompt(question, room)
        except Web4Error as error:
            return Injected(asked, notes=(f"answered without the store: {error.message}",))
        changed = asked.with_context(built.context) if built.context else asked
        return Injected(changed, built, built.notes)


def prompt_tokens(asked: Asked, facts: ModelFacts) -> int:
    """Tokens of a request's prompt: its texts with a line end between them, and its tools.

    Each text is counted by itself, so that those of earlier turns are known from the request before.
    """
    texts = [message_text(message) for message in asked.messages]
    tools = asked.body.get("tools")
    described = facts.count_tokens(str(tools)) if tools else 0
    return sum(map(facts.count_tokens, texts)) + max(0, len(texts) - 1) + described + facts.opening_tokens


def answer_room(facts: ModelFacts) -> int:
    """Tokens to keep for the answer and the template: the cap, at most half of the context."""
    wanted = facts.answer_tokens or facts.context // 4
    return min(wanted, facts.context // 2) + 4 * TOKENS_PER_TURN
