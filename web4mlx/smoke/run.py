"""Runs the smoke tests in their order, on a model that is warm, and writes their report."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from web4mlx.artifacts import atomic_write
from web4mlx.assistant.tool_need import ToolNeedDetector, open_detector
from web4mlx.config import RunConfig
from web4mlx.errors import MissingPrerequisite, Web4Error
from web4mlx.events import EventLog, Gate, Started
from web4mlx.modelfile import read_modelfile
from web4mlx.smoke.asking import Answer, Bench
from web4mlx.smoke.judging import CASES, Case, Judge
from web4mlx.smoke.opening import Asked, complete, open_asked
from web4mlx.smoke.report import SMOKE_REPORT, SmokeReport, SmokeTest, overall

if TYPE_CHECKING:
    from web4mlx.rag.store import Store


@dataclass(frozen=True)
class SmokePlan:
    """What is tested: the model, the Modelfile it is asked with, the store, and where the report goes."""

    asked: Asked
    modelfile: Path
    store: Path
    report: Path


def plan_smoke(config: RunConfig, asked: Asked, modelfile: Path | None, store: Path | None) -> SmokePlan:
    """Complete what was typed; nothing is loaded.

    Raises:
        MissingPrerequisite: There is no model or no store.
        UsageError: The engine does not go with the model.
    """
    from web4mlx.rag.folder import require_generation

    folder = store or config.store
    require_generation(folder)
    chosen = modelfile or config.modelfile
    if not chosen.is_file():
        raise MissingPrerequisite(f"{chosen}: no such Modelfile", "Name one with --modelfile.")
    return SmokePlan(complete(asked, config), chosen, folder, config.outputs / SMOKE_REPORT)


def run_smoke(plan: SmokePlan, config: RunConfig, log: EventLog) -> SmokeReport:
    """Ask the three questions, judge the answers and write the report; an older one is gone from the start.

    Raises:
        Web4Error: The model or the store cannot be opened, or no warm answer came; there is no report then.
    """
    from web4mlx.assistant.store import load_store_settings, opened_store
    from web4mlx.rag.retrieve import Retriever

    with suppress(FileNotFoundError):
        plan.report.unlink()
    log.write(Started, plan={"model": plan.asked.model, "store": str(plan.store)})
    modelfile = read_modelfile(plan.modelfile)
    settings = load_store_settings(config.rag.settings)
    with opened_store(settings, plan.store) as store, open_asked(plan.asked, modelfile.context) as engine:
        bench = Bench(engine, modelfile, Retriever(store), config.assistant)
        bench.warm_up()
        judge = Judge(config.smoke, lambda ids: unknown_pdcas(store, ids), open_rules(config))
        tests = tuple(run_case(case, bench, judge, log) for case in CASES)
        report = summarise(plan, engine.describe(), tests)
    atomic_write(plan.report, report.model_dump_json(indent=2) + "\n")
    return report


def open_rules(config: RunConfig) -> ToolNeedDetector:
    """The rules by which the assistant detects the need of tools."""
    rules = config.assistant.tool_rules
    return open_detector(rules) if rules else open_detector()


def run_case(case: Case, bench: Bench, judge: Judge, log: EventLog) -> SmokeTest:
    """Ask and judge one question; an error is the verdict `errored`."""
    try:
        answer = bench.ask(case.question)
    except Web4Error as error:
        log.write(Gate, name=case.name, verdict="errored", detail=error.message)
        return SmokeTest(
            name=case.name,
            title=case.title,
            question=case.question,
            verdict="errored",
            error=error.message,
            error_code=error.exit_code,
        )
    test = judged(case, answer, judge)
    failed = [f"{one.name}: {one.measured}" for one in test.checks if one.verdict != "passed"]
    log.write(Gate, name=case.name, verdict=test.verdict, detail="; ".join(failed))
    return test


def judged(case: Case, answer: Answer, judge: Judge) -> SmokeTest:
    """The test of an answer."""
    from web4mlx.assistant.answering import source_lines

    checks = tuple(case.judge(judge, answer))
    built, response = answer.prepared.built, answer.response
    return SmokeTest(
        name=case.name,
        title=case.title,
        question=case.question,
        verdict="passed" if all(one.verdict == "passed" for one in checks) else "failed",
        checks=checks,
        response=response.text,
        route=built.route.name,
        sources=tuple(source_lines(answer.prepared)),
        examples=len(built.examples),
        prompt_tokens=response.prompt_tokens,
        completion_tokens=response.completion_tokens,
        retrieve_ms=1000 * built.retrieve_s,
        first_token_ms=answer.first_token_ms,
        total_ms=answer.total_ms,
    )


def summarise(plan: SmokePlan, engine: dict[str, object], tests: tuple[SmokeTest, ...]) -> SmokeReport:
    """The report of all tests."""
    verdicts = [test.verdict for test in tests]
    return SmokeReport(
        timestamp=datetime.now(UTC).isoformat(timespec="seconds"),
        model=plan.asked.model,
        model_sha256=str(engine.get("sha256", "")),
        engine=engine,
        modelfile=str(plan.modelfile),
        store=str(plan.store),
        total=len(tests),
        passed=verdicts.count("passed"),
        failed=verdicts.count("failed"),
        errored=verdicts.count("errored"),
        verdict=overall(tests),
        tests=tests,
    )


def unknown_pdcas(store: "Store", ids: Iterable[str]) -> list[str]:
    """Which of some ids and file names the store's timeline does not have."""
    asking = "SELECT 1 FROM pdcas WHERE id = ?1 OR substr(id, -length(?1) - 1) = '/' || ?1"
    return [one for one in ids if store.connection.execute(asking, (one,)).fetchone() is None]
