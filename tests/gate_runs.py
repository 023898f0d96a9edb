"""Outputs folders with evaluations in them, as the suite itself writes them, for the dashboard's tests."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evals.baseline import stratified_subset
from evals.finish import finish_run
from evals.harnesses import NAMES, load_harness
from evals.run_file import RunFile
from tests.complete_runs import complete_run, first_ids
from web4mlx.events import EventLog, Finished, Progress, Started

WRONG = "I would rather not say."


def name_run(run: RunFile, name: str) -> RunFile:
    """The same run under another name."""
    return RunFile.open(run.folder.rename(run.folder.with_name(name)))


def write_events(run: RunFile, *, finished: bool = True, ts: float | None = None) -> None:
    """The events of a run, as far as it has got."""
    with EventLog(run.folder / "events.jsonl", run.folder.name, "evals") as log:
        total = sum(map(len, run.header.cases.values()))
        log.write(Started, plan={"run": str(run.folder), "cases": total, "to ask": total})
        answered = run.answers()
        whole = 0
        for name, ids in run.header.cases.items():
            done = sum(f"{name}/{case}" in answered for case in ids)
            whole += done
            if done:
                message = f"{name} ({whole}/{total} in all, 7 min)"
                log.write(Progress, done=done, total=len(ids), unit="cases", message=message, eta_s=60.0)
        if finished:
            log.write(Finished, duration_s=1.0, artifact=str(run.folder), metrics={})
    if ts is not None:
        age(run, ts)


def age(run: RunFile, ts: float) -> None:
    """Move all events of a run to one time."""
    path = run.folder / "events.jsonl"
    lines = [json.loads(line) | {"ts": ts} for line in path.read_text("utf-8").splitlines()]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def finished_run(
    outputs: Path, name: str, changes: Mapping[str, str] | None = None, **header: Any
) -> RunFile:
    """A run that was asked everything, scored and reported."""
    run = name_run(complete_run(outputs, changes, **header), name)
    write_events(run)
    finish_run(run, outputs)
    return run


def cleared(outputs: Path) -> RunFile:
    """A model that passes every gate."""
    return finished_run(outputs, "run_20260102_120000")


def failing_answers() -> dict[str, str]:
    """Answers that fail two gates and one canary."""
    names = [*first_ids("pdca_template", 12), *first_ids("refusal", 9), *first_ids("canary", 1)]
    return dict.fromkeys(names, WRONG)


def blocked(outputs: Path, name: str = "run_20260101_120000") -> RunFile:
    """A model that two gates and a canary block; leaves an incident."""
    return finished_run(outputs, name, failing_answers())


def baseline(outputs: Path) -> RunFile:
    """The base model, which knows nothing."""
    cases = {
        name: tuple(
            case.id
            for case in (
                load_harness(name).cases()
                if name == "canary"
                else stratified_subset(load_harness(name).cases())
            )
        )
        for name in NAMES
    }
    changes = {
        f"{name}/{case}": "Sure, I will help with that." for name, ids in cases.items() for case in ids
    }
    asked = (
        dict.fromkeys((f"{n}/{c.id}" for n in NAMES for c in load_harness(n).cases()), "LEFT OUT") | changes
    )
    return finished_run(outputs, "run_20251231_120000", asked, cases=cases, is_baseline=True)


def running(outputs: Path) -> RunFile:
    """A run that is being asked: two harnesses are done, one is half done."""
    left_out = [f"{n}/{c.id}" for n in NAMES[3:] for c in load_harness(n).cases()]
    left_out += first_ids("tron_format", 60)
    changes = dict.fromkeys(left_out, "LEFT OUT") | dict.fromkeys(first_ids("pdca_schema", 2), WRONG)
    run = name_run(complete_run(outputs, changes), "run_20260103_120000")
    write_events(run, finished=False, ts=time.time())
    return run
