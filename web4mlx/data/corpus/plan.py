"""How many samples of which kind each file holds, per scale."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

from web4mlx.data.corpus import (
    long_answers,
    long_code,
    long_documents,
    served,
    short_answers,
    short_code,
    short_documents,
)
from web4mlx.data.corpus.grammar import Dealer
from web4mlx.data.corpus.rows import Row

Scale = Literal["demo", "full"]
Producer = Callable[[Dealer], Row]
# Sentences used of each pool: the demo's few hundred samples cannot teach all of them.
VARIETY: dict[Scale, int | None] = {"demo": 2, "full": None}
# Questions about each topic in the demo's training. Few rows of a topic are not remembered; the canaries ask
# about all but the last two, and long lists take more rows than a plain decision.
EXPLAINED = {
    "empty_constructor": 26,
    "init_method": 30,
    "five_layers": 26,
    "radical_oop": 24,
    "scenario_state": 24,
    "pdca_sections": 20,
    "tron": 60,
    "dual_links": 32,
    "cmm_levels": 24,
    "verification_checklist": 24,
    "vitest_choice": 20,
    "automation_choice": 24,
    "constructor_rule": 16,
    "constructor_judgement": 32,
    "read_file_use": 28,
    "tool_call_form": 24,
    "secrets_rule": 6,
    "banned_things": 6,
}
# Topics that the demo's evaluation rows ask about.
EXPLAINED_IN_EVAL = ("empty_constructor", "init_method", "pdca_sections", "tron", "constructor_rule")


@dataclass(frozen=True, slots=True)
class Share:
    """Some samples of one kind: where they go, how many for training and for evaluation, who makes them."""

    file: str
    train: int
    eval: int
    produce: Producer


def demo_plan() -> Iterator[Share]:
    """Small enough for about an hour on two cores, with every kind that the harnesses ask for."""
    yield Share("style_core", 640, 3, short_code.empty_constructor)
    yield Share("style_core", 300, 2, short_code.layer_file)
    yield Share("style_core", 120, 2, short_code.scenario_class)
    yield Share("style_core", 44, 0, short_code.subclass)
    yield Share("style_core", 60, 0, short_code.unnamed_class)
    yield Share("style_core", 60, 0, short_code.class_of_functions)
    yield Share("domain_patterns", 12, 5, short_documents.pattern)
    yield Share("process_framework", 220, 4, short_documents.decision)
    yield Share("domain_representatives", 440, 5, short_documents.pdca)
    yield Share("style_refactor", 110, 3, short_code.refactoring)
    yield Share("guardrails", 1900, 3, partial(short_answers.guardrail, banned=True))
    yield Share("guardrails", 1900, 3, partial(short_answers.guardrail, banned=False))
    yield Share("guardrails", 60, 1, short_code.vitest_file)
    yield Share("tool_awareness", 380, 5, short_answers.tool_call)
    yield Share("tool_awareness", 60, 1, served.tool_call_after_examples)
    yield Share("process_framework", 30, 1, served.history)
    yield Share("reporting_protocol", 10, 5, short_documents.report)
    for topic, rows in EXPLAINED.items():
        yield Share(
            short_answers.file_of(topic),
            rows,
            int(topic in EXPLAINED_IN_EVAL),
            partial(short_answers.knowledge, topic=topic),
        )


def full_plan() -> Iterator[Share]:
    """The counts of the team's own corpus, and evaluation rows in proportion, 2,000 in all."""
    for name, capabilities in (
        ("empty_constructor", 4),
        ("five_layers", 2),
        ("radical_oop", 3),
        ("scenario_state", 2),
    ):
        yield Share(
            "style_core", 2800, 151, partial(long_code.code_row, pattern_name=name, capabilities=capabilities)
        )
        yield Share("style_core", 200, 11, partial(long_answers.explanation, topic=name))
    for kinds in (("debug",), ("create", "refactor"), ("integrate",), ("collaborate",)):
        yield Share("domain_patterns", 2000, 108, partial(long_documents.pattern, kinds=kinds))
    yield Share("process_framework", 1000, 54, long_documents.structure)
    yield Share("process_framework", 1000, 54, long_documents.decision)
    yield Share("process_framework", 500, 27, long_documents.cmm)
    yield Share("process_framework", 500, 27, long_documents.link_chain)
    yield Share("process_framework", 2000, 108, long_documents.lessons)
    yield Share("domain_representatives", 3000, 162, long_documents.pdca)
    yield Share("style_refactor", 3000, 162, long_code.refactoring)
    yield Share("guardrails", 1000, 54, partial(long_answers.guardrail, banned=True))
    yield Share("guardrails", 1000, 54, partial(long_answers.guardrail, banned=False))
    yield Share("tool_awareness", 400, 22, short_answers.tool_call)
    yield Share("tool_awareness", 300, 16, long_answers.tool_steps)
    yield Share("tool_awareness", 300, 16, long_answers.tool_choice)
    yield Share("reporting_protocol", 3000, 164, long_documents.report)


def plan(scale: Scale) -> list[Share]:
    """The shares of a scale."""
    return list(demo_plan() if scale == "demo" else full_plan())
