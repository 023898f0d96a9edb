"""Does the GGUF answer in llama.cpp, and does it stop by itself?"""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from web4mlx.config import RunConfig
from web4mlx.data.samples import read_samples
from web4mlx.engines.base import Message, Request, SamplingOptions
from web4mlx.engines.llamacpp import LlamaCppEngine
from web4mlx.errors import Web4Error
from web4mlx.export.checks import verdict
from web4mlx.machine.blas import blas_threads
from web4mlx.modelfile import read_modelfile
from web4mlx.verify import Check

QUESTIONS = 3
LOOKED_AT = 200
MAX_TOKENS = 256
CONTEXT = 2048
LONGEST_PROMPT_LETTERS = 3000
SHORTEST_ANSWER_LETTERS = 20
CONTROL_MARK = "<|"


def held_out_questions(config: RunConfig) -> list[tuple[Message, ...]]:
    """The questions of the held-out file with the shortest answers, as chats with the Modelfile's SYSTEM.

    Short answers are enough to see that the model speaks and stops, and cost seconds on any machine.
    """
    system = read_modelfile(config.modelfile).system
    samples = sorted(islice(read_samples(config.data.eval), LOOKED_AT), key=lambda sample: len(sample.output))
    chats = (
        tuple(sample.messages(system)[:-1])
        for sample in samples
        if len(sample.output) >= SHORTEST_ANSWER_LETTERS
    )
    short = (chat for chat in chats if sum(len(turn["content"]) for turn in chat) < LONGEST_PROMPT_LETTERS)
    return list(islice(short, QUESTIONS))


def check_answers(gguf: Path, chats: Sequence[Sequence[Message]]) -> Check:
    """Ask the questions greedily, without stop strings: every answer has text, and most end by themselves.

    One core stays free: the threads of llama.cpp wait for each other by spinning.
    """
    options = SamplingOptions(temperature=0.0, seed=0, max_tokens=MAX_TOKENS)
    requests = [
        Request(id=str(number), messages=tuple(chat), options=options) for number, chat in enumerate(chats)
    ]
    if not requests:
        return Check(name="answers", verdict="errored", detail="no held-out question to ask")
    try:
        with LlamaCppEngine(gguf, context=CONTEXT, threads=blas_threads()) as engine:
            responses = list(engine.generate(requests))
    except Web4Error as error:
        return Check(name="answers", verdict="failed", detail=error.message)
    wrong = [f"question {r.id}: {r.error}" for r in responses if r.finish_reason == "error"]
    wrong += [f"question {r.id}: no text" for r in responses if not r.error and not r.text.strip()]
    wrong += [f"question {r.id}: control token in the text" for r in responses if CONTROL_MARK in r.text]
    stopped = sum(response.finish_reason == "stop" for response in responses)
    if 2 * stopped <= len(responses):
        wrong.append(f"{stopped} of {len(responses)} answers ended by themselves within {MAX_TOKENS} tokens")
    return verdict("answers", wrong, f"{len(responses)} questions answered, {stopped} ended by themselves")
