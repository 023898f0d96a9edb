"""What a harness is: questions from a data file, a checker, and the gate that its score has to pass."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from evals.cases import DATA, Case, read_cases
from evals.outcome import Outcome
from web4mlx.reports import CaseReport, GateType, Measure


def no_figures(cases: Sequence[CaseReport]) -> dict[str, float]:
    """A harness that reports nothing beside its score."""
    return {}


@dataclass(frozen=True)
class Harness:
    """One harness.

    Args:
        name: As in `eval_<name>.json` and `evals/data/<name>.jsonl`.
        title: For people.
        gate_type: A failed `ship` gate blocks; `quality` counts into the overall score and its own gate.
        threshold: The least score, 0 to 1.
        planned: How many cases a complete run has.
        check: Judges the text of one response; pure, needs no model, never raises for any text.
        measure: `pass_rate`, or `f1` over the figures `should_refuse` and `refused` of the cases.
        figures: Readings over all cases beside the score, such as the rate of a looser rule.
    """

    name: str
    title: str
    gate_type: GateType
    threshold: float
    planned: int
    check: Callable[[Case, str], Outcome]
    measure: Measure = "pass_rate"
    figures: Callable[[Sequence[CaseReport]], dict[str, float]] = no_figures

    @property
    def data_file(self) -> Path:
        """Where the cases stand."""
        return DATA / f"{self.name}.jsonl"

    def cases(self) -> tuple[Case, ...]:
        """All cases, in the order of the data file.

        Raises:
            Web4Error: The data file is missing or not valid.
        """
        return read_cases(self.data_file)


def rate_of(name: str, cases: Sequence[CaseReport]) -> float:
    """Share of the cases that were scored in which a figure is true; 0 without any."""
    scored = [case for case in cases if case.verdict in ("passed", "failed")]
    return sum(bool(case.figures.get(name)) for case in scored) / len(scored) if scored else 0.0
