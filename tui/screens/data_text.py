"""The words of the data screen."""

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tui.feed.data import DataReadings, FileNow, Shown
from tui.feed.finding_hints import hint_of
from tui.jobs.record import Job
from tui.markup import cut, safe
from tui.themes import sign
from tui.words import ago, duration
from web4mlx.cli.data_view import forecast_line, visible
from web4mlx.data.report import DataReport, FileReport, Finding

COLUMNS = {"rows": 8, "expected": 10, "bad": 6, "aside": 7, "tokens": 12, "mean": 7, "max": 7}
FIRST = ("rows", "expected", "bad", "max", "mean", "aside", "tokens")  # what is shown when room is scarce
CODE_WIDTH, PLACE_WIDTH = 15, 20
SHOWN_FINDINGS = 500
LONG_PATH = 40
FATES = {
    "kept": "kept whole", "dropped": "✗ dropped: longer than the limit",
    "shortened": "! shortened to the limit", "split": "! split at the limit",
}  # fmt: skip


def head_text(readings: DataReadings, job: Job | None, width: int) -> str:
    """Two lines: the verdict with totals; what the length limit does, or what is wrong."""
    first, second = _head(readings, job)
    return f"{first}\n{second}"


def _head(readings: DataReadings, job: Job | None) -> tuple[str, str]:
    report = readings.report
    checking = f"{sign('running')} [b]checking[/]  [$muted]{_since(job)}[/]" if job is not None else ""
    if readings.problem is not None:
        state = checking or f"{sign('errored')}  {safe(readings.problem.cause)}"
        return state, f"[b]Hint[/]  {safe(readings.problem.hint)} [b $primary]s[/] runs it."
    if report is None:
        return checking or f"{sign('todo')}  Nothing has been checked yet.", _first_step(readings.files)
    state = checking or sign("passed" if report.ok else "failed")
    counts = f"{_count(len(report.errors), 'error')}, {_count(len(report.warnings), 'warning')}"
    when = ago(time.time() - (readings.written or time.time()))
    first = (
        f"{state}  [b]{report.train_rows:,}[/] samples, {report.train_tokens:,} tokens"
        f"  [$muted]{report.eval_rows:,} held out[/]  {counts}  [$muted]{when}[/]"
    )
    if readings.newer:
        names = ", ".join(readings.newer[:2]) + (" …" if len(readings.newer) > 2 else "")
        return first, f"[$warning]! changed since:[/] {safe(names)}  [b $primary]s[/] checks again"
    return first, f"[$muted]{safe(forecast_line(report))}[/]"


def _since(job: Job | None) -> str:
    return duration(time.time() - job.started) if job is not None and job.started else ""


def _count(number: int, noun: str) -> str:
    text = f"{number:,} {noun}{'s' * (number != 1)}"
    if not number:
        return f"[$muted]no {noun}s[/]"
    colour, glyph = ("$error", "✗") if noun == "error" else ("$warning", "!")
    return f"[{colour}]{glyph} {text}[/]"


def _first_step(files: Sequence[FileNow]) -> str:
    missing = sum(file.size_bytes is None for file in files)
    if missing:
        return (
            f"[$warning]! {missing} of {len(files)} files are missing.[/]  "
            "[b $primary]m[/] writes a generated corpus"
        )
    return "[b $primary]s[/] checks schema, duplicates, leaks, secrets and lengths"


def files_text(readings: DataReadings, width: int) -> list[str]:
    """A header and one line a file; columns without content, and those there is no room for, are left out."""
    rows = [_file_cells(file, readings.report) for file in readings.files]
    used = [name for name in FIRST if any(cells.get(name) for _, _, cells in rows)]
    room = width - 2 - max((len(name) for _, name, _ in rows), default=0)
    shown = []
    for name in used:
        if room >= COLUMNS[name]:
            room -= COLUMNS[name]
            shown.append(name)
    columns = [name for name in COLUMNS if name in shown]
    space = max(8, width - 2 - sum(COLUMNS[name] for name in columns))
    head = "".join(f"{name:>{COLUMNS[name]}}" for name in columns)
    lines = [f"[$muted]  {'file':<{space}}{head}[/]"]
    for glyph, name, cells in rows:
        numbers = "".join(f"{cells.get(column) or '·':>{COLUMNS[column]}}" for column in columns)
        lines.append(f"{glyph} {safe(cut(name, space)):<{space}}{numbers}")
    return lines


def _file_cells(file: FileNow, report: DataReport | None) -> tuple[str, str, dict[str, str]]:
    """Sign, name and figures of one file: against the report, and whether it is there."""
    name = f"{file.path.name}{', held out' if file.role == 'eval' else ''}"
    expected = f"{file.expected:,}" if file.expected else ""
    if file.size_bytes is None:
        return "[$error]✗[/]", file.path.name, {"rows": "missing", "expected": expected}
    found = _report_of(file, report)
    if found is None:
        return "[$muted]·[/]", name, {"expected": expected}
    wrong = bool(found.expected_rows and found.expected_rows != found.rows + found.quarantined)
    is_well = found.rows and not found.bad_rows and not wrong
    cells = {
        "rows": f"{found.rows:,}",
        "expected": f"{'✗ ' if wrong else ''}{found.expected_rows:,}" if found.expected_rows else "",
        "bad": f"{found.bad_rows:,}" if found.bad_rows else "",
        "aside": f"{found.quarantined:,}" if found.quarantined else "",
        "tokens": f"{found.tokens:,}", "mean": f"{found.mean_tokens:,.0f}", "max": f"{found.max_tokens:,}",
    }  # fmt: skip
    return "[$success]✓[/]" if is_well else "[$error]✗[/]", name, cells


def _report_of(file: FileNow, report: DataReport | None) -> FileReport | None:
    """The report's entry of a file; paths are compared as they were given, then as they are."""
    for found in report.files if report else ():
        if found.file == str(file.path) or Path(found.file).absolute() == file.path.absolute():
            return found
    return None


def finding_line(finding: Finding) -> str:
    """One finding in one line."""
    glyph = "[$error]✗[/]" if finding.severity == "error" else "[$warning]![/]"
    line = f":{finding.line}" if finding.line else ""
    place = f"{Path(finding.file).name}{line}"
    return (
        f"{glyph} [b]{safe(finding.code):<{CODE_WIDTH}}[/] {safe(f'{place:<{PLACE_WIDTH}}')} "
        f"[$muted]{safe(visible(finding.message))}[/]"
    )


def finding_detail(finding: Finding) -> str:
    """The whole finding, and what to do about it."""
    hint = hint_of(finding.code)
    where = os.path.relpath(finding.file) if len(finding.file) > LONG_PATH else finding.file
    where += f":{finding.line}" if finding.line else ""
    field = f" [b]{safe(finding.field)}[/]" if finding.field else ""
    said = f"{finding.severity} {safe(where)}{field}: {safe(visible(finding.message))}"
    return f"{said}\n[b]Hint[/]  {safe(hint)}" if hint else said


def shown_title(shown: Shown) -> str:
    """Which row is shown, as plain text."""
    if shown.file is None:
        return "Preview"
    sample = f" · {shown.parts[0].sample_id}" if shown.parts else ""
    line = shown.parts[0].line if shown.parts else shown.bad.line if shown.bad else 0
    where = f" · line {line}" if line else ""
    return f"{shown.file.name} · row {shown.number + 1:,} of {shown.of:,}{where}{sample}"


def shown_figures(shown: Shown) -> str:
    """How many tokens are read and learnt, and what the length limit does."""
    if not shown.parts:
        return ""
    read = sum(part.prompt_tokens for part in shown.parts)
    learnt = sum(part.supervised_tokens for part in shown.parts)
    return f"{read:,} read · ⟦{learnt:,} learnt⟧ · {FATES[shown.parts[0].fate]}"


def shown_note(shown: Shown) -> str:
    """Why there is no preview; empty when there is one."""
    if shown.problem is not None:
        return f"✗ {shown.problem.cause}\n{shown.problem.hint}"
    if shown.bad is not None:
        field = f"{shown.bad.field}: " if shown.bad.field else ""
        raw = shown.bad.raw.decode("utf-8", "replace").rstrip("\n")
        return f"✗ this row is no sample: {field}{shown.bad.reason}\n\n{raw[:4000]}"
    return "" if shown.parts else "No file is there to be previewed."


def select(findings: Sequence[Finding], which: str) -> list[Finding]:
    """All findings, or those of one severity."""
    return [one for one in findings if which in ("all", one.severity)]


def finding_lines(findings: Sequence[Finding]) -> Iterator[str]:
    """As many findings as a list holds with ease."""
    for finding in findings[:SHOWN_FINDINGS]:
        yield finding_line(finding)
    if len(findings) > SHOWN_FINDINGS:
        yield f"[$muted]… and {len(findings) - SHOWN_FINDINGS:,} more in data_report.json[/]"
