"""What each stage up to the export looks for and does; `pipeline.py` has their order.

Each has a function that finds a finished artifact of the same work, and one that does the work.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from web4mlx.artifacts import (
    Input,
    atomic_write,
    describe_input,
    new_manifest,
    new_run_name,
    read_manifest,
    sha256_file,
    write_manifest,
)
from web4mlx.config import RunConfig, load_config
from web4mlx.errors import MissingPrerequisite, Web4Error
from web4mlx.events import EventLog, EventSink, Finished
from web4mlx.machine.awake import gpu_lease

EVENTS = "pipeline.jsonl"
GGUF = "web4-agent.gguf"


@dataclass
class Line:
    """A run of the pipeline: its configuration and what the stages so far have made."""

    config: RunConfig
    config_file: Path
    show: EventSink
    quiet: bool = False
    base: Path = Path()
    adapter: Path = Path()
    merged: Path = Path()
    gguf: Path = Path()

    def log(self, stage: str) -> EventLog:
        """The event log of a stage, shown as it grows."""
        return EventLog(self.config.outputs / EVENTS, self.config.name, stage, self.show)


def find_base_model(line: Line) -> Path | None:
    """The base, if it is here and whole."""
    from web4mlx.models.base import find_base

    try:
        return find_base(line.config.model)
    except MissingPrerequisite:
        return None


def get_base_model(line: Line, log: EventLog) -> Path:
    """Download or rebuild the base."""
    from web4mlx.models.base import ensure_base

    return ensure_base(line.config.model, log)


def data_inputs(line: Line) -> dict[str, Input]:
    """Manifest entries of the sample files."""
    data = line.config.data
    return {file.name: describe_input(file) for file in (*data.train, data.eval)}


def data_settings(line: Line) -> dict[str, object]:
    """What a data check depends on besides the files."""
    from web4mlx.models.tokenizer import ChatTokenizer

    settings: dict[str, object] = line.config.data.model_dump(mode="json", exclude={"selection"})
    return settings | {"tokenizer": ChatTokenizer(line.base).digest}


def find_data_report(line: Line) -> Path | None:
    """The report of a check of the same files that found no errors."""
    data = line.config.data
    report = line.config.outputs / "data_report.json"
    manifest = read_manifest(report)
    if manifest is None or not all(file.is_file() for file in (*data.train, data.eval)):
        return None
    same = manifest.is_same_work(data_inputs(line), data_settings(line))
    return report if same and report.is_file() else None


def check_samples(line: Line, log: EventLog) -> Path:
    """Generate the sample corpus if the configuration asks for it and it is missing, and check all files."""
    from web4mlx.data.check import check_data
    from web4mlx.data.corpus import require_own_files, write_corpus
    from web4mlx.data.report import report_path, require_ok
    from web4mlx.models.tokenizer import ChatTokenizer

    data = line.config.data
    missing = [file for file in (*data.train, data.eval) if not file.is_file()]
    if data.sample_scale and missing:
        require_own_files(data.eval.parent)
        write_corpus(data.eval.parent, data.sample_scale, data.sample_seed, log)
    report = check_data(line.config, ChatTokenizer(line.base), log)
    require_ok(report, line.config.outputs)
    path = report_path(line.config.outputs)
    write_manifest(path, new_manifest("data", inputs=data_inputs(line), config=data_settings(line)))
    return path


def find_adapter(line: Line) -> Path | None:
    """The newest finished run with the same settings, data, base and system prompt."""
    from web4mlx.train.settings import describe_inputs, training_settings

    inputs, settings = describe_inputs(line.config), training_settings(line.config)
    for folder in sorted(line.config.outputs.glob(f"{line.config.name}_lora_*"), reverse=True):
        manifest = read_manifest(folder)
        if manifest and manifest.stage == "train" and manifest.is_same_work(inputs, settings):
            return folder
    return None


def train_adapter(line: Line, log: EventLog) -> Path:
    """Go on with an unfinished run of the same work, or start a new one."""
    from web4mlx.train.supervise import find_resumable, new_run, supervise

    try:
        run = find_resumable(line.config, "auto")
        if not is_same_training(load_config(run / "config.toml"), line.config):
            run = new_run(line.config)
    except Web4Error:
        run = new_run(line.config)
    supervise(run, line.show)
    return run


def is_same_training(one: RunConfig, other: RunConfig) -> bool:
    """Whether two configurations train the same weights from the same places."""
    from web4mlx.train.settings import training_settings

    places = [(c.model, c.data.train, c.data.eval, c.data.selection, c.modelfile) for c in (one, other)]
    return places[0] == places[1] and training_settings(one) == training_settings(other)


def verified_inputs(line: Line) -> dict[str, Input]:
    """What a verification depends on: every file of the run's root."""
    return {"run": describe_input(line.adapter)}


def verification_record(line: Line) -> Path:
    """Where the checks of the run are kept; apart from the run folder, whose content they vouch for."""
    return line.config.outputs / f"verified_{line.adapter.name}.json"


def find_verification(line: Line) -> Path | None:
    """The record of a verification of the same adapter."""
    record = verification_record(line)
    manifest = read_manifest(record)
    return record if manifest and manifest.is_same_work(verified_inputs(line), {}) else None


def verify_adapter(line: Line, log: EventLog) -> Path:
    """Verify the run."""
    import json

    from web4mlx.events import Gate
    from web4mlx.verify import require_passed, verify_run

    started = time.monotonic()
    checks = verify_run(line.adapter, line.config)
    for check in checks:
        log.write(Gate, name=check.name, verdict=check.verdict, detail=check.detail)
    require_passed(line.adapter, checks)
    record = verification_record(line)
    atomic_write(record, json.dumps([check.model_dump() for check in checks], indent=2) + "\n")
    write_manifest(record, new_manifest("verify", inputs=verified_inputs(line)))
    log.write(Finished, duration_s=time.monotonic() - started, artifact=str(record))
    return record


def find_merged(line: Line) -> Path | None:
    """The newest merged folder of this adapter and this base."""
    from web4mlx.fuse.merge import adapter_input

    wanted = {"adapter": adapter_input(line.adapter), "base": describe_input(line.base)}
    for folder in sorted(line.config.outputs.glob("web4_merged_*"), reverse=True):
        manifest = read_manifest(folder)
        if manifest and manifest.stage == "fuse" and manifest.is_same_work(wanted, manifest.config):
            return folder
    return None


def merge(line: Line, log: EventLog) -> Path:
    """Fuse the adapter into the base."""
    from web4mlx.fuse.merge import fuse_adapter

    out = line.config.outputs / new_run_name("web4_merged")
    with gpu_lease(f"fusing {line.adapter.name}"):
        fuse_adapter(line.adapter, line.base, out, log)
    return out


def find_gguf(line: Line) -> Path | None:
    """The GGUF, if it was exported from this merged folder in this type and is unchanged."""
    gguf = line.config.outputs / GGUF
    manifest = read_manifest(gguf)
    if manifest is None or not gguf.is_file():
        return None
    is_same = (
        manifest.inputs.get("merged") is not None
        and manifest.inputs["merged"].sha256 == describe_input(line.merged).sha256
        and manifest.config.get("type") == line.config.export.type
        and manifest.config.get("calibration_rows", 0) == line.config.export.calibration_rows
        and manifest.outputs.get(gguf.name) == sha256_file(gguf)
    )
    return gguf if is_same else None


def export_gguf(line: Line, log: EventLog) -> Path:
    """Convert, quantize and verify."""
    from web4mlx.export.stage import export_model

    gguf = line.config.outputs / GGUF
    with gpu_lease(f"exporting {line.merged.name}"):
        export_model(line.merged, line.config, gguf, log)
    return gguf
