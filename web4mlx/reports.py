"""The reports that `evals` writes and the import and the dashboard read: one model per file.

A report never carries a bare bool for a result: a verdict is `passed`, `failed`, `errored` (the case could
not be asked or scored; never the model's fault) or `inconclusive`. Everything else than `passed` blocks.
"""

from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from web4mlx.errors import CheckFailed, MissingPrerequisite

Verdict = Literal["passed", "failed", "errored", "inconclusive"]
GateType = Literal["ship", "quality", "canary"]
Measure = Literal["pass_rate", "f1"]
Figure = bool | int | float | str
FINAL_REPORT = "eval_report_final.json"
CANARY_REPORT = "canary_report.json"
BASELINE = "baseline_metrics.json"
Report = TypeVar("Report", bound=BaseModel)


class Record(BaseModel):
    """A part of a report: no unknown field, nothing that is not a number."""

    # NaN and infinity are no scores: a report that holds one is not read at all
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class CaseReport(Record):
    """One case: what was asked, what came back, what it was worth and why.

    `figures` are readings beside the verdict, such as `literal_rule` or `refused`. Times are seconds.
    """

    id: str
    category: str
    prompt: str
    response: str
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    figures: dict[str, Figure] = Field(default_factory=dict)
    finish_reason: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    time_to_first_token_s: float = 0.0
    total_s: float = 0.0


class Subject(Record):
    """What was evaluated and how: the same subject with the same suite gives comparable reports.

    `options` are the sampling options, `engine` is what the engine says of itself. `context` is the
    Modelfile's `num_ctx` in tokens, `messages_sha256` the digest of its MESSAGEs.
    """

    model: str
    model_sha256: str
    suite_version: str
    system_sha256: str
    messages_sha256: str
    context: int
    template_sha256: str
    seed: int
    options: dict[str, Any]
    engine: dict[str, Any]


class HarnessReport(Record):
    """`eval_<harness>.json`: the result of one harness.

    `planned` is the size of the complete harness, `total` the cases that were asked. `score` is the measure
    that the gate compares with `threshold`; `interval` is its 95 % Wilson interval (of the pass rate).
    """

    test_name: str
    title: str
    timestamp: str
    run: str
    subject: Subject
    gate_type: GateType
    measure: Measure
    threshold: float
    planned: int
    total: int
    passed: int
    failed: int
    errored: int
    pass_rate: float
    score: float
    interval: tuple[float, float]
    gate: Verdict
    gate_reasons: tuple[str, ...] = ()
    figures: dict[str, float] = Field(default_factory=dict)
    cases: tuple[CaseReport, ...]


class HarnessSummary(Record):
    """One line of the final report; `base_score` is the base model's on a subset of `base_cases` cases."""

    test_name: str
    title: str
    gate_type: GateType
    measure: Measure
    threshold: float
    total: int
    passed: int
    errored: int
    score: float
    interval: tuple[float, float]
    gate: Verdict
    gate_reasons: tuple[str, ...] = ()
    base_score: float | None = None
    base_cases: int = 0
    failures: dict[str, int] = Field(default_factory=dict)


class FinalReport(Record):
    """`eval_report_final.json`: the decision about exactly one GGUF and what it rests on.

    `run` is the folder of the run file with all responses, relative to the report's folder.
    """

    timestamp: str
    run: str
    subject: Subject
    harnesses: tuple[HarnessSummary, ...]
    overall_score: float
    target: float
    ship_gates_passed: bool
    canaries_passed: int
    canaries_total: int
    leaked_prompts: tuple[str, ...] = ()
    cleared: bool
    decision: str
    reasons: tuple[str, ...] = ()


class BaselineMetrics(Record):
    """`baseline_metrics.json`: the base model's scores, recorded once on a fixed subset of each harness.

    `verdicts` maps `harness/case` to its verdict, for paired comparisons.
    """

    timestamp: str
    subject: Subject
    scores: dict[str, float]
    cases: dict[str, int]
    verdicts: dict[str, Verdict]


def read_report(path: Path, kind: type[Report]) -> Report:
    """Read a report.

    Raises:
        MissingPrerequisite: There is none.
        CheckFailed: It is not a valid report of this kind; names the first wrong field.
    """
    try:
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise MissingPrerequisite(f"{path}: there is no such report", "`evals run` writes it.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise CheckFailed(
            f"{path}: not a valid report: {place}: {first['msg']}", "Run `evals run` again."
        ) from error
