"""What a check of a store says: a verdict for each property, a row for each kind of query, the report."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Verdict = Literal["passed", "failed", "errored", "inconclusive"]


class Finding(BaseModel):
    """A property of a store, whether it holds, and what was seen."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    verdict: Verdict
    detail: str = ""


class Latency(BaseModel):
    """How long queries of one kind took, in milliseconds; only the budget decides."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: str
    queries: int
    median_ms: float
    p95_ms: float
    budget_ms: float
    target_ms: float

    @property
    def is_in_budget(self) -> bool:
        """Whether the 95th percentile keeps the budget."""
        return self.p95_ms <= self.budget_ms

    @property
    def is_on_target(self) -> bool:
        """Whether the 95th percentile keeps the target."""
        return self.p95_ms <= self.target_ms


class CheckReport(BaseModel):
    """A checked store. An inconclusive finding (no links to walk, say) does not fail it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    store: str
    expected: str
    findings: tuple[Finding, ...]
    latencies: tuple[Latency, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing failed and every kind of query keeps its budget."""
        bad = any(one.verdict in ("failed", "errored") for one in self.findings)
        return not bad and all(one.is_in_budget for one in self.latencies)


def judge(name: str, problems: list[str], detail: str) -> Finding:
    """Passed with a detail when there are no problems, else failed with the first of them."""
    if not problems:
        return Finding(name=name, verdict="passed", detail=detail)
    more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
    return Finding(name=name, verdict="failed", detail="; ".join(problems[:3]) + more)
