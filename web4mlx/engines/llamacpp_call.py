"""One request on its way through llama.cpp's server: its body, its pieces of text, its response."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from web4mlx.engines.base import Request, Response, context_overflow
from web4mlx.errors import StageCrashed, UsageError, Web4Error


class Call:
    """A request and what has come back so far.

    Args:
        request: What to answer.
        is_cancelled: Asked at each piece of text; True ends the generation.
        on_text: Called with each piece of text.
    """

    def __init__(
        self,
        request: Request,
        is_cancelled: Callable[[], bool],
        on_text: Callable[[str], object] = lambda text: None,
    ) -> None:
        self.request = request
        self.is_cancelled = is_cancelled
        self.on_text = on_text
        self.texts: list[str] = []
        self.first_token_at = 0.0
        self.last_chunk: dict[str, Any] = {}

    def run(self, server: Any, end_tokens: Sequence[str], reuse_prompts: bool) -> Response:
        """Generate; blocks until the answer is complete or cancelled.

        Raises:
            UsageError: llama.cpp refuses the request, e.g. because it exceeds the context.
            StageCrashed: llama.cpp failed, or the generation was cancelled.
        """
        if server is None:
            raise StageCrashed("the engine is closed")
        body = request_body(self.request, end_tokens) | {"cache_prompt": reuse_prompts}
        start = time.perf_counter()
        if self.request.prompt is None:
            server.handle_chat_completions(body, self._take)
        else:
            server.handle_completions(body, self._take)
        end = time.perf_counter()
        if "error" in self.last_chunk:
            raise refusal(self.last_chunk["error"])
        timings = self.last_chunk.get("timings")
        if timings is None:
            raise StageCrashed("the answer was cancelled before it was complete")
        return Response(
            id=self.request.id,
            text="".join(self.texts),
            finish_reason="length" if self.last_chunk["choices"][0]["finish_reason"] == "length" else "stop",
            prompt_tokens=timings["cache_n"] + timings["prompt_n"],
            completion_tokens=timings["predicted_n"],
            time_to_first_token_s=(self.first_token_at or end) - start,
            total_s=end - start,
        )

    def _take(self, chunk: dict[str, Any]) -> bool:
        self.last_chunk = chunk
        if "error" in chunk:
            return True
        choice = chunk["choices"][0]
        text = choice.get("text") or choice.get("delta", {}).get("content") or ""
        if text:
            self.first_token_at = self.first_token_at or time.perf_counter()
            self.texts.append(text)
            self.on_text(text)
        return self.is_cancelled()


def request_body(request: Request, end_tokens: Sequence[str]) -> dict[str, Any]:
    """The request as llama.cpp's server expects it.

    End tokens join the stop strings because control tokens are rendered as text.
    """
    options = request.options
    body: dict[str, Any] = {
        "stream": True,
        "temperature": options.temperature,
        "top_k": options.top_k,
        "top_p": options.top_p,
        "min_p": options.min_p,
        "max_tokens": options.max_tokens,
        "repeat_penalty": options.repeat_penalty,
        "repeat_last_n": options.repeat_last_n,
        "presence_penalty": options.presence_penalty,
        "frequency_penalty": options.frequency_penalty,
        "stop": list(dict.fromkeys([*options.stop, *end_tokens])),
    }
    if options.seed is not None:
        body["seed"] = options.seed
    if request.prompt is None:
        body["messages"] = [dict(message) for message in request.messages]
        if request.tools:
            body["tools"] = [dict(tool) for tool in request.tools]
    else:
        body["prompt"] = request.prompt
    return body


def refusal(error: dict[str, Any]) -> Web4Error:
    """llama.cpp's error object as one of ours."""
    if error.get("type") == "exceed_context_size_error":
        return context_overflow(error["n_prompt_tokens"], error["n_ctx"])
    message = str(error.get("message", error))
    if error.get("code") == 400:
        return UsageError(f"llama.cpp refuses the request: {message}")
    return StageCrashed(f"llama.cpp failed: {message}")
