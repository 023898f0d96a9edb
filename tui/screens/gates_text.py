"""One line a harness, with its bar; what fails in it; the canaries; a run scored again."""

from dataclasses import dataclass

from evals.console import span
from evals.scores import percent
from tui.feed.evaluation import EvaluationReadings
from tui.feed.gate_rows import GateRow
from tui.markup import cut, safe
from tui.themes import sign
from tui.words import bar, duration
from web4mlx.reports import FinalReport

SIGNS = {
    "waiting": "[$muted]◌ waiting[/]", "unasked": "[$muted]◌ not asked[/]",
    "unfinished": "[$warning]■ cut short[/]",
}  # fmt: skip
VERDICT_COLOURS = {"passed": "$success", "failed": "$error", "errored": "$error", "inconclusive": "$warning"}


@dataclass(frozen=True)
class Columns:
    """Widths of the table; `bar` takes what is left. `is_wide` shows titles, kinds and case counts."""

    width: int

    @property
    def is_wide(self) -> bool:
        """Whether titles, kinds and case counts fit."""
        return self.width >= 96

    @property
    def name(self) -> int:
        """Columns of the name."""
        return (36 if self.width >= 140 else 27) if self.is_wide else 18

    @property
    def verdict(self) -> int:
        """Columns of the verdict."""
        return 20 if self.is_wide else 14

    @property
    def bar(self) -> int:
        """Columns of the bar."""
        others = self.name + 8 + 6 + 11 + (8 + 12 if self.is_wide else 6) + self.verdict
        return max(8, self.width - others - 1)

    def header(self) -> str:
        """The titles of the columns."""
        kind = f"{'gate':<8}" if self.is_wide else ""
        base = f"{'base model':>11} " if self.is_wide else f"{'base':>5} "
        return (
            f"{'harness':<{self.name}}{kind}{'score, threshold ┃':<{self.bar}} {'score':>7}{'needs':>6} "
            f"{'95 % int.':>10}{base} gate"
        )

    def line(self, row: GateRow) -> str:
        """One harness."""
        name = row.title if self.is_wide else row.name
        name = f"{name} F1" if row.measure == "f1" and not self.is_wide else name
        name = cut(name, self.name - 1)
        kind = f"[$muted]{row.gate_type:<8}[/]" if self.is_wide else ""
        score = percent(row.score) if row.score is not None else "–"
        interval = span(row.interval) if row.score is not None else "–"
        colour = row_colour(row, "$foreground")
        return (
            f"[b]{safe(f'{name:<{self.name}}')}[/]{kind}{gate_bar(row, self.bar)} [{colour}]{score:>7}[/]"
            f"[$muted]{100 * row.threshold:>6.0f} {interval:>10}{self._base(row)}[/] {self._verdict(row)}"
        )

    def _base(self, row: GateRow) -> str:
        if row.base_score is None:
            return f"{'–':>11} " if self.is_wide else f"{'–':>5} "
        share = f"{100 * row.base_score:.1f}".removesuffix(".0")
        return f"{f'{share} of {row.base_cases}':>11} " if self.is_wide else f"{share:>5} "

    def _verdict(self, row: GateRow) -> str:
        if row.state == "running":
            left = f" {duration(row.eta_s)}" if self.is_wide and row.eta_s else ""
            return f"[$accent]● {row.done}/{row.asked}[/][$muted]{left}[/]"
        if row.state == "answered":
            return "[$success]◔ holds[/]" if row.holds else "[$error]◔ below[/]"
        return SIGNS.get(row.state) or sign(row.state)


def row_colour(row: GateRow, otherwise: str) -> str:
    """The colour of a verdict, or of what it will be when all is answered."""
    if row.state == "answered":
        return "$success" if row.holds else "$error"
    return VERDICT_COLOURS.get(row.state, otherwise)


def gate_bar(row: GateRow, width: int) -> str:
    """A running harness: its progress. Otherwise the score, its interval in a thin line, the threshold."""
    if row.state in ("running", "waiting"):
        return bar(row.done / max(1, row.asked), width, "$accent")
    if row.score is None:
        return _joined(
            [
                ("$muted", "┃") if place == int(row.threshold * width) else ("$line", "─")
                for place in range(width)
            ]
        )
    colour = row_colour(row, "$warning")
    mark = min(width - 1, int(row.threshold * width))
    cells = []
    for place in range(width):
        middle = (place + 0.5) / width
        if place == mark:
            cells.append(("$foreground", "┃"))
        elif middle <= row.score:
            cells.append((colour, "━"))
        elif middle <= row.interval[1]:
            cells.append(("$muted", "╌"))
        else:
            cells.append(("$line", "─"))
    return _joined(cells)


def _joined(cells: list[tuple[str, str]]) -> str:
    text, last = "", ""
    for colour, character in cells:
        if colour != last:
            text += ("[/]" if last else "") + f"[{colour}]"
            last = colour
        text += character
    return text + ("[/]" if last else "")


def failures_text(row: GateRow, width: int, most: int) -> str:
    """Why cases fail, by reason, with how many; then the figures that decide nothing."""
    lines = [f"[$warning]![/] {safe(reason)}" for reason in row.reasons]
    largest = max(row.failures.values(), default=1)
    bars = 10
    for reason, number in list(row.failures.items())[:most]:
        text = reason[: max(4, width - bars - 7)]
        lines.append(f"{number:>4} {bar(number / largest, bars, '$error')} {safe(text)}")
    if len(row.failures) > most:
        lines.append(f"[$muted]     and {len(row.failures) - most} more reasons[/]")
    if not row.failures and row.score is not None:
        lines.append("[$success]✓[/] no case failed")
    figures = [f"{name.replace('_', ' ')} {_figure(value)}" for name, value in row.figures.items()]
    if figures:
        lines.append(f"[$muted]{safe(', '.join(figures))}[/]")
    return "\n".join(lines)


def _figure(value: float) -> str:
    return percent(value) if 0 <= value <= 1 else f"{value:g}"


def canaries_text(row: GateRow | None, width: int) -> str:
    """The twenty canaries in two or three columns."""
    if row is None:
        return "[$muted]not asked in this run[/]"
    colours = {"passed": "[$success]✓[/]", "failed": "[$error]✗[/]"}
    cells = [(colours.get(case.verdict, "[$warning]![/]"), case.id) for case in row.cases]
    if not cells:
        return "[$muted]no answer yet[/]"
    columns = max(1, width // 26)
    room = max(6, width // columns - 3)
    rows = -(-len(cells) // columns)
    lines = []
    for place in range(rows):
        line = [f"{mark} {safe(f'{cut(name, room):<{room}}')}" for mark, name in cells[place::rows]]
        lines.append(" ".join(line))
    return "\n".join(lines)


def rescored_text(run: EvaluationReadings, final: FinalReport) -> str:
    """What the suite of now makes of a run, beside what stands in its reports."""
    lines = [f"[b]{safe(final.decision)}[/]", "", f"[$muted]{'harness':<20}{'stands':>10}{'now':>10}[/]"]
    for item in final.harnesses:
        row = run.row(item.test_name)
        before = percent(row.score) if row and row.score is not None else "–"
        lines.append(f"{safe(item.test_name):<20}{before:>10}{percent(item.score):>10}  {sign(item.gate)}")
    lines += ["", f"canaries {final.canaries_passed} of {final.canaries_total}", "Nothing was written."]
    return "\n".join(lines)
