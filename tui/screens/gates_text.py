"""The words of the gates screen: the decision, one line a harness, what else it rests on."""

import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath

from evals.console import span
from evals.decision import CANARIES, NO_LEAK_CHECK
from evals.scores import percent
from tui.feed.evaluation import EvaluationReadings
from tui.feed.evaluations import Published
from tui.feed.gate_rows import GateRow
from tui.markup import cut, safe
from tui.themes import sign
from tui.words import ago, bar, duration
from web4mlx.reports import FinalReport

SIGNS = {
    "waiting": "[$muted]◌ waiting[/]", "unasked": "[$muted]◌ not asked[/]",
    "unfinished": "[$warning]■ cut short[/]",
}  # fmt: skip
VERDICT_COLOURS = {"passed": "$success", "failed": "$error", "errored": "$error", "inconclusive": "$warning"}


@dataclass(frozen=True)
class Banner:
    """The decision: in large letters, in a colour, and lines that say more, as markup."""

    letters: str
    colour: str
    lines: tuple[str, ...]


def no_run_banner(is_starting: bool) -> Banner:
    """Before the first run."""
    if is_starting:
        return Banner("EVALUATING", "$accent", ("● The model is being loaded.",))
    return Banner(
        "NOT EVALUATED", "$muted",
        ("No evaluation is here yet. [b $primary]s[/] asks the newest GGUF 700 questions",
         "and 20 canaries, and decides whether it may be deployed."),
    )  # fmt: skip


def banner(run: EvaluationReadings, published: Published | None, shown_reasons: int) -> Banner:
    """The decision of a run, or why there is none."""
    letters, colour, lines = _decision(run, shown_reasons)
    import_line = [] if run.kind == "baseline" else [_import_line(run, published)]
    notes = [f"[$warning]! {safe(note)}[/]" for note in run.notes]
    return Banner(letters, colour, (*lines, *import_line, *notes))


def _decision(run: EvaluationReadings, shown_reasons: int) -> tuple[str, str, list[str]]:
    missing = run.total - run.done
    match run.state:
        case "running":
            left = f", about {run.eta_s / 60:.0f} min left" if run.eta_s else ""
            return "EVALUATING", "$accent", [
                f"{sign('running')} {run.done} of {run.total} answers{left}; scores are those so far"
            ]  # fmt: skip
        case "gone":
            return (
                "RUN IS GONE",
                "$error",
                ["[$error]! its folder was deleted; this is what was read before[/]"],
            )
        case "damaged":
            return (
                "RUN IS DAMAGED",
                "$error",
                ["[$error]! it cannot be read[/]; [b $primary]o[/] opens another"],
            )
        case "interrupted":
            return "INTERRUPTED", "$warning", [
                f"{sign('interrupted')} {missing} of {run.total} questions have no answer. "
                "The rest is kept: the same command goes on"
            ]  # fmt: skip
        case "unscored":
            return "NOT SCORED", "$warning", [
                "[$warning]? all is answered, nothing decided:[/] [b $primary]r[/] scores the stored answers"
            ]  # fmt: skip
    return _finished(run, shown_reasons)


def _finished(run: EvaluationReadings, shown_reasons: int) -> tuple[str, str, list[str]]:
    final = run.final
    if run.kind == "baseline":
        return "BASE MODEL", "$secondary", ["[$muted]what the untrained model scores; it decides nothing[/]"]
    if not run.is_current and run.header is not None:
        asked = run.header.subject.suite_version
        return "OUT OF DATE", "$warning", [
            f"[$warning]![/] asked with suite {safe(asked)}, an older one: clears nothing. "
            "[b $primary]r[/] shows what the suite of now makes of it"
        ]  # fmt: skip
    if run.kind == "partial":
        return "PARTIAL RUN", "$warning", [
            f"[$warning]? a look at {run.total} of {sum(run.header.planned.values()) if run.header else 0} "
            "questions:[/] it clears nothing, whatever it scores"
        ]  # fmt: skip
    if final is not None and final.cleared:
        return "CLEARED FOR DEPLOYMENT", "$success", ["[$success]✓ cleared:[/] every gate holds"]
    reasons = list(final.reasons or (final.decision,)) if final else []
    leads = ["✗ blocked:", *["✗         "] * shown_reasons]
    lines = [
        f"[$error]{lead}[/] {safe(reason)}"
        for lead, reason in zip(leads, reasons[:shown_reasons], strict=False)
    ]
    if len(reasons) > shown_reasons:
        lines[-1] += f" [$muted]and {len(reasons) - shown_reasons} more[/]"
    return "DEPLOYMENT BLOCKED", "$error", lines


def _import_line(run: EvaluationReadings, published: Published | None) -> str:
    if published is None:
        return "[$muted]import: nothing is published here, so it takes nothing[/]"
    if published.run == run.name:
        return "[$muted]import: reads this decision[/]"
    word = "[$success]✓ cleared[/]" if published.cleared else "[$error]✗ blocked[/]"
    return f"[$muted]import: reads {safe(published.run)},[/] {word}"


def facts_line(run: EvaluationReadings, width: int) -> str:
    """Run, model, digest, seed, suite, age; as many as fit."""
    header = run.header
    if header is None:
        return f"[b]{safe(run.name)}[/]"
    subject = header.subject
    facts = [
        PurePath(subject.model).name, subject.model_sha256[:8] or "no digest", run.kind,
        f"seed {subject.seed}", _age(header.created), f"suite {subject.suite_version}",
        str(subject.engine.get("version") or subject.engine.get("engine") or ""),
    ]  # fmt: skip
    text, room = f"[b]{safe(run.name)}[/]", width - len(run.name)
    for fact in filter(None, facts):
        room -= len(fact) + 2
        if room < 0:
            break
        text += f"  [$muted]{safe(fact)}[/]"
    return text


def _age(created: str) -> str:
    try:
        return ago(time.time() - datetime.fromisoformat(created).timestamp())
    except ValueError:
        return created


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


def conditions_line(run: EvaluationReadings) -> str:
    """Overall score, canaries, leaks: what the decision rests on beside the gates."""
    final = run.final
    if final is None:
        return ""
    asked = final.canaries_total
    if run.kind != "complete":
        told = f", {final.canaries_passed} of {asked} canaries" if asked else ""
        return f"[$muted]mean of what was asked: {percent(final.overall_score)}{told}[/]"
    overall = final.overall_score >= final.target
    parts = [_met(overall, f"overall {percent(final.overall_score)} [$muted]of {percent(final.target)}[/]")]
    told = f"{final.canaries_passed} of {asked} canaries" if asked else "canaries not asked"
    parts.append(_met(final.canaries_passed == CANARIES, told))
    looked = NO_LEAK_CHECK not in final.reasons
    leaks = f"{len(final.leaked_prompts)} leaked prompts" if looked else NO_LEAK_CHECK
    parts.append(_met(looked and not final.leaked_prompts, leaks))
    return "   ".join(parts)


def _met(is_met: bool, text: str) -> str:
    return f"{'[$success]✓[/]' if is_met else '[$error]✗[/]'} {text}"


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
