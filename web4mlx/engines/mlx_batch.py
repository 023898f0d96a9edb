"""Several requests decoded together by mlx-lm's batch generator, on a model that is already in memory."""

from collections.abc import Iterator, Sequence
from typing import Any

from web4mlx.engines.base import Request, Response, context_overflow
from web4mlx.engines.mlx_answer import Answer
from web4mlx.engines.mlx_model import LoadedModel, encode_request
from web4mlx.engines.mlx_sampling import make_processors, make_sampler


def generate_pieces(
    loaded: LoadedModel, requests: Sequence[Request], parallel: int, context: int
) -> Iterator[str | Response]:
    """Answer requests; leaving the iteration early ends the generation.

    Args:
        loaded: The model, in evaluation mode.
        requests: With ids that differ.
        parallel: How many are decoded together.
        context: Tokens of prompt and answer together.

    Yields:
        Pieces of text, and a response where an answer has ended or was refused.
    """
    from mlx_lm.generate import BatchGenerator

    parallel = max(1, parallel)
    generator = BatchGenerator(
        loaded.model,
        stop_tokens=[[token] for token in sorted(loaded.end_token_ids)],
        completion_batch_size=parallel,
        prefill_batch_size=min(parallel, 8),
    )
    waiting = list(reversed(requests))
    running: dict[int, Answer] = {}
    try:
        while waiting or running:
            while waiting and len(running) < parallel:
                refusal = _begin(generator, loaded, waiting.pop(), context, running)
                if refusal is not None:
                    yield refusal
            for step in generator.next_generated() if running else ():
                answer = running[step.uid]
                yield from answer.take(step.token, step.finish_reason)
                if answer.response is None:
                    continue
                del running[step.uid]
                if step.finish_reason is None:
                    generator.remove([step.uid])
                yield answer.response
    finally:
        generator.close()


def _begin(
    generator: Any, loaded: LoadedModel, request: Request, context: int, running: dict[int, Answer]
) -> Response | None:
    """Start an answer; returns the refusal when its prompt leaves no room in the context."""
    prompt = encode_request(loaded.tokenizer, request)
    if not 0 < len(prompt) < context:
        problem = context_overflow(len(prompt), context).message if prompt else "the prompt is empty"
        return Response(request.id, "", "error", len(prompt), 0, 0.0, 0.0, problem)
    answer = Answer(request, loaded.tokenizer.backend, len(prompt))
    (uid,) = generator.insert(
        [prompt],
        max_tokens=[min(request.options.max_tokens, context - len(prompt))],
        samplers=[make_sampler(request.options)],
        logits_processors=[make_processors(request.options)],
    )
    running[uid] = answer
    return None
