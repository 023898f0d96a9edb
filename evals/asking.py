"""Asking: the questions of a run go to an engine; each answer is kept the moment it arrives."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from evals.cache import AnswerCache, answer_key
from evals.cases import Case
from evals.run_file import Answered, AnswerLog, RunFile
from web4mlx.engines.base import Engine, Request, SamplingOptions
from web4mlx.events import EventLog, Progress
from web4mlx.modelfile import Modelfile

Cases = Mapping[str, Sequence[Case]]


@dataclass(frozen=True)
class Asking:
    """What stays the same for all questions of a run. `cache` None asks everything anew."""

    run: RunFile
    modelfile: Modelfile
    options: SamplingOptions
    cache: AnswerCache | None
    log: EventLog
    parallel: int


def ask_missing(asking: Asking, engine: Engine, cases: Cases) -> int:
    """Ask what has no answer yet.

    Args:
        asking: The run and how to ask.
        engine: Who answers.
        cases: All cases of the run by harness; those with an answer are passed over.

    Returns:
        How many questions a model answered, cached ones not counted.

    Raises:
        Web4Error: The engine failed; what was answered is kept, and the run can be resumed.
    """
    missing = {harness: set(ids) for harness, ids in asking.run.missing().items()}
    requests = {
        f"{harness}/{case.id}": request_of(asking, harness, case)
        for harness, some in cases.items()
        for case in some
        if case.id in missing.get(harness, ())
    }
    prompts = {f"{harness}/{case.id}": case.prompt for harness, some in cases.items() for case in some}
    pace = Pace(asking.log, {harness: len(ids) for harness, ids in asking.run.header.cases.items()})
    for key, answer in asking.run.answers().items():
        if key not in requests:
            pace.count(answer, asked=False)
    with AnswerLog(asking.run) as answers:
        for answer in cached_answers(asking, requests):
            answers.append(answer)
            pace.count(answer, asked=False)
            del requests[answer.key]
        asked = len(requests)
        for response in engine.generate(list(requests.values()), asking.parallel) if requests else ():
            answer = Answered.of(response, prompts[response.id])
            answers.append(answer)
            remember(asking, requests[response.id], answer)
            pace.count(answer, asked=True)
            pace.show(answer.harness)
    return asked


def request_of(asking: Asking, harness: str, case: Case) -> Request:
    """The question as a chat with the Modelfile's SYSTEM."""
    messages = tuple(asking.modelfile.chat(case.prompt))
    return Request(f"{harness}/{case.id}", messages, options=asking.options)


def cached_answers(asking: Asking, requests: Mapping[str, Request]) -> Iterator[Answered]:
    """The answers that were given before, under the names of this run."""
    if asking.cache is None:
        return
    subject = asking.run.header.subject
    for name, request in list(requests.items()):
        found = asking.cache.find(answer_key(subject, request))
        if found is not None:
            harness, case = name.split("/", 1)
            yield found.model_copy(update={"harness": harness, "case": case, "cached": True})


def remember(asking: Asking, request: Request, answer: Answered) -> None:
    """Put an answer into the cache."""
    if asking.cache is not None:
        asking.cache.keep(answer_key(asking.run.header.subject, request), answer)


@dataclass
class Pace:
    """How far each harness is and how long it will take, by tokens, since answers differ in length."""

    log: EventLog
    planned: dict[str, int]
    done: dict[str, int] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    asked_tokens: int = 0
    started: float = field(default_factory=time.monotonic)

    def count(self, answer: Answered, *, asked: bool) -> None:
        """Take an answer into account; only those that a model gave now tell its speed."""
        self.done[answer.harness] = self.done.get(answer.harness, 0) + 1
        self.tokens[answer.harness] = self.tokens.get(answer.harness, 0) + answer.completion_tokens
        self.asked_tokens += answer.completion_tokens if asked else 0

    def left_s(self, harnesses: Sequence[str]) -> float | None:
        """Seconds until these harnesses are complete; None before anything is known."""
        elapsed = time.monotonic() - self.started
        if not self.asked_tokens or not elapsed:
            return None
        known = sum(self.done.values())
        average = sum(self.tokens.values()) / known
        tokens = 0.0
        for name in harnesses:
            done = self.done.get(name, 0)
            each = self.tokens[name] / done if done else average
            tokens += each * (self.planned[name] - done)
        return tokens * elapsed / self.asked_tokens

    def show(self, harness: str) -> None:
        """Report the progress of a harness, and of the whole run in its message."""
        whole, everything = sum(self.done.values()), sum(self.planned.values())
        left = self.left_s(list(self.planned))
        rest = f", {max(1, round(left / 60))} min" if left is not None else ""
        self.log.write(
            Progress, done=self.done[harness], total=self.planned[harness], unit="cases",
            message=f"{harness} ({whole}/{everything} in all{rest})", eta_s=self.left_s([harness]),
        )  # fmt: skip
