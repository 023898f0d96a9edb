"""Readings of the two harnesses that ask for PDCA documents; no gate depends on them.

Their checkers look at form and substance, not at the task: one good document, given to every question, passes
both. These figures show that.
"""

import re
from collections.abc import Sequence

from evals.harnesses.base import rate_of
from web4mlx.reports import CaseReport

COMPONENT = re.compile(r"\b(?:[A-Z][a-z0-9]+){2,}\b")


def document_figures(cases: Sequence[CaseReport]) -> dict[str, float]:
    """Shares of the scored answers: by the literal rule, about the prompt's component, unlike all others."""
    scored = [case for case in cases if case.verdict in ("passed", "failed")]
    number = max(1, len(scored))
    return {
        "literal_rule": rate_of("literal_rule", cases),
        "names_component": sum(map(names_component, scored)) / number,
        "distinct_answers": len({case.response for case in scored}) / number,
    }


def names_component(case: CaseReport) -> bool:
    """Whether an answer names a component that its prompt names, such as `BalloonStore`."""
    return any(name in case.response for name in COMPONENT.findall(case.prompt))
