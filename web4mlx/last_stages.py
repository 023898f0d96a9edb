"""The last stages of the pipeline: the smoke tests, and the marks of what was trained.

Neither asks whether the model has been cleared: whether the whole works, and what the adapter was trained on,
are questions of their own.
"""

import time
from contextlib import closing
from pathlib import Path

from web4mlx.artifacts import Input, describe_input, new_manifest, sha256_bytes, write_manifest
from web4mlx.events import EventLog, Finished
from web4mlx.machine.awake import gpu_lease
from web4mlx.smoke.report import SMOKE_REPORT
from web4mlx.stages import Line
from web4mlx.store_stages import (
    NO_SOURCE,
    find_record,
    has_store,
    run_command,
    skip,
    store_input,
    write_record,
)

MARKS = "rag_marks.json"


def smoke_inputs(line: Line) -> dict[str, Input]:
    """What the smoke tests depend on."""
    config = line.config
    settings = config.smoke.model_dump_json() + config.assistant.model_dump_json()
    return {
        "gguf": describe_input(line.gguf),
        "modelfile": describe_input(config.modelfile),
        "settings": Input(path=str(line.config_file), sha256=sha256_bytes(settings.encode())),
        **store_input(line),
    }


def find_smoke(line: Line) -> Path | None:
    """The report of smoke tests that the same model passed on the same store."""
    return find_record(line, SMOKE_REPORT, smoke_inputs(line)) if has_store(line) else None


def smoke_test(line: Line, log: EventLog) -> Path:
    """Ask the GGUF the three questions of the smoke tests.

    Raises:
        CheckFailed: A test did not pass.
    """
    if not has_store(line):
        return skip(line, log, NO_SOURCE)
    report = line.config.outputs / SMOKE_REPORT
    started = time.monotonic()
    command = ["smoke", "--model", str(line.gguf), "--config", str(line.config_file)]
    with gpu_lease(f"smoke tests of {line.gguf.name}"):
        run_command(line, log, command, shows_result=True)
    write_manifest(report, new_manifest("smoke", inputs=smoke_inputs(line)))
    log.write(Finished, duration_s=time.monotonic() - started, artifact=str(report))
    return report


def mark_inputs(line: Line) -> dict[str, Input]:
    """What the marks depend on."""
    return {"adapter": describe_input(line.adapter), **store_input(line)}


def find_marks(line: Line) -> Path | None:
    """The record that the sources of this training are marked in this store."""
    if line.config.rag.source is None or not has_store(line):
        return None
    return find_record(line, MARKS, mark_inputs(line))


def mark_trained(line: Line, log: EventLog) -> Path:
    """Mark the sources of the training's samples in the store, if any of them stands there."""
    from web4mlx.rag.folder import require_generation
    from web4mlx.rag.schema import DATABASE, read_database
    from web4mlx.rag.training_sources import find_trained_sources

    if line.config.rag.source is None or not has_store(line):
        return skip(line, log, "nothing is marked as trained: the line has built no store")
    inputs, output, started = mark_inputs(line), "{}\n", time.monotonic()
    database = require_generation(line.config.store) / DATABASE
    with closing(read_database(database)) as connection:
        found = find_trained_sources(line.adapter, connection)
    if found.paths:
        arguments = ["rag", "mark", "--from-training", str(line.adapter), "--db", str(line.config.store)]
        output = run_command(line, log, [*arguments, "--config", line.config.rag.settings, "--json"])
    else:
        message = f"none of the {found.references} sources that the samples name stands in the store"
        log.warn("nothing-marked", message, "Only samples that name documents of the store can mark them.")
    return write_record(line, log, MARKS, output, inputs, started)
