"""How many samples of which kind each file holds, per scale."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

from web4mlx.data.corpus import short_answers, short_code, short_documents
from web4mlx.data.corpus.grammar import Dealer
from web4mlx.data.corpus.rows import Row

Scale = Literal["demo", "full"]
Producer = Callable[[Dealer], Row]
# Files with knowledge topics, and how many of the topics the demo's evaluation rows ask about.
EXPLAINED = {
    "style_core": 2,
    "process_framework": 2,
    "style_refactor": 1,
    "tool_awareness": 0,
    "guardrails": 0,
}


@dataclass(frozen=True, slots=True)
class Share:
    """Some samples of one kind: where they go, how many for training and for evaluation, who makes them."""

    file: str
    train: int
    eval: int
    produce: Producer


def demo_plan() -> Iterator[Share]:
    """Small enough for a quarter of an hour on two cores, with every kind that the harnesses ask for."""
    yield Share("style_core", 30, 3, short_code.empty_constructor)
    yield Share("style_core", 10, 2, short_code.layer_file)
    yield Share("style_core", 12, 2, short_code.scenario_class)
    yield Share("domain_patterns", 12, 5, short_documents.pattern)
    yield Share("process_framework", 24, 4, short_documents.decision)
    yield Share("domain_representatives", 36, 5, short_documents.pdca)
    yield Share("style_refactor", 10, 3, short_code.refactoring)
    yield Share("guardrails", 60, 3, partial(short_answers.guardrail, banned=True))
    yield Share("guardrails", 60, 3, partial(short_answers.guardrail, banned=False))
    yield Share("guardrails", 8, 1, short_code.vitest_file)
    yield Share("tool_awareness", 66, 5, short_answers.tool_call)
    yield Share("reporting_protocol", 8, 5, short_documents.report)
    for file, in_eval in EXPLAINED.items():
        for number, produce in enumerate(short_answers.about(file)):
            yield Share(file, 4, int(number < in_eval), produce)


def plan(scale: Scale) -> list[Share]:
    """The shares of a scale."""
    return list(demo_plan())
