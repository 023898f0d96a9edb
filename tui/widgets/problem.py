"""The error panel: cause, hint, log."""

from pathlib import Path

from textual.widgets import Static

from tui.feed.reader import Problem
from tui.markup import safe
from tui.words import short_path

LAST_LINES = 6
TAIL_BYTES = 4000


class ProblemPanel(Static):
    """Says what is wrong, what to do, and where it is written; hidden while nothing is."""

    def __init__(self) -> None:
        super().__init__(classes="problem")
        self.plain = ""
        self.display = False

    def show(self, problem: Problem, log: Path | None = None, lines: tuple[str, ...] = ()) -> None:
        """Show a problem, with the last lines of its log."""
        parts = [f"[b $error]✗ {safe(problem.cause)}[/]"]
        if problem.hint:
            parts.append(f"[b]Hint[/]  {safe(problem.hint)}")
        parts += [f"[$muted]  {safe(line)}[/]" for line in lines]
        if log is not None:
            parts.append(f"[b]Log[/]   [$muted]{safe(short_path(log))}[/]")
        parts.append("[$muted]esc closes this, y copies it[/]")
        self.plain = "\n".join([problem.cause, problem.hint, *lines, str(log or "")]).strip()
        self.update("\n".join(parts))
        self.display = True

    def close(self) -> None:
        """Hide it."""
        self.display, self.plain = False, ""


def last_lines(log: Path) -> tuple[str, ...]:
    """The last lines of a log, without empty ones; nothing when it cannot be read."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL_BYTES))
            text = file.read(TAIL_BYTES).decode("utf-8", "replace")
    except OSError:
        return ()
    return tuple(line[:300] for line in text.splitlines() if line.strip())[-LAST_LINES:]
