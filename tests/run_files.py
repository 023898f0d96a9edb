"""Runs of the suite for tests: a header and answers as an engine would have given them."""

from collections.abc import Mapping
from pathlib import Path

from evals.run_file import Answered, AnswerLog, LeakCheck, RunFile, RunHeader
from web4mlx.reports import Subject


def subject(**changes: object) -> Subject:
    """What was evaluated."""
    from evals.version import suite_version

    fields: dict[str, object] = {
        "model": "model.gguf",
        "model_sha256": "a" * 64,
        "suite_version": suite_version(),
        "system_sha256": "b" * 64,
        "messages_sha256": "d" * 64,
        "context": 4096,
        "template_sha256": "c" * 64,
        "seed": 7,
        "options": {"temperature": 0.2},
        "engine": {"engine": "llama.cpp", "version": "1"},
    }
    return Subject.model_validate(fields | changes)


def new_run(folder: Path, cases: Mapping[str, tuple[str, ...]], **changes: object) -> RunFile:
    """An empty run of these cases."""
    header = RunHeader(
        created="2026-01-01T12:00:00+00:00",
        subject=subject(**changes),
        cases=dict(cases),
        planned={name: len(ids) for name, ids in cases.items()},
        leak_check=LeakCheck(verdict="passed", files={"a.jsonl": "d" * 64}),
    )
    return RunFile.create(folder, header)


def answer(key: str, text: str = "an answer", **changes: object) -> Answered:
    """An answer to `harness/case`."""
    harness, case = key.split("/")
    fields: dict[str, object] = {
        "harness": harness, "case": case, "prompt": f"What of {case}?", "text": text, "finish_reason": "stop",
        "prompt_tokens": 9, "completion_tokens": 3, "time_to_first_token_s": 0.1, "total_s": 0.2,
    }  # fmt: skip
    return Answered.model_validate(fields | changes)


def keep(run: RunFile, *answers: Answered) -> None:
    """Append answers to a run."""
    with AnswerLog(run) as log:
        for one in answers:
            log.append(one)
