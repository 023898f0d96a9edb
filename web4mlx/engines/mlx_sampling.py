"""Sampling options as functions of MLX arrays.

In llama.cpp's order: penalties, top-k, top-p, min-p, temperature.
"""

import os
from collections.abc import Callable
from typing import Any

from web4mlx.engines.base import SamplingOptions


def make_sampler(options: SamplingOptions) -> Callable[[Any], Any]:
    """A sampler with a random state of its own.

    Returns:
        A function from log-probabilities of shape (1, vocabulary) to token ids of shape (1,).
    """
    import mlx.core as mx
    from mlx_lm.sample_utils import apply_min_p, apply_top_k, apply_top_p

    if options.temperature == 0:
        return lambda logprobs: mx.argmax(logprobs, axis=-1)
    seed = int.from_bytes(os.urandom(4), "big") if options.seed is None else options.seed
    state = mx.random.key(seed)

    def sample(logprobs: Any) -> Any:
        nonlocal state
        state, key = mx.random.split(state)
        if 0 < options.top_k < logprobs.shape[-1]:
            logprobs = apply_top_k(logprobs, options.top_k)
        if options.top_p < 1:
            logprobs = apply_top_p(logprobs, options.top_p)
        if options.min_p > 0:
            logprobs = apply_min_p(logprobs, options.min_p)
        return mx.random.categorical(logprobs / options.temperature, key=key)

    return sample


def make_processors(options: SamplingOptions) -> list[Callable[[Any, Any], Any]]:
    """The penalties that differ from doing nothing, over the last `repeat_last_n` tokens."""
    from mlx_lm.sample_utils import make_logits_processors

    window = options.repeat_last_n
    if window == 0:
        return []
    processors: list[Callable[[Any, Any], Any]] = make_logits_processors(
        repetition_penalty=options.repeat_penalty if options.repeat_penalty != 1 else None,
        repetition_context_size=window,
        presence_penalty=options.presence_penalty or None,
        presence_context_size=window,
        frequency_penalty=options.frequency_penalty or None,
        frequency_context_size=window,
    )
    return processors
