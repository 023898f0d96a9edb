"""`data check`: scans all files of a configuration, runs the checks and makes the report."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from web4mlx.artifacts import sha256_file
from web4mlx.config.schema import DataConfig, RunConfig
from web4mlx.data.findings import (
    PlacedRow,
    ScannedFile,
    check_files,
    check_flags,
    check_ids,
    check_likeness,
    check_names,
    check_prompts,
    check_texts,
    check_token_ranges,
    place_rows,
)
from web4mlx.data.histogram import make_histogram
from web4mlx.data.quarantine import count_quarantined
from web4mlx.data.report import DataReport, FileReport, Finding, LengthForecast, write_report
from web4mlx.data.scan import ScanSettings, scan_files
from web4mlx.errors import UsageError
from web4mlx.events import EventLog, Finished, Metric, Progress, Started
from web4mlx.modelfile import read_modelfile
from web4mlx.models.tokenizer import ChatTokenizer

Role = Literal["train", "eval"]
EVERYTHING = "training files"


def check_data(
    config: RunConfig, tokenizer: ChatTokenizer, log: EventLog, files: Sequence[Path] = ()
) -> DataReport:
    """Inspect the files of a configuration and write `data_report.json` into its outputs folder.

    Errors in the data are findings of the report and are not raised; `report.require_ok` does that.

    Args:
        config: The run; its `data`, `modelfile` and `outputs` are used.
        tokenizer: The base's tokenizer, which counts.
        log: Receives progress.
        files: Check only these; those named `eval*` and the configuration's own are evaluation files.

    Raises:
        UsageError: A file is listed twice.
        MissingPrerequisite: The Modelfile is missing.
        StageCrashed: A worker process died, or the report cannot be written.
    """
    report = inspect_data(config, tokenizer, log, files)
    path = write_report(report, config.outputs)
    log.write(Finished, duration_s=report.duration_s, artifact=str(path))
    return report


def inspect_data(
    config: RunConfig, tokenizer: ChatTokenizer, log: EventLog, files: Sequence[Path] = ()
) -> DataReport:
    """As `check_data`, without writing the report."""
    started = time.monotonic()
    roles = assign_roles(config.data, files)
    log.write(Started, plan={"files": len(roles)})
    system = read_modelfile(config.modelfile).system
    settings = ScanSettings(tokenizer.folder, system, config.data.max_seq_length, config.data.too_long)
    scanned = scan_corpus(roles, settings, log)
    was_read = time.monotonic()
    findings = find_all(scanned, config.data, is_whole=not files)
    finished = time.monotonic()
    log.write(Metric, name="read_s", value=was_read - started, unit="s")
    log.write(Metric, name="compare_s", value=finished - was_read, unit="s")
    return make_report(scanned, findings, config.data, tokenizer.folder.name, finished - started)


def assign_roles(data: DataConfig, files: Sequence[Path] = ()) -> dict[Path, Role]:
    """The files to check, training files first, with their roles.

    Raises:
        UsageError: A file is listed twice.
    """
    chosen: list[tuple[Path, Role]]
    if files:
        chosen = [(file, "eval" if _is_eval(file, data) else "train") for file in files]
        chosen.sort(key=lambda item: item[1] == "eval")
    else:
        chosen = [(file, "train") for file in data.train] + [(data.eval, "eval")]
    seen: set[Path] = set()
    for file, _ in chosen:
        if file.resolve() in seen:
            raise UsageError(f"{file}: listed twice", "List each file once.")
        seen.add(file.resolve())
    return dict(chosen)


def _is_eval(file: Path, data: DataConfig) -> bool:
    return file.resolve() == data.eval.resolve() or file.stem.split("_")[0] == "eval"


def scan_corpus(roles: dict[Path, Role], settings: ScanSettings, log: EventLog) -> list[ScannedFile]:
    """Read the files that exist, with progress in kilobytes."""

    def report_progress(done: int, total: int, eta_s: float | None) -> None:
        log.write(Progress, done=done >> 10, total=total >> 10, unit="KB", message="read", eta_s=eta_s)

    present = [file for file in roles if file.is_file() and os.access(file, os.R_OK)]
    digests = {file: sha256_file(file) for file in present}
    facts = dict(zip(present, scan_files(present, settings, report_progress), strict=True))
    return [
        ScannedFile(file, role, facts.get(file), count_quarantined(file), digests.get(file, ""))
        for file, role in roles.items()
    ]


def find_all(files: Sequence[ScannedFile], data: DataConfig, *, is_whole: bool = True) -> list[Finding]:
    """Run every check; errors come first, then in the order of the files and lines.

    Args:
        files: The scanned files.
        data: Expected counts and ranges, and the similarity threshold.
        is_whole: Whether these are all files of the configuration; totals are compared only then.
    """
    rows = place_rows(files)
    found = [
        *check_files(files, data),
        *check_ids(rows),
        *check_flags(rows),
        *check_texts(rows),
        *check_likeness(rows, data.near_duplicate_similarity),
        *check_prompts(rows),
    ]
    if is_whole:
        found += check_names(files, data)
        found += check_token_ranges(place_rows(files, "train"), data, EVERYTHING)
    order = {str(file.path): number for number, file in enumerate(files)}
    found.sort(key=lambda one: (one.severity != "error", order.get(one.file, -1), one.line))
    return found


def make_report(
    files: Sequence[ScannedFile],
    findings: Sequence[Finding],
    data: DataConfig,
    tokenizer: str,
    duration_s: float,
) -> DataReport:
    """Sum up facts and findings."""
    training = place_rows(files, "train")
    tokens = sum(row.facts.content_tokens for row in training)
    return DataReport(
        ok=not any(finding.severity == "error" for finding in findings),
        train_rows=len(training),
        eval_rows=len(place_rows(files, "eval")),
        train_tokens=tokens,
        mean_tokens=round(tokens / max(len(training), 1), 1),
        tokenizer=tokenizer,
        files=tuple(describe_file(file, data) for file in files),
        forecast=forecast_lengths(training, data),
        histogram=make_histogram([row.facts.row_tokens for row in training]),
        findings=tuple(findings),
        duration_s=round(duration_s, 2),
    )


def describe_file(file: ScannedFile, data: DataConfig) -> FileReport:
    """Rows and token statistics of one file."""
    tokens = np.array([row.content_tokens for row in file.rows] or [0])
    return FileReport(
        file=str(file.path),
        role=file.role,
        rows=len(file.rows),
        bad_rows=len(file.facts.bad) if file.facts else 0,
        expected_rows=data.expected_counts.get(file.path.stem),
        quarantined=file.quarantined,
        tokens=int(tokens.sum()),
        mean_tokens=round(float(tokens.mean()), 1),
        median_tokens=float(np.median(tokens)),
        max_tokens=int(tokens.max()),
        sha256=file.sha256,
    )


def forecast_lengths(training: Sequence[PlacedRow], data: DataConfig) -> LengthForecast:
    """What the length limit will do to the training rows."""
    too_long = [row.facts for row in training if row.facts.row_tokens > data.max_seq_length]
    return LengthForecast(
        max_seq_length=data.max_seq_length,
        policy=data.too_long,
        too_long=len(too_long),
        dropped=sum(row.fitted == 0 for row in too_long),
        shortened=sum(row.fitted == 1 for row in too_long),
        split=sum(row.fitted > 1 for row in too_long),
        training_rows=sum(row.facts.fitted for row in training),
        longest_row=max((row.facts.row_tokens for row in training), default=0),
    )
