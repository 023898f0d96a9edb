"""The samples: what `data check` found, the files against what is expected, lengths, and rows as learnt."""

import os
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from tui.actions import Action
from tui.feed.data import DataFeed, DataReadings, Shown, Wanted
from tui.jobs.record import Job
from tui.markup import cut, safe
from tui.place import Place
from tui.screens.data_text import (
    files_text,
    finding_detail,
    finding_lines,
    head_text,
    select,
    shown_figures,
    shown_note,
    shown_title,
)
from tui.screens.pane import Pane
from tui.widgets.ask import Ask
from tui.widgets.dialogs import Choice, confirm
from tui.widgets.histogram import Histogram
from tui.widgets.token_view import Mode, TokenView
from web4mlx.data.report import Finding

FILTERS = ("all", "error", "warning")
TITLES = {"all": "Findings", "error": "Findings: errors", "warning": "Findings: warnings"}
JOBS = ("data check", "data sample")


class Data(Pane):
    """Findings and files at the left, lengths and one row at the right; a narrow terminal shows one side."""

    NAME = "data"
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("check", "s", "Check", "Check the samples of this configuration.", starts=True),
        Action("side", "v", "Other side", "In a narrow terminal: findings, or lengths and rows."),
        Action("next", "n", "Next row", "Preview the next row of the file."),
        Action("back", "N", "Previous row", "Preview the previous row of the file.", footer=False),
        Action("filter", "f", "Filter", "Show all findings, errors only, or warnings only."),
        Action("pick", "o", "Open file", "Choose the file whose rows are previewed."),
        Action("go", "g", "Go to row", "Preview a row by its number, or by its sample id."),
        Action("tokens", "w", "Tokens", "Show the row token by token, or as text."),
        Action("sample", "m", "Make samples", "Write a generated corpus.", starts=True),
        Action("quarantine", "x", "Quarantine", "Move bad rows to side files, check again.", starts=True),
    )

    def __init__(self, place: Place) -> None:
        self.feed = DataFeed(place.settings, place.outputs)
        self.wanted = Wanted()
        self.readings = DataReadings((), Shown(self.wanted))
        self.findings: list[Finding] = []
        self.drawn: dict[str, object] = {}
        self.filter = "all"
        self.mode: Mode = "text"
        super().__init__(place)

    def compose(self) -> ComposeResult:
        """Head, then two sides."""
        yield Static("reading …", id="data-head")
        with Horizontal(id="data-body"):
            with Vertical(id="data-left"):
                with Vertical(classes="box", id="files-box") as box:
                    box.border_title = "Files"
                    yield Static("", id="files-header")
                    yield OptionList(id="data-files")
                with Vertical(classes="box", id="findings-box") as box:
                    box.border_title = "Findings"
                    yield OptionList(id="data-findings")
                    yield Static("", id="finding-detail")
            with Vertical(id="data-right"):
                with Vertical(classes="box", id="lengths-box") as box:
                    box.border_title = "Training rows by tokens"
                    yield Histogram(id="data-lengths")
                with Vertical(classes="box", id="preview-box") as box:
                    box.border_title = "Preview"
                    yield TokenView(id="data-preview")

    def first_focus(self) -> Widget | None:
        """The findings get the keys."""
        return self.query_one("#data-findings")

    def read(self) -> DataReadings:
        """Read report, files and the wanted row."""
        return self.feed.read(self.wanted)

    @property
    def job(self) -> Job | None:
        """The check or the making of samples that runs now."""
        return next((job for job in self.dashboard.jobs if job.is_alive and job.order.kind in JOBS), None)

    def show(self, readings: DataReadings) -> None:
        """Draw all of it."""
        self.readings = readings
        self.query_one("#data-head", Static).update(head_text(readings, self.job, self.size.width - 2))
        self._show_files()
        self._show_findings()
        report = readings.report
        empty = "the check counts them" if report is None else "no training row"
        limit = report.forecast.max_seq_length if report else 0
        self.query_one(Histogram).show(report.histogram if report else (), limit, empty)
        if readings.shown.wanted == self.wanted:
            self._show_row(readings.shown)

    def _show_files(self) -> None:
        files = self.query_one("#data-files", OptionList)
        header, *lines = files_text(self.readings, files.content_size.width)
        self.query_one("#files-header", Static).update(header)
        self._fill(files, lines)

    def _show_findings(self) -> None:
        report = self.readings.report
        self.findings = select(report.findings, self.filter) if report else []
        box = self.query_one("#findings-box")
        self.set_class(not self.findings, "-clean")
        box.border_title = f"{TITLES[self.filter]} ({len(self.findings):,})" if report else "Findings"
        nothing = "[$success]✓ nothing was found[/]" if report else "[$muted]none before a check[/]"
        if report and report.findings and not self.findings:
            nothing = f"[$muted]no {self.filter}s; f shows the others[/]"
        self._fill(
            self.query_one("#data-findings", OptionList), list(finding_lines(self.findings)) or [nothing]
        )
        self._show_detail()

    def _fill(self, widget: OptionList, lines: list[str]) -> None:
        """Show other lines in a list, and keep the place."""
        if self.drawn.get(str(widget.id)) == lines:
            return
        self.drawn[str(widget.id)] = lines
        at = widget.highlighted
        widget.clear_options()
        widget.add_options([Option(line) for line in lines])
        widget.highlighted = min(at or 0, len(lines) - 1) if lines else None

    def _show_detail(self) -> None:
        at = self.query_one("#data-findings", OptionList).highlighted
        detail = finding_detail(self.findings[at]) if at is not None and at < len(self.findings) else ""
        field = self.query_one("#finding-detail", Static)
        field.display = bool(detail)
        field.update(detail)

    def _show_row(self, shown: Shown) -> None:
        box = self.query_one("#preview-box")
        box.border_title = safe(cut(shown_title(shown), max(8, self.query_one(TokenView).size.width)))
        box.border_subtitle = safe(shown_figures(shown))
        self.query_one(TokenView).show(shown.parts, shown_note(shown), self.mode)

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Show the finding that is looked at."""
        if event.option_list.id == "data-findings":
            self._show_detail()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Preview the chosen file, or the row of the chosen finding."""
        event.stop()
        at = event.option_index
        if event.option_list.id == "data-files" and at < len(self.readings.files):
            self.want(Wanted(self.readings.files[at].path))
        elif event.option_list.id == "data-findings" and at < len(self.findings):
            finding = self.findings[at]
            self.want(Wanted(Path(finding.file), line=finding.line or 1))

    def want(self, wanted: Wanted) -> None:
        """Preview another row, and show the side where it stands."""
        self.wanted = wanted
        self.add_class("-rows")
        self.look()

    def why_not(self, action: str) -> str:
        """What must be so for an action."""
        if action in ("check", "sample", "quarantine") and self.job is not None:
            return f"{self.job.order.title} runs."
        if action in ("next", "back", "go") and not self.readings.shown.of:
            return "There is no row to show."
        if action == "quarantine" and (self.readings.report is None or self.readings.report.ok):
            return "There is nothing to move: the check found no error."
        if action == "sample" and self.sample_folder is None:
            return "The files of this configuration stand in several folders; make samples by hand."
        return ""

    @property
    def sample_folder(self) -> Path | None:
        """Where a generated corpus goes; None when the files do not share a folder."""
        folders = {file.path.parent for file in self.readings.files}
        return folders.pop() if len(folders) == 1 else None

    def do_check(self) -> None:
        """Check the samples."""
        self.start_job("data check", self.place.config_arguments)

    def do_next(self) -> None:
        """Preview the next row."""
        self._step(1)

    def do_back(self) -> None:
        """Preview the previous row."""
        self._step(-1)

    def _step(self, step: int) -> None:
        shown = self.readings.shown
        ahead = self.wanted if self.wanted != shown.wanted else replace(self.wanted, number=shown.number)
        number = max(0, min(ahead.number + step, shown.of - 1))
        self.want(Wanted(self.wanted.file or shown.file, number))

    @work
    async def do_pick(self) -> None:
        """Choose a file."""
        files = [file for file in self.readings.files if file.size_bytes is not None]
        options = [(str(file.path), safe(os.path.relpath(file.path))) for file in files]
        question = Choice("Preview the rows of which file?", options or [("", "no file is there")])
        chosen = await self.app.push_screen_wait(question)
        if chosen:
            self.want(Wanted(Path(chosen)))

    @work
    async def do_go(self) -> None:
        """Choose a row."""
        shown = self.readings.shown
        title = f"Which row of {shown.file.name if shown.file else 'the file'}?"
        answer = await self.app.push_screen_wait(Ask(title, f"1 to {shown.of}, or a sample id"))
        if not answer:
            return
        if answer.isdecimal():
            self.want(Wanted(shown.file, min(int(answer), shown.of) - 1))
        else:
            self.want(Wanted(shown.file, sample_id=answer))

    def do_tokens(self) -> None:
        """Change between text and tokens."""
        self.mode = "text" if self.mode == "tokens" else "tokens"
        self.add_class("-rows")
        self._show_row(self.readings.shown)

    def do_filter(self) -> None:
        """Show other findings."""
        self.filter = FILTERS[(FILTERS.index(self.filter) + 1) % len(FILTERS)]
        self.remove_class("-rows")
        self._show_findings()

    def do_side(self) -> None:
        """Show the other side."""
        self.toggle_class("-rows")
        focus = "#data-preview" if self.has_class("-rows") else "#data-findings"
        self.query_one(focus).focus()

    @work
    async def do_sample(self) -> None:
        """Ask how much, then write a corpus."""
        folder = str(self.sample_folder)
        options = [
            ("no", "None, leave the files as they are"),
            ("demo", "The demo's: about 2,000 samples, under an hour of training"),
            ("full", "A full one: 37,000 samples and 2,000 held out"),
        ]
        detail = f"Into {safe(folder)}. Files that were not generated are never overwritten."
        scale = await self.app.push_screen_wait(Choice("Write a generated corpus?", options, detail))
        if scale in ("demo", "full"):
            seed = str(self.place.settings.data.sample_seed)
            self.start_job("data sample", ["--scale", scale, "--seed", seed, "--folder", folder])

    @work
    async def do_quarantine(self) -> None:
        """Ask, then move the bad rows."""
        detail = (
            "Rows with errors go to NAME.quarantine.jsonl beside their file, with the reason; the rest stays "
            "in its order. docs/data.md says which errors."
        )
        question = confirm("Move the bad rows out of the files?", "Yes, move them and check again", detail)
        if await self.app.push_screen_wait(question) == "yes":
            self.start_job("data check", ["--quarantine", *self.place.config_arguments])
