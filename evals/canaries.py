"""The canaries: twenty tasks that no model may fail, whatever its scores.

Owns `data/canaries.toml` and its model, the check of one answer with a reason for everything that is missing,
and the report that sets the result beside a recorded baseline. To the suite they are one more harness.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import tomli
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from evals.cases import DATA, Case
from evals.checkers.canary_code import class_problems, split_code
from evals.checkers.keywords import (
    LONGEST_CHARACTERS,
    abbreviate,
    compile_pattern,
    first_out_of_order,
    meaning,
    normalize,
    occurs,
)
from evals.harnesses.base import Harness
from evals.outcome import Outcome, outcome
from web4mlx.errors import Problems
from web4mlx.reports import BaselineMetrics, CaseReport, HarnessReport, Verdict
from web4mlx.textfile import read_text

NAME = "canary"
GROUPS = {
    "pattern_knowledge": 5,
    "pdca_structure": 5,
    "code_generation": 5,
    "decisions": 3,
    "tools": 2,
}
ABBREVIATED_CHARACTERS = 400


def _is_pattern(pattern: str) -> str:
    compile_pattern(pattern)
    return pattern


def _meanings(patterns: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(map(meaning, patterns)))


Pattern = Annotated[str, AfterValidator(_is_pattern)]
Patterns = tuple[Pattern, ...]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CodeExpectation(_Frozen):
    """A class of this name with these methods that follows the empty constructor pattern."""

    class_name: str = Field(min_length=1)
    methods: tuple[str, ...] = ()


class Expectation(_Frozen):
    """What an answer must hold and must not hold; `data/canaries.toml` explains each key."""

    reads: Literal["prose", "code", "text"] = "prose"
    min_words: int = Field(default=0, ge=0)
    all_of: Patterns = ()
    any_of: dict[str, Annotated[Patterns, Field(min_length=1)]] = Field(default_factory=dict)
    in_order: Patterns = ()
    none_of: Patterns = ()
    code: CodeExpectation | None = None

    @model_validator(mode="after")
    def _demands_something(self) -> Self:
        if not (self.all_of or self.any_of or self.in_order or self.code):
            raise ValueError("demands nothing: give all_of, any_of, in_order or code")
        return self

    def describe(self) -> str:
        """What is expected, in one line for reports."""
        parts = [f"all of: {_meanings(self.all_of)}"] if self.all_of else []
        parts += [f"{about}, as in: {_meanings(patterns)}" for about, patterns in self.any_of.items()]
        parts += [f"in this order: {_meanings(self.in_order)}"] if self.in_order else []
        parts += [f"none of: {_meanings(self.none_of)}"] if self.none_of else []
        if self.code:
            parts.append(f"class {self.code.class_name} with an empty constructor and init()")
            parts += [f"{method}()" for method in self.code.methods]
        return "; ".join(parts)


class Canary(Expectation):
    """One task: `title` as in the plan, `prompt` as it is asked, and what is expected of the answer."""

    id: str = Field(min_length=1, pattern=r"^[a-z0-9_]+$")
    group: Literal["pattern_knowledge", "pdca_structure", "code_generation", "decisions", "tools"]
    title: str = Field(min_length=1)
    prompt: str = Field(min_length=1)


class _CanaryFile(_Frozen):
    version: str
    canary: tuple[Canary, ...]


@cache
def load_canaries(path: Path = DATA / "canaries.toml") -> tuple[Canary, ...]:
    """Read the canaries.

    Raises:
        Web4Error: It cannot be read.
        Problems: It is no TOML; every wrong field, repeated id or prompt, group of the wrong size.
    """
    try:
        text = read_text(path, f"{path}: no such file of canaries")
        canaries = _CanaryFile.model_validate(tomli.loads(text)).canary
    except tomli.TOMLDecodeError as error:
        raise Problems(str(path), [str(error)]) from error
    except ValidationError as error:
        raise Problems(
            str(path), [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        ) from error
    problems = [
        f"{name} {value!r} appears twice"
        for name in ("id", "prompt")
        for value in _repeated([getattr(canary, name) for canary in canaries])
    ]
    for group, expected in GROUPS.items():
        count = sum(canary.group == group for canary in canaries)
        if count != expected:
            problems.append(f"group {group}: {count} canaries, expected {expected}")
    if problems:
        raise Problems(str(path), problems)
    return canaries


def _repeated(values: Sequence[str]) -> list[str]:
    return sorted({value for value in values if values.count(value) > 1})


def check_canary(expected: Expectation, text: str) -> Outcome:
    """Judge one answer; a reason for each expectation that is not met."""
    if len(text) > LONGEST_CHARACTERS:
        return outcome([f"longer than {LONGEST_CHARACTERS} characters"])
    prose, code = split_code(text)
    read = normalize({"prose": prose, "code": code, "text": text}[expected.reads])
    reasons = _word_problems(expected, read)
    if expected.code:
        reasons += class_problems(text, expected.code.class_name, expected.code.methods)
    return outcome(reasons)


def _word_problems(expected: Expectation, text: str) -> list[str]:
    if not text:
        return [f"no {expected.reads}"]
    reasons = [f"missing: {meaning(pattern)}" for pattern in expected.all_of if not occurs(pattern, text)]
    reasons += [
        f"missing {about}: none of {_meanings(patterns)}"
        for about, patterns in expected.any_of.items()
        if not any(occurs(pattern, text) for pattern in patterns)
    ]
    if late := first_out_of_order(expected.in_order, text):
        reasons.append(f"missing in order: {meaning(late)}")
    reasons += [f"wrong: {meaning(pattern)}" for pattern in expected.none_of if occurs(pattern, text)]
    if len(text.split()) < expected.min_words:
        reasons.append(f"too short: {len(text.split())} words, expected {expected.min_words}")
    return reasons


def _check_case(case: Case, text: str) -> Outcome:
    return check_canary(Expectation.model_validate(case.expect), text)


@dataclass(frozen=True)
class _CanaryHarness(Harness):
    @property
    def data_file(self) -> Path:
        return DATA / "canaries.toml"

    def cases(self) -> tuple[Case, ...]:
        return tuple(_case(canary) for canary in load_canaries(self.data_file))


def _case(canary: Canary) -> Case:
    asked: dict[str, Any] = canary.model_dump(
        exclude={"id", "group", "title", "prompt"}, exclude_defaults=True
    )
    return Case(
        id=canary.id,
        category=canary.group,
        phrasing=canary.id,
        source=f"plan: {canary.title}",
        prompt=canary.prompt,
        expect=asked,
    )


HARNESS = _CanaryHarness(
    name=NAME,
    title="Canaries",
    gate_type="canary",
    threshold=1.0,
    planned=sum(GROUPS.values()),
    check=_check_case,
)


@dataclass(frozen=True)
class CanaryChanges:
    """The canaries whose verdict differs from the baseline's, by id.

    `regressions` passed there and do not pass here, `gains` the other way round. Only canaries that both
    were asked count.
    """

    regressions: tuple[str, ...]
    gains: tuple[str, ...]


def compare_canaries(report: HarnessReport, baseline: BaselineMetrics) -> CanaryChanges:
    """What became worse and what better since the baseline."""
    pairs = [(case.id, baseline.verdicts.get(f"{NAME}/{case.id}"), case.verdict) for case in report.cases]
    known = [(id, before, after) for id, before, after in pairs if before is not None]
    return CanaryChanges(
        tuple(id for id, before, after in known if before == "passed" and after != "passed"),
        tuple(id for id, before, after in known if before != "passed" and after == "passed"),
    )


def canary_report(report: HarnessReport, baseline: BaselineMetrics | None = None) -> HarnessReport:
    """The report for `canary_report.json`: expectations, abbreviated responses, the baseline's verdicts."""
    expected = {canary.id: canary.describe() for canary in load_canaries()}
    verdicts = baseline.verdicts if baseline else {}
    cases = tuple(
        _told(case, expected.get(case.id, ""), verdicts.get(f"{NAME}/{case.id}")) for case in report.cases
    )
    figures = dict(report.figures)
    if baseline:
        changes = compare_canaries(report, baseline)
        figures |= {"regressions": float(len(changes.regressions)), "gains": float(len(changes.gains))}
    return report.model_copy(update={"cases": cases, "figures": figures})


def _told(case: CaseReport, expected: str, before: Verdict | None) -> CaseReport:
    figures = case.figures | {"expected": expected} | ({"baseline": before} if before else {})
    response = abbreviate(case.response, ABBREVIATED_CHARACTERS)
    return case.model_copy(update={"response": response, "figures": figures})
