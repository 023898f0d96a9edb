"""What an Ollama server says of its models, as far as fitting a prompt needs it, asked every five minutes.

The tokenizer is built from the vocabulary that `show` lists with `verbose`. Where that is of an unknown kind
tokens are estimated, and nothing is refused on an estimate.
"""

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool

from web4mlx.assistant.answering import estimate_tokens
from web4mlx.assistant.counting import RememberedCounts
from web4mlx.engines.llama_vocabulary import open_vocabulary
from web4mlx.serving.asked import Asked
from web4mlx.serving.backend import CountTokens, ModelFacts
from web4mlx.serving.options import openai_limit

Show = Callable[[str], Awaitable[Mapping[str, Any] | None]]
FRESH_S = 300.0
SMALLEST_CONTEXT = 4096  # what Ollama takes without num_ctx on a small machine


class ShownModel:
    """What was said of one model, and when."""

    def __init__(self, shown: Mapping[str, Any]) -> None:
        self.at = time.monotonic()
        info = shown.get("model_info") or {}
        parameters = parameter_lines(str(shown.get("parameters") or ""))
        architecture = str(info.get("general.architecture") or "")
        self.trained_context = whole(info.get(f"{architecture}.context_length"))
        self.context = whole(parameters.get("num_ctx"))
        self.answer_tokens = whole(parameters.get("num_predict"))
        self.system = str(shown.get("system") or "")
        count = open_vocabulary(info)
        self.count_tokens: CountTokens = RememberedCounts(count) if count else estimate_tokens
        self.is_exact = count is not None

    def facts(self, asked: Asked) -> ModelFacts:
        """What holds for a request: its own options win, the model's training is the limit."""
        context, own = self.context or SMALLEST_CONTEXT, openai_limit(asked.body)
        if asked.dialect != "openai":  # Ollama does not look at `options` there
            context = whole(asked.options.get("num_ctx")) or context
            own = asked.options.get("num_predict")
        limit = self.answer_tokens if own is None else whole(own)
        has_system = any(turn.get("role") == "system" for turn in asked.messages[:1])
        opening = "" if has_system or asked.body.get("raw") else self.system
        return ModelFacts(
            context=min(context, self.trained_context or context),
            answer_tokens=max(0, limit),
            opening_tokens=self.count_tokens(opening) if opening else 0,
            count_tokens=self.count_tokens,
            is_exact=self.is_exact,
        )


class ShownModels:
    """The models that were asked for lately.

    Args:
        show: Asks the server; None is a model that it does not have.
    """

    def __init__(self, show: Show) -> None:
        self._show = show
        self._known: dict[str, ShownModel] = {}

    async def facts(self, asked: Asked) -> ModelFacts | None:
        """What holds for a request; None when the server does not know the model."""
        known = self._known.get(asked.model)
        if known is None or time.monotonic() - known.at > FRESH_S:
            shown = await self._show(asked.model) if asked.model else None
            if shown is None:
                self._known.pop(asked.model, None)
                return None
            known = await run_in_threadpool(ShownModel, shown)
            self._known[asked.model] = known
        return known.facts(asked)


def parameter_lines(text: str) -> dict[str, str]:
    """The parameters in `show`'s text: a name, blanks, a value on each line; of several the last."""
    pairs = (line.split(None, 1) for line in text.splitlines())
    return {pair[0]: pair[1].strip() for pair in pairs if len(pair) == 2}


def whole(value: Any) -> int:
    """A whole number; 0 for what is none."""
    try:
        return int(json.loads(str(value)))
    except (ValueError, TypeError, OverflowError):
        return 0
