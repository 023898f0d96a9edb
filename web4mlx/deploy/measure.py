"""How fast the model is in Ollama: the first answer after a load, and tokens per second.

Ollama counts in nanoseconds and leaves out what is zero. The page cache of the system stays warm, so a cold
start here is one of Ollama, not of the machine.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from web4mlx.deploy.names import ModelName
from web4mlx.engines.ollama_server import OllamaServer
from web4mlx.errors import StageCrashed
from web4mlx.events import EventLog, Metric

RUNS = 3
TOKENS = 64
UNLOAD_LIMIT_S = 60.0
POLL_S = 0.1
COLD_LOAD_TARGET_S = 3.0
TOKENS_PER_SECOND_TARGET = 15.0
PROMPTS = (
    "Write a class with an empty constructor and an init method.",
    "Which five layers does a component have?",
    "Record a decision as Trigger, Response, Outcome and Next.",
)


@dataclass(frozen=True, slots=True)
class Speed:
    """What was measured; a value is None when the server did not report what it takes."""

    cold_load_s: float | None
    cold_first_answer_s: float
    tokens_per_second: float | None
    prompt_tokens_per_second: float | None
    runs: int


def seconds(nanoseconds: int | None) -> float | None:
    """A duration of Ollama's; None when it is absent, which also means zero."""
    return nanoseconds / 1e9 if nanoseconds else None


def per_second(count: int | None, nanoseconds: int | None) -> float | None:
    """Tokens per second; None when one of both is absent or zero."""
    return count / nanoseconds * 1e9 if count and nanoseconds else None


def median(values: list[float | None]) -> float | None:
    """Median of the values that are there."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def measure_speed(
    server: OllamaServer, name: ModelName, log: EventLog, sleep: Callable[[float], None] = time.sleep
) -> Speed:
    """Load the model anew, then let it answer a few times.

    Raises:
        Web4Error: The server failed meanwhile.
    """
    unload(server, name, sleep)
    begin = time.perf_counter()
    first = ask(server, name, PROMPTS[0], 1)
    cold_first_answer_s = time.perf_counter() - begin
    answers = [ask(server, name, prompt, TOKENS) for prompt in PROMPTS[:RUNS]]
    speed = Speed(
        cold_load_s=seconds(first.load_duration),
        cold_first_answer_s=cold_first_answer_s,
        tokens_per_second=median([per_second(a.eval_count, a.eval_duration) for a in answers]),
        prompt_tokens_per_second=median(
            [per_second(a.prompt_eval_count, a.prompt_eval_duration) for a in answers]
        ),
        runs=len(answers),
    )
    report(speed, log)
    return speed


def ask(server: OllamaServer, name: ModelName, prompt: str, tokens: int) -> Any:
    """One answer with the model's own options, capped and seeded."""
    with server.failures(f"measuring {name}"):
        return server.client.generate(str(name), prompt, options={"seed": 0, "num_predict": tokens})


def unload(server: OllamaServer, name: ModelName, sleep: Callable[[float], None] = time.sleep) -> None:
    """Unload a model and wait until it is gone: the server answers before that.

    Tags that share its file share its process too, so all of them have to be gone.

    Raises:
        StageCrashed: It stays loaded.
    """
    names = {str(name).casefold(), *(other.casefold() for other in sharing(server, name))}
    with server.failures(f"unloading {name}"):
        server.client.generate(str(name), keep_alive=0)
        deadline = time.monotonic() + UNLOAD_LIMIT_S
        while any(str(loaded.model).casefold() in names for loaded in server.client.ps().models):
            if time.monotonic() > deadline:
                raise StageCrashed(f"{server.url}: {name} stays loaded", "Is somebody else using it?")
            sleep(POLL_S)


def sharing(server: OllamaServer, name: ModelName) -> list[str]:
    """Other tags of the same model whose file is the same one."""
    file = source_file(server, str(name))
    others = (n for n in server.digests() if n.rpartition(":")[0].casefold() == name.path.casefold())
    return [n for n in others if n.casefold() != str(name).casefold() and source_file(server, n) == file]


def source_file(server: OllamaServer, name: str) -> str:
    """The file that a model is made of, as the server names it."""
    lines = str(server.show(name).get("modelfile", "")).splitlines()
    return next((line.partition(" ")[2] for line in lines if line.startswith("FROM ")), "")


def report(speed: Speed, log: EventLog) -> None:
    """Show the figures; a missed target of the plan is a warning, never a refusal."""
    if speed.cold_load_s is not None:
        log.write(Metric, name="cold load", value=speed.cold_load_s, unit="s")
        if speed.cold_load_s > COLD_LOAD_TARGET_S:
            log.warn("slow-load", f"loading took {speed.cold_load_s:.1f} s, the plan wants about 3 s")
    if speed.tokens_per_second is None:
        log.warn("no-speed", "the server does not say how fast it answers")
        return
    log.write(Metric, name="speed", value=speed.tokens_per_second, unit="tokens/s")
    if speed.tokens_per_second < TOKENS_PER_SECOND_TARGET:
        log.warn(
            "slow-answers",
            f"{speed.tokens_per_second:.1f} tokens/s, the plan wants 15 to 25",
            "Is the model on the GPU? `ollama ps` says so.",
        )
