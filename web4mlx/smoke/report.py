"""`smoke_test_report.json`: what each smoke test measured and what was expected."""

from typing import Any

from web4mlx.errors import ExitCode, Web4Error, error_for
from web4mlx.reports import Record, Verdict

SMOKE_REPORT = "smoke_test_report.json"
ALL_PASSED = "✅ ALL SMOKE TESTS PASSED"


class SmokeCheck(Record):
    """One thing that a test looks at: what was measured, what was expected."""

    name: str
    measured: str
    expected: str
    verdict: Verdict


class SmokeTest(Record):
    """One test. Times are milliseconds from the question on; `error_code` is the exit code of its error."""

    name: str
    title: str
    question: str
    verdict: Verdict
    checks: tuple[SmokeCheck, ...] = ()
    response: str = ""
    route: str = ""
    sources: tuple[str, ...] = ()
    examples: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    retrieve_ms: float = 0.0
    first_token_ms: float = 0.0
    total_ms: float = 0.0
    error: str = ""
    error_code: int = 0


class SmokeReport(Record):
    """All tests of one model on one store; `engine` is what the engine says of itself."""

    timestamp: str
    model: str
    model_sha256: str
    engine: dict[str, Any]
    modelfile: str
    store: str
    total: int
    passed: int
    failed: int
    errored: int
    verdict: Verdict
    tests: tuple[SmokeTest, ...]


def overall(tests: tuple[SmokeTest, ...]) -> Verdict:
    """Passed when there are tests and all passed."""
    verdicts = {test.verdict for test in tests}
    if "errored" in verdicts:
        return "errored"
    return "passed" if verdicts == {"passed"} else "failed"


def failure(report: SmokeReport, where: str) -> Web4Error | None:
    """The error that a report amounts to; None when all tests passed."""
    if report.verdict == "passed":
        return None
    bad = [test for test in report.tests if test.verdict != "passed"]
    code = next((test.error_code for test in bad if test.error_code), int(ExitCode.CHECK_FAILED))
    names = ", ".join(f"{test.name} {test.verdict}" for test in bad)
    return error_for(code, f"smoke tests: {report.passed} of {report.total} passed; {names}", f"See {where}.")
