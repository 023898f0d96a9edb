"""One answer in the making: from token ids to pieces of text and a response."""

import time
from collections.abc import Iterator
from typing import Any, Literal

from web4mlx.engines.base import Request, Response
from web4mlx.engines.stops import StopFilter


class Answer:
    """Collects the tokens of one request.

    Args:
        request: What is answered.
        tokenizer: The `tokenizers` object that decodes.
        prompt_tokens: Length of the prompt.
    """

    def __init__(self, request: Request, tokenizer: Any, prompt_tokens: int) -> None:
        from tokenizers.decoders import DecodeStream

        self.request = request
        self.prompt_tokens = prompt_tokens
        self.response: Response | None = None
        self._tokenizer = tokenizer
        self._decoder = DecodeStream(skip_special_tokens=False)
        self._filter = StopFilter(request.options.stop)
        self._texts: list[str] = []
        self._tokens = 0
        self._start = time.perf_counter()
        self._first_s = 0.0

    def take(self, token: int, finish_reason: Literal["stop", "length"] | None) -> Iterator[str]:
        """Add a token; yields text and sets `response` when the answer has ended.

        Args:
            token: Its id.
            finish_reason: `stop` when it is an end token, `length` when it is the last one allowed.
        """
        self._tokens += 1
        self._first_s = self._first_s or time.perf_counter() - self._start
        is_end = finish_reason == "stop"
        text = "" if is_end else self._filter.push(self._decoder.step(self._tokenizer, token) or "")
        ended = finish_reason is not None or self._filter.is_stopped
        if ended:
            text += self._filter.flush()
        if text:
            self._texts.append(text)
            yield text
        if ended:
            self.response = Response(
                id=self.request.id,
                text="".join(self._texts),
                finish_reason="stop" if is_end or self._filter.is_stopped else "length",
                prompt_tokens=self.prompt_tokens,
                completion_tokens=self._tokens,
                time_to_first_token_s=self._first_s,
                total_s=time.perf_counter() - self._start,
            )
