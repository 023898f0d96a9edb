"""One question to the assistant: routed, with what it needs before it, within the context, with sources."""

from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

from web4mlx.assistant.builder import BuiltPrompt, ToolAwarePromptBuilder
from web4mlx.assistant.context import Hit, Retriever
from web4mlx.config.serving import AssistantConfig
from web4mlx.engines.base import Engine, Request, context_overflow

TOKENS_PER_TURN = 16  # no template adds more to one turn
BYTES_PER_TOKEN = 2  # fewer than any text has on average: an estimate that is too high is harmless


@runtime_checkable
class CountsTokens(Protocol):
    """An engine that counts tokens as its model does."""

    def count_tokens(self, text: str) -> int:
        """Tokens of a text."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request that is ready, and how its prompt came about."""

    request: Request
    built: BuiltPrompt

    @property
    def sources(self) -> list[dict[str, Any]]:
        """What the answer can cite: number, source, id, score and reasons."""
        return [
            {
                "number": number,
                "source": source(hit),
                "collection": hit.collection,
                "id": hit.id,
                "score": round(hit.score, 4),
                "reasons": list(hit.reasons),
            }
            for number, hit in enumerate(self.built.documents, 1)
        ]


def source(hit: Hit) -> str:
    """What a hit is looked up by."""
    return hit.citation or hit.id


def source_lines(prepared: Prepared) -> list[str]:
    """The sources for people: `[1] 2024-11-02-UTC-1030.pdca.md § Plan`."""
    return [f"[{entry['number']}] {entry['source']}" for entry in prepared.sources]


def prepare(
    request: Request, engine: Engine, context: int, retriever: Retriever | None, settings: AssistantConfig
) -> Prepared:
    """The request with what its last turn needs.

    Args:
        request: A chat that ends with the user's turn.
        engine: Counts tokens if it can; else they are estimated from above.
        context: Tokens of prompt and answer together.
        retriever: The store; None answers from trained knowledge.
        settings: Ecosystem, thresholds and caps.

    Raises:
        UsageError: The question alone does not fit.
        Web4Error: The store cannot be read.
    """
    count = engine.count_tokens if isinstance(engine, CountsTokens) else estimate_tokens
    *earlier, last = request.messages
    used = count("\n".join(str(turn["content"]) for turn in request.messages))
    if isinstance(engine, CountsTokens) and used >= context:
        raise context_overflow(used, context)
    reserved = min(request.options.max_tokens, context // 2) + TOKENS_PER_TURN * len(request.messages)
    builder = ToolAwarePromptBuilder(retriever, count, settings)
    built = builder.build_prompt(str(last["content"]), max(0, context - used - reserved))
    return Prepared(replace(request, messages=(*earlier, {**last, "content": built.text})), built)


def estimate_tokens(text: str) -> int:
    """More tokens than a text has."""
    return len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN + 1
