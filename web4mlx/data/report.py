"""The report of `data check`: what was counted and what was found, as one frozen model.

It owns the shape of the report, its file and the sentence that stops a run; the checks are in `check`.
"""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from web4mlx.artifacts import atomic_write
from web4mlx.errors import CheckFailed

REPORT_NAME = "data_report.json"
SHOWN_ERRORS = 50
Severity = Literal["error", "warning"]
HINT = "Correct the rows, or let `web4mlx data check --quarantine` move those it can to side files."


class Part(BaseModel):
    """A part of the report: frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Finding(Part):
    """One thing that is wrong, and where. `line` counts from 1; 0 means the file as a whole."""

    severity: Severity
    code: str
    file: str
    line: int = 0
    field: str = ""
    message: str

    def __str__(self) -> str:
        line = f":{self.line}" if self.line else ""
        field = f"{self.field}: " if self.field else ""
        return f"{self.file}{line}: {field}{self.message}"


class FileReport(Part):
    """One file: rows, and tokens of instruction, input and output together (no template, no system prompt).

    `quarantined` counts the rows of the side file; `sha256` is empty for a missing file.
    """

    file: str
    role: Literal["train", "eval"]
    rows: int
    bad_rows: int
    expected_rows: int | None
    quarantined: int
    tokens: int
    mean_tokens: float
    median_tokens: float
    max_tokens: int
    sha256: str


class LengthBin(Part):
    """Number of training rows of `low` ≤ tokens < `high`, with template and system prompt."""

    low: int
    high: int
    rows: int


class LengthForecast(Part):
    """What the length limit will do to the training samples.

    `training_rows` is what remains to train on; a split sample makes several rows.
    """

    max_seq_length: int
    policy: Literal["drop", "keep_head", "split"]
    too_long: int
    dropped: int
    shortened: int
    split: int
    training_rows: int
    longest_row: int


class DataReport(Part):
    """Everything `data check` found. `train_tokens` and `mean_tokens` are over the training files."""

    ok: bool
    train_rows: int
    eval_rows: int
    train_tokens: int
    mean_tokens: float
    tokenizer: str
    files: tuple[FileReport, ...]
    forecast: LengthForecast
    histogram: tuple[LengthBin, ...]
    findings: tuple[Finding, ...]
    duration_s: float

    @property
    def errors(self) -> list[Finding]:
        """The findings that stop a run."""
        return [finding for finding in self.findings if finding.severity == "error"]

    @property
    def warnings(self) -> list[Finding]:
        """The findings to look at."""
        return [finding for finding in self.findings if finding.severity == "warning"]


def report_path(outputs: Path) -> Path:
    """Where the report of a run's data stands."""
    return outputs / REPORT_NAME


def write_report(report: DataReport, outputs: Path) -> Path:
    """Write the report into the outputs folder and return its path."""
    path = report_path(outputs)
    atomic_write(path, report.model_dump_json(indent=1) + "\n")
    return path


def require_ok(report: DataReport, outputs: Path) -> None:
    """Stop when the report holds errors.

    Raises:
        CheckFailed: Lists the errors, at most 50 of them; the report file holds all.
    """
    errors = report.errors
    if not errors:
        return
    lines = [f"  - {error}" for error in errors[:SHOWN_ERRORS]]
    if len(errors) > SHOWN_ERRORS:
        lines.append(f"  … and {len(errors) - SHOWN_ERRORS} more in {report_path(outputs)}")
    noun = "error" if len(errors) == 1 else "errors"
    raise CheckFailed("\n".join([f"the data has {len(errors)} {noun}", *lines]), HINT)
