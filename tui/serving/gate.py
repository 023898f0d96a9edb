"""What the gate before the import said last, and what the last import and rollback did: from their jobs."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tui.feed.job_output import newest, read_output
from tui.jobs.record import Job
from web4mlx.artifacts import Manifest, read_record
from web4mlx.artifacts import newest as newest_artifact
from web4mlx.errors import Web4Error

Act = Literal["asked", "import", "rollback"]
Word = Literal["running", "cleared", "refused", "imported", "rolled back", "failed", "stopped"]


@dataclass(frozen=True)
class GateAnswer:
    """What became of the newest import, dry run or rollback; `lines` are reasons or facts."""

    act: Act
    word: Word
    when: float
    lines: tuple[str, ...] = ()
    hint: str = ""
    log: Path | None = None


def is_decision(job: Job) -> bool:
    """Whether an import job asks the gate or changes production; listing versions does neither."""
    return "--list" not in job.order.command


def read_gate(jobs: Iterable[Job]) -> GateAnswer | None:
    """The newest answer; None when nothing was asked yet."""
    job = newest(jobs, "import", is_decision)
    return answer_of(job) if job is not None else None


def answer_of(job: Job) -> GateAnswer:
    """The answer of one job."""
    act = act_of(job)
    output = read_output(job.log)
    when = job.ended or job.started or job.order.created
    if job.is_alive:
        return GateAnswer(act, "running", when, output.lines[-1:], "", job.log)
    if job.state == "done":
        word: Word = {"asked": "cleared", "import": "imported", "rollback": "rolled back"}[act]  # type: ignore[assignment]
        return GateAnswer(act, word, when, facts_of(output.result(), output.lines), "", job.log)
    message, hint = output.error()
    lines = reasons_of(message) or output.lines[-3:]
    word = "stopped" if job.state == "stopped" else "refused" if job.state == "refused" else "failed"
    return GateAnswer(act, word, when, lines, hint, job.log)


def reasons_of(message: str) -> tuple[str, ...]:
    """The lines of an error, without a first one that only announces the others."""
    lines = tuple(line.strip() for line in message.split("\n") if line.strip())
    return lines[1:] if len(lines) > 1 and lines[0].endswith(":") else lines


def act_of(job: Job) -> Act:
    """What an import job was to do."""
    command = job.order.command
    return "rollback" if "--rollback" in command else "asked" if "--dry-run" in command else "import"


def facts_of(result: Any, lines: tuple[str, ...]) -> tuple[str, ...]:
    """What a command that went well said, in a few lines."""
    if not isinstance(result, dict):
        return lines[-2:]
    wanted = ("decision", "name", "sha256", "backup", "digest")
    found = [(key, str(result[key])) for key in wanted if result.get(key)]
    return tuple(f"{key}: {value[:12] if key in ('sha256', 'digest') else value}" for key, value in found)


def read_import(gguf: Path | None) -> Manifest | None:
    """The record of the last import of a GGUF; None when there is none."""
    return read_record(gguf.with_suffix(".import.json")) if gguf is not None else None


def find_gguf(outputs: Path) -> Path | None:
    """The newest exported GGUF, which is what an import takes; None when there is none."""
    try:
        return newest_artifact(outputs, "*.gguf", "export")
    except Web4Error:
        return None
