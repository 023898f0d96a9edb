"""What the data screen shows: the last check's report, the files as they are, one row as it is learnt."""

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from tui.feed.reader import Problem
from tui.feed.sample_rows import SampleRows
from web4mlx.config import RunConfig
from web4mlx.data.preview import Preview, preview_samples
from web4mlx.data.report import REPORT_NAME, DataReport
from web4mlx.data.samples import BadRow
from web4mlx.errors import Web4Error

if TYPE_CHECKING:
    from web4mlx.models.tokenizer import ChatTokenizer


@dataclass(frozen=True)
class Wanted:
    """Which row to preview: of a file, by number from 0 on, or by `line`, or by `sample_id`."""

    file: Path | None = None
    number: int = 0
    line: int = 0
    sample_id: str = ""


@dataclass(frozen=True)
class Shown:
    """A previewed row; `of` is the number of rows in the file. `bad` or `problem` says why there is none.

    A sample that the length limit splits has several `parts`.
    """

    wanted: Wanted
    file: Path | None = None
    number: int = 0
    of: int = 0
    parts: tuple[Preview, ...] = ()
    bad: BadRow | None = None
    problem: Problem | None = None


@dataclass(frozen=True)
class FileNow:
    """A file of the configuration as it stands; `expected` rows are None when nothing is expected."""

    path: Path
    role: str
    expected: int | None
    size_bytes: int | None
    changed: float | None


@dataclass(frozen=True)
class DataReadings:
    """`report` is the last check's and `written` when; `problem` says why it cannot be read.

    `newer` names files that were changed after the check.
    """

    files: tuple[FileNow, ...]
    shown: Shown
    report: DataReport | None = None
    written: float | None = None
    problem: Problem | None = None
    newer: tuple[str, ...] = ()


@dataclass
class DataFeed:
    """Reads for one configuration."""

    settings: RunConfig
    outputs: Path
    _report: tuple[tuple[int, int], DataReport | Problem] | None = None
    _rows: dict[Path, SampleRows] = field(default_factory=dict)
    _tokenizer: "ChatTokenizer | None" = None
    _last: tuple[object, Shown] | None = None

    def read(self, wanted: Wanted) -> DataReadings:
        """The report, the files, and the wanted row."""
        report, written = self._read_report()
        files = tuple(self._files())
        newer = tuple(
            file.path.name for file in files if written and file.changed and file.changed > written + 1
        )
        return DataReadings(
            files=files, shown=self._preview(wanted, files), written=written, newer=newer if report else (),
            report=report if isinstance(report, DataReport) else None,
            problem=report if isinstance(report, Problem) else None,
        )  # fmt: skip

    def _read_report(self) -> tuple[DataReport | Problem | None, float | None]:
        path = self.outputs / REPORT_NAME
        try:
            stat = path.stat()
            stamp = (stat.st_size, stat.st_mtime_ns)
            if self._report is None or self._report[0] != stamp:
                self._report = (stamp, _parse(path))
        except FileNotFoundError:
            self._report = None
            return None, None
        except OSError as error:
            return Problem(f"{path}: {error.strerror}", "Can this folder be read?"), None
        return self._report[1], stat.st_mtime

    def _files(self) -> list[FileNow]:
        data = self.settings.data
        listed = [(path, "train") for path in data.train] + [(data.eval, "eval")]
        return [_look_at(path, role, data.expected_counts.get(path.stem)) for path, role in listed]

    def _preview(self, wanted: Wanted, files: tuple[FileNow, ...]) -> Shown:
        there = [file.path for file in files if file.size_bytes is not None]
        path = wanted.file or next(iter(there), None)
        if path is None:
            return Shown(wanted)
        try:
            return self._preview_of(wanted, path)
        except OSError as error:
            return Shown(wanted, path, problem=Problem(f"{path}: {error.strerror}", "Was it removed?"))
        except Web4Error as error:
            return Shown(wanted, path, problem=Problem(error.message, error.hint))

    def _preview_of(self, wanted: Wanted, path: Path) -> Shown:
        rows = self._rows.setdefault(path, SampleRows(path))
        rows.refresh()
        key = (wanted, path, path.stat().st_mtime_ns, _stamp(self.settings.modelfile))
        if self._last is not None and self._last[0] == key and self._last[1].problem is None:
            return self._last[1]
        shown = self._render(wanted, path, rows)
        self._last = (key, shown)
        return shown

    def _render(self, wanted: Wanted, path: Path, rows: SampleRows) -> Shown:
        number = max(0, min(wanted.number, len(rows) - 1))
        if wanted.line:
            number = rows.number_of_line(wanted.line)
        if wanted.sample_id:
            found = rows.find_id(wanted.sample_id)
            if found is None:
                text = f"{path.name} has no row with the id {wanted.sample_id!r}"
                return Shown(wanted, path, of=len(rows), problem=Problem(text, "Ids are case-sensitive."))
            number = found
        row = rows.row(number)
        if row is None:
            return Shown(wanted, path, problem=Problem(f"{path.name} holds no row", "Is it the right file?"))
        if isinstance(row, BadRow):
            return Shown(wanted, path, number, len(rows), bad=row)
        tokenizer, system = self._speech()
        parts = tuple(preview_samples([row], tokenizer, system, self.settings.data))
        return Shown(wanted, path, number, len(rows), parts)

    def _speech(self) -> "tuple[ChatTokenizer, str]":
        """Tokenizer and system prompt.

        Raises:
            Web4Error: The base or the Modelfile is missing.
        """
        from web4mlx.modelfile import read_modelfile
        from web4mlx.models.base import find_base
        from web4mlx.models.tokenizer import ChatTokenizer

        if self._tokenizer is None:
            self._tokenizer = ChatTokenizer(find_base(self.settings.model))
        return self._tokenizer, read_modelfile(self.settings.modelfile).system


def _parse(path: Path) -> DataReport | Problem:
    try:
        return DataReport.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        return Problem(f"{path.name} is not a report: {place}: {first['msg']}", "Run the check again.")


def _look_at(path: Path, role: str, expected: int | None) -> FileNow:
    with suppress(OSError):
        stat = path.stat()
        return FileNow(path, role, expected, stat.st_size, stat.st_mtime)
    return FileNow(path, role, expected, None, None)


def _stamp(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_mtime_ns
    return 0
