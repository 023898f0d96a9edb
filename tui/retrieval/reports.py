"""The newest check of a store, as its record says: the pipeline's, or that of a check started here."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from web4mlx.rag.findings import CheckReport
from web4mlx.rag.settings import Expectation, RagSettings
from web4mlx.store_stages import CHECK


@dataclass(frozen=True)
class Checked:
    """A check: its report, when it was written, and what is wrong with the file, if it cannot be read."""

    report: CheckReport | None = None
    when: float = 0.0
    problem: str = ""

    def is_of(self, generation: Path) -> bool:
        """Whether it is of this generation of the store; a later build or marking makes another one."""
        return self.report is not None and Path(self.report.store).name == generation.name


class CheckFeed:
    """Reads the newest check.

    Args:
        outputs: The outputs folder, where its record is.
    """

    def __init__(self, outputs: Path) -> None:
        self.record = outputs / CHECK
        self._version: tuple[int, int] | None = None
        self._known = Checked()

    def read(self) -> Checked:
        """The newest check; an empty one when there is none."""
        try:
            stat = self.record.stat()
        except OSError:
            return Checked()
        version = (stat.st_mtime_ns, stat.st_size)
        if version != self._version:
            self._version, self._known = version, self._read(stat.st_mtime)
        return self._known

    def _read(self, when: float) -> Checked:
        try:
            return Checked(CheckReport.model_validate_json(self.record.read_bytes()), when)
        except (OSError, ValidationError) as error:
            return Checked(None, when, f"{self.record.name} cannot be read: {first_line(error)}")


def first_line(error: Exception) -> str:
    """What an error says, in one line."""
    if isinstance(error, ValidationError):
        return f"{error.errors()[0]['msg']} ({error.error_count()} problems)"
    return str(error).partition("\n")[0]


def expectations(settings: RagSettings, scale: str, named: str = "") -> tuple[str, dict[str, Expectation]]:
    """The expectations for a store: by name, or of the sample it was made from, or of the team.

    Args:
        settings: The store's configuration.
        scale: The sample that the store was made from; empty for none.
        named: The name that a check used; `none` compares with nothing.
    """
    name = named or (scale if scale in settings.expect else "team")
    return (name, settings.expect[name]) if name in settings.expect else ("none", {})
