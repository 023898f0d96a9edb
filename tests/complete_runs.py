"""Runs of the whole suite with right answers to everything, but for what a test changes."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from evals.harnesses import NAMES, load_harness
from evals.run_file import LeakCheck, RunFile, RunHeader
from tests.right_answers import right_answers
from tests.run_files import answer, keep, subject


@cache
def prompts() -> Mapping[str, str]:
    return {f"{name}/{case.id}": case.prompt for name in NAMES for case in load_harness(name).cases()}


@cache
def answers() -> Mapping[str, str]:
    return right_answers()


def complete_run(outputs: Path, changes: Mapping[str, str] | None = None, **header: Any) -> RunFile:
    """A run of all cases with right answers, but for the changed ones; LEFT OUT leaves one out."""
    fields: dict[str, Any] = {
        "created": "2026-01-01T12:00:00+00:00",
        "subject": subject(),
        "cases": {name: tuple(case.id for case in load_harness(name).cases()) for name in NAMES},
        "planned": {name: load_harness(name).planned for name in NAMES},
        "leak_check": LeakCheck(verdict="passed", files={"a.jsonl": "d" * 64}),
    }
    run = RunFile.create(outputs / "evals" / "run_1", RunHeader.model_validate(fields | header))
    texts = dict(answers()) | dict(changes or {})
    with_prompts = [answer(key, text, prompt=prompts()[key]) for key, text in texts.items()]
    keep(run, *(one for one in with_prompts if one.text != "LEFT OUT"))
    return run


def first_ids(harness: str, count: int) -> list[str]:
    return [f"{harness}/{case.id}" for case in load_harness(harness).cases()[:count]]
