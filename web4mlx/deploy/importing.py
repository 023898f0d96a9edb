"""The import in its order: cleared, reachable, sent, checked as a candidate, measured, promoted, recorded.

Production changes in one step, the last but one. Whatever fails before leaves it untouched, and a candidate
that did not make it is removed.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from web4mlx.artifacts import Input, Manifest, atomic_write, describe_input, new_manifest
from web4mlx.deploy.clearance import Clearance, Suite, require_clearance
from web4mlx.deploy.create import create_fields, create_model
from web4mlx.deploy.gguf_facts import read_facts
from web4mlx.deploy.measure import Speed, measure_speed
from web4mlx.deploy.names import CANDIDATE, ModelName
from web4mlx.deploy.preconditions import check_disk, check_sendable, check_server
from web4mlx.deploy.promote import Promotion, delete, promote
from web4mlx.deploy.speech import require_same_speech
from web4mlx.deploy.upload import upload_blob
from web4mlx.deploy.verify import Expected, verify_model
from web4mlx.engines.ollama_server import OllamaServer
from web4mlx.errors import Web4Error
from web4mlx.events import EventLog, Finished, Progress, Started
from web4mlx.modelfile import Modelfile, read_modelfile
from web4mlx.modelfile.beside import write_beside
from web4mlx.reports import FINAL_REPORT
from web4mlx.verify import Check


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What is imported under which name; nothing has been sent yet."""

    clearance: Clearance
    name: ModelName
    modelfile: Modelfile
    modelfile_path: Path

    @property
    def gguf(self) -> Path:
        """The cleared file."""
        return self.clearance.gguf

    @property
    def candidate(self) -> ModelName:
        """The tag that is checked before it becomes production."""
        return self.name.tagged(CANDIDATE, self.clearance.sha256)

    def describe(self) -> dict[str, Any]:
        """For `--dry-run`."""
        return {
            "gguf": str(self.gguf), "sha256": self.clearance.sha256, "name": str(self.name),
            "candidate": str(self.candidate), "modelfile": str(self.modelfile_path),
            "decision": self.clearance.report.decision, "bytes": self.gguf.stat().st_size,
        }  # fmt: skip


def plan_import(gguf: Path, name: ModelName, modelfile: Path, suite: Suite) -> ImportPlan:
    """Check that a file is cleared and that it is served as it was evaluated.

    Args:
        gguf: The file; its reports stand in its folder.
        name: Its name in Ollama.
        modelfile: The configured Modelfile.
        suite: Scores the stored responses again.

    Raises:
        CheckFailed: It is not cleared, or was evaluated with another system prompt or other parameters.
        MissingPrerequisite: A file is missing.
        UsageError: The Modelfile is not valid, or says what cannot be sent.
    """
    spoken = read_modelfile(modelfile)
    check_sendable(spoken)
    clearance = require_clearance(gguf, gguf.parent, suite)
    require_same_speech(clearance.report.subject, spoken, modelfile)
    return ImportPlan(clearance, name, spoken, modelfile)


@dataclass
class Stopwatch:
    """Seconds by phase."""

    timings_s: dict[str, float]

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a block."""
        begin = time.monotonic()
        try:
            yield
        finally:
            self.timings_s[name] = time.monotonic() - begin


def import_model(plan: ImportPlan, server: OllamaServer, log: EventLog) -> Manifest:
    """Import a cleared file and make it production.

    Returns:
        The record, which also stands beside the GGUF.

    Raises:
        Web4Error: Something failed; production is what it was before.
    """
    begin = time.monotonic()
    watch = Stopwatch({})
    log.write(Started, plan={"gguf": str(plan.gguf), "name": str(plan.name), "server": server.url})
    server_version = check_server(server, plan.name)
    check_disk(server, plan.gguf)
    expected = Expected(read_facts(plan.gguf), plan.modelfile)
    with watch.phase("upload"):
        upload_blob(server, plan.gguf, plan.clearance.sha256, log)
    with removed_candidate(server, plan.candidate):
        with watch.phase("create"):
            fields = create_fields(plan.modelfile, plan.gguf.name, plan.clearance.sha256)
            create_model(server, plan.candidate, fields, log)
        with watch.phase("verify"):
            checks = verify_model(server, plan.candidate, expected, log)
        with watch.phase("measure"):
            speed = measure_speed(server, plan.candidate, log)
        log.write(Progress, done=1, total=1, unit="model", message=f"promote to {plan.name}")
        promotion = promote(server, plan.candidate, plan.name)
    facts = {"server": server.url, "ollama": server_version, "client": version("ollama")}
    record = write_record(plan, promotion, facts, describe_result(checks, speed), watch.timings_s)
    log.write(Finished, duration_s=time.monotonic() - begin, artifact=str(plan.name), metrics=record.metrics)
    return record


@contextmanager
def removed_candidate(server: OllamaServer, candidate: ModelName) -> Iterator[None]:
    """Remove the candidate's tag at the end, however it ends; its blobs stay while production uses them."""
    try:
        yield
    finally:
        with suppress(Web4Error):  # a tag too many harms nobody; the failure that led here is what counts
            delete(server, candidate)


def describe_result(checks: list[Check], speed: Speed) -> dict[str, Any]:
    """The metrics of the record."""
    return {"checks": {check.name: check.detail for check in checks}, "speed": asdict(speed)}


def write_record(
    plan: ImportPlan,
    promotion: Promotion,
    facts: dict[str, str],
    metrics: dict[str, Any],
    timings_s: dict[str, float],
) -> Manifest:
    """Write the Modelfile for importing by hand, and `NAME.import.json` beside the GGUF."""
    beside = write_beside(plan.gguf, plan.modelfile)
    report = plan.gguf.parent / FINAL_REPORT
    record = new_manifest(
        "import",
        inputs={
            "gguf": Input(path=str(plan.gguf), sha256=plan.clearance.sha256),
            "report": describe_input(report),
            "modelfile": describe_input(plan.modelfile_path),
        },
        outputs={promotion.name: promotion.digest},
        config={
            **facts,
            "backup": promotion.backup,
            "run": plan.clearance.report.run,
            "by_hand": str(beside),
        },
        metrics=metrics,
        timings_s=timings_s,
    )
    atomic_write(record_path(plan.gguf), record.model_dump_json(indent=2) + "\n")
    return record


def record_path(gguf: Path) -> Path:
    """Where the record of a GGUF's last import stands."""
    return gguf.with_suffix(".import.json")
