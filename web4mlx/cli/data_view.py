"""How reports and previews of the data look in a terminal."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from web4mlx.data.preview import Preview
from web4mlx.data.quarantine import Moved
from web4mlx.data.report import DataReport, LengthBin

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

SHOWN_WARNINGS = 10
SUPERVISED = "bold green"


def show_report(console: "Console", report: DataReport) -> None:
    """Print a report: files, totals, forecast, histogram, and the first warnings of each kind."""
    if folder := common_folder(report):
        console.print(f"files in {folder}", markup=False)
    console.print(_file_table(report))
    console.print(
        f"training: {report.train_rows:,} samples, {report.train_tokens:,} tokens, "
        f"{report.mean_tokens:,.0f} a sample; held out: {report.eval_rows:,} samples; "
        f"counted with {report.tokenizer}"
    )
    console.print(forecast_line(report))
    if report.histogram:
        console.print(draw_bars(report.histogram), markup=False)
    _show_warnings(console, report)
    verdict = "passed" if report.ok else "failed"
    console.print(f"data check {verdict}: errors {len(report.errors)}, warnings {len(report.warnings)}")


def _file_table(report: DataReport) -> "Table":
    """One line a file; columns that are zero everywhere are left out."""
    from rich.markup import escape
    from rich.table import Table

    columns = {
        "samples": [f"{file.rows:,}" for file in report.files],
        "expected": [f"{file.expected_rows or 0:,}" for file in report.files],
        "bad": [f"{file.bad_rows:,}" for file in report.files],
        "quarantined": [f"{file.quarantined:,}" for file in report.files],
        "tokens": [f"{file.tokens:,}" for file in report.files],
        "mean": [f"{file.mean_tokens:,.0f}" for file in report.files],
        "median": [f"{file.median_tokens:,.0f}" for file in report.files],
        "max": [f"{file.max_tokens:,}" for file in report.files],
    }
    shown = {name: cells for name, cells in columns.items() if set(cells) != {"0"}}
    table = Table(box=None, pad_edge=False)
    table.add_column("file", overflow="fold")
    for name in shown:
        table.add_column(name, justify="right", no_wrap=True)
    for file, *cells in zip(report.files, *shown.values(), strict=True):
        table.add_row(escape(file.file.removeprefix(common_folder(report))), *cells)
    return table


def common_folder(report: DataReport) -> str:
    """The folder of all files with its slash; empty when they stand in several."""
    folders = {file.file.removesuffix(Path(file.file).name) for file in report.files}
    return folders.pop() if len(folders) == 1 else ""


def forecast_line(report: DataReport) -> str:
    """What the length limit does, in one sentence."""
    forecast = report.forecast
    longest = f"the longest row has {forecast.longest_row:,} tokens"
    if not forecast.too_long:
        return f"length limit {forecast.max_seq_length:,}: no row is longer ({longest})"
    outcomes = {"dropped": forecast.dropped, "shortened": forecast.shortened, "split": forecast.split}
    fate = ", ".join(f"{count:,} {name}" for name, count in outcomes.items() if count)
    return (
        f"length limit {forecast.max_seq_length:,}: {forecast.too_long:,} samples are longer "
        f"(policy {forecast.policy}: {fate}); {forecast.training_rows:,} training rows remain; {longest}"
    )


def draw_bars(bins: Sequence[LengthBin]) -> str:
    """The histogram as plain text."""
    import plotext

    figure = plotext.figure
    figure.clear()
    figure.plot_size(80, 14)
    middles = [(item.low + item.high) / 2 for item in bins]
    figure.draw(figure.bar(middles, [item.rows for item in bins], marker="█", width=1))
    figure.title("training rows by tokens (template and system prompt included)")
    text = figure.build().string(colorless=True)
    return "\n".join(line.rstrip() for line in text.splitlines())


def _show_warnings(console: "Console", report: DataReport) -> None:
    shown: Counter[str] = Counter()
    for warning in report.warnings:
        shown[warning.code] += 1
        if shown[warning.code] <= SHOWN_WARNINGS:
            console.print(f"warning: {warning.code}: {visible(str(warning))}", markup=False)
    for code, count in shown.items():
        if count > SHOWN_WARNINGS:
            console.print(f"warning: {code}: {count - SHOWN_WARNINGS:,} more in the report file")


def moved_line(moved: Moved, *, dry_run: bool) -> str:
    """What quarantine did to one file."""
    verb = "would move" if dry_run else "moved"
    noun = "row" if moved.rows == 1 else "rows"
    return f"{verb} {moved.rows} {noun} of {moved.file} to {moved.side_file}"


def show_preview(console: "Console", preview: Preview) -> None:
    """Print one training row; supervised text stands in brackets, and in colour where there is colour."""
    from rich.text import Text

    has_unicode = console.encoding.lower().startswith("utf")
    opening, closing = ("⟦", "⟧") if has_unicode else ("[[", "]]")
    console.rule(f"{preview.sample_id}  {preview.file}:{preview.line}", characters="-", align="left")
    text = Text()
    for part in preview.parts:
        if part.is_supervised:
            text.append(f"{opening}{visible(part.text)}{closing}", SUPERVISED)
        else:
            text.append(visible(part.text))
    console.print(text)
    fate = "" if preview.fate == "kept" else f"; longer than the limit: {preview.fate}"
    console.print(
        f"{preview.prompt_tokens} prompt tokens, {preview.supervised_tokens} supervised tokens "
        f"(in {opening} {closing}){fate}\n",
        markup=False,
    )


def visible(text: str) -> str:
    """A text whose control characters are shown as escapes, so that data cannot steer the terminal."""
    return "".join(
        char if char in "\n\t" or unicodedata.category(char) not in ("Cc", "Cf") else f"\\u{ord(char):04x}"
        for char in text
    )
