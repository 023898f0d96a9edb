"""The stages of the pipeline that make and check the retrieval store; `last_stages.py` has those that use it.

Neither asks whether the model has been cleared. Without a configured source there is no store to build: the
stage then says so and is done, unless a store stands there already, which is checked like any other. Each
leaves a record with what it depended on beside the other reports, so that the same work is not done twice.
"""

import subprocess
import sys
import time
from pathlib import Path

from web4mlx.artifacts import (
    Input,
    atomic_write,
    describe_input,
    new_manifest,
    read_manifest,
    sha256_bytes,
    write_manifest,
)
from web4mlx.errors import error_for
from web4mlx.events import EventLog, Finished
from web4mlx.stages import Line

BUILD, CHECK = "rag_build.json", "rag_check.json"
NO_SOURCE = "no store: the configuration names no rag.source, and none has been built"


def has_store(line: Line) -> bool:
    """Whether there is a store."""
    from web4mlx.rag.folder import current_generation

    return current_generation(line.config.store) is not None


def build_inputs(line: Line) -> dict[str, Input]:
    """What a store is made from: every file's place, size and time; the rules; where and what to generate."""
    from web4mlx.config import find_config

    rag, trained = line.config.rag, trained_file(line)
    inputs = {"trained": describe_input(trained)} if trained is not None and trained.is_file() else {}
    places = f"{rag.model_dump_json()} {line.config.store}"
    return inputs | {
        "files": describe_files(line),
        "rules": describe_input(find_config(rag.settings)),
        "config": Input(path=str(line.config_file), sha256=sha256_bytes(places.encode())),
    }


def trained_file(line: Line) -> Path | None:
    """The training file whose PDCAs stand in a generated source too; None when there is none."""
    from web4mlx.rag.sample.from_training import REPRESENTATIVES

    files = line.config.data.train if line.config.rag.sample_scale else ()
    return next((file for file in files if file.name == REPRESENTATIVES), None)


def generate_source(line: Line, log: EventLog) -> None:
    """Generate a sample source that is missing, or that was generated otherwise than is configured now."""
    from web4mlx.rag.sample.write import write_sample
    from web4mlx.rag.sample_mark import read_sample_mark, sample_mark

    rag, trained = line.config.rag, trained_file(line)
    if rag.source is None or rag.sample_scale is None:
        return
    trained = trained if trained is not None and trained.is_file() else None
    wanted = sample_mark(rag.sample_scale, rag.sample_seed, trained)
    if not rag.source.is_dir() or read_sample_mark(rag.source) not in ({}, wanted):
        write_sample(rag.source.parent, rag.sample_scale, rag.sample_seed, log, trained)


def describe_files(line: Line) -> Input:
    """All files of a store by their places, sizes and times; a repository is too big to be read twice."""
    from web4mlx.assistant.store import load_store_settings
    from web4mlx.rag.unchanged import files_of

    rag, lines = line.config.rag, []
    if rag.source is not None:
        for file in sorted(files_of(rag.source, rag.tools, load_store_settings(rag.settings).source)):
            stat = file.lstat()
            lines.append(f"{file} {stat.st_size} {stat.st_mtime_ns}")
    text = "\n".join(lines).encode("utf-8", "surrogateescape")
    return Input(path=str(rag.source), sha256=sha256_bytes(text))


def find_record(line: Line, name: str, inputs: dict[str, Input]) -> Path | None:
    """The record of a stage, if it was made from the same."""
    record = line.config.outputs / name
    manifest = read_manifest(record)
    is_same = manifest is not None and manifest.is_same_work(inputs, {}) and record.is_file()
    return record if is_same else None


def find_build(line: Line) -> Path | None:
    """The record of a build from the same files, if its store is still there."""
    source = line.config.rag.source
    if source is None or not source.is_dir() or not has_store(line):
        return None
    return find_record(line, BUILD, build_inputs(line))


def build_store(line: Line, log: EventLog) -> Path:
    """Bring the store up to date; a sample source is generated first where that is needed."""
    rag, started = line.config.rag, time.monotonic()
    if rag.source is None:
        return skip(line, log, "no store is built: the configuration names no rag.source")
    generate_source(line, log)
    inputs = build_inputs(line)
    tools = ["--tools", str(rag.tools)] if rag.tools else []
    arguments = ["rag", "build", str(rag.source), *tools, "--db", str(line.config.store)]
    output = run_command(line, log, [*arguments, "--config", rag.settings, "--json"])
    return write_record(line, log, BUILD, output, inputs, started)


def store_input(line: Line) -> dict[str, Input]:
    """The store as an input: its build, whatever was marked in it since; without one its own database."""
    from web4mlx.rag.folder import require_generation
    from web4mlx.rag.schema import DATABASE

    record = line.config.outputs / BUILD
    if line.config.rag.source is None or not record.is_file():
        record = require_generation(line.config.store) / DATABASE
    return {"store": describe_input(record)}


def find_check(line: Line) -> Path | None:
    """The record of a check that this store passed."""
    return find_record(line, CHECK, store_input(line)) if has_store(line) else None


def check_store(line: Line, log: EventLog) -> Path:
    """Check the store.

    Raises:
        CheckFailed: It does not hold or find what it must.
    """
    if not has_store(line):
        return skip(line, log, NO_SOURCE)
    inputs, started = store_input(line), time.monotonic()
    arguments = ["rag", "check", "--db", str(line.config.store), "--config", line.config.rag.settings]
    output = run_command(line, log, [*arguments, "--json"])
    return write_record(line, log, CHECK, output, inputs, started)


def skip(line: Line, log: EventLog, message: str) -> Path:
    """Say why a stage has nothing to do."""
    log.warn("no-store", message, "Name a repository in rag.source, or use `web4mlx rag build`.")
    return line.config.store


def run_command(line: Line, log: EventLog, arguments: list[str], *, shows_result: bool = False) -> str:
    """Run a command of this program as a process; returns what it printed, unless that is shown.

    Raises:
        Web4Error: Of the kind that its exit code says.
    """
    captured = sys.stderr if line.quiet else None
    done = subprocess.run(
        [sys.executable, "-m", "web4mlx", *arguments],
        check=False,
        text=True,
        stdout=captured if shows_result else subprocess.PIPE,
    )
    if done.returncode:
        message = f"{log.stage}: `web4mlx {' '.join(arguments[:2])}` ended with exit code {done.returncode}"
        raise error_for(done.returncode, message, "Its last lines say why.")
    return done.stdout or ""


def write_record(
    line: Line, log: EventLog, name: str, output: str, inputs: dict[str, Input], started: float
) -> Path:
    """Keep a stage's result with what it was made from."""
    record = line.config.outputs / name
    atomic_write(record, output)
    write_manifest(record, new_manifest(log.stage, inputs=inputs))
    log.write(Finished, duration_s=time.monotonic() - started, artifact=str(record))
    return record
