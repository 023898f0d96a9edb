"""Results on the console: the decision with its table, a comparison, the noise of the gates."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evals.compare import CaseChange, Comparison, PairedCounts
from evals.decision import conditions
from evals.noise import Noise
from evals.scores import percent
from web4mlx.reports import FinalReport, HarnessSummary, Verdict

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

MARKS: dict[Verdict, str] = {"passed": "✅", "failed": "❌", "errored": "⚠️", "inconclusive": "⚠️"}
SHOWN_CHANGES = 20


def render_final(report: FinalReport) -> "RenderableType":
    """The table of all gates, what else the decision rests on, and the decision in the last line."""
    from rich.console import Group
    from rich.text import Text

    table = new_table("harness", "score", "needs", "gate", "95 % int.", "base", "uplift", "")
    for summary in report.harnesses:
        table.add_row(*_final_row(summary))
    notes = [
        f"{MARKS[item.gate]} {item.title} ({item.gate}): {'; '.join(item.gate_reasons)}"
        for item in report.harnesses
        if item.gate != "passed"
    ]
    notes += [f"{MARKS['passed' if item.is_met else 'failed']} {item.text}" for item in conditions(report)]
    style = "bold green" if report.cleared else "bold red"
    return Group(table, *map(Text, notes), Text(report.decision, style=style))


def new_table(*columns: str) -> "Table":
    """A plain table; all columns but the first hold numbers or marks."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", overflow="fold")
    return table


def _final_row(summary: HarnessSummary) -> list[str]:
    measure = " (F1)" if summary.measure == "f1" else ""
    return [
        f"{summary.title}{measure}",
        percent(summary.score),
        percent(summary.threshold),
        summary.gate_type,
        span(summary.interval),
        f"{percent(summary.base_score)} of {summary.base_cases}" if summary.base_score is not None else "–",
        uplift(summary),
        MARKS[summary.gate],
    ]


def span(interval: tuple[float, float]) -> str:
    """`88.8–97.8`, in percent."""
    return "–".join(f"{100 * end:.1f}".removesuffix(".0") for end in interval)


def uplift(summary: HarnessSummary) -> str:
    """`+91.0` percentage points over the base model; a dash without its score."""
    if summary.base_score is None:
        return "–"
    return f"{100 * (summary.score - summary.base_score):+.1f}"


def render_comparison(comparison: Comparison, names: tuple[str, str] = ("A", "B")) -> "RenderableType":
    """Regressions first, then what was fixed, then the counts per harness and over all."""
    from rich.console import Group
    from rich.text import Text

    a, b = names
    table = new_table("harness", "pairs", a, b, "regressed", "fixed", "p (McNemar)", "change")
    for item in comparison.harnesses:
        scores = [percent(item.score_a), percent(item.score_b)]
        table.add_row(item.title, str(item.counts.pairs), *scores, *_count_cells(item.counts))
    table.add_section()
    total = comparison.overall
    passed = [str(total.both_passed + total.regressed), str(total.both_passed + total.fixed)]
    table.add_row("all (passed)", str(total.pairs), *passed, *_count_cells(total))
    lists = [
        *_change_lines(f"regressions: {a} passed, {b} does not", comparison.regressions),
        *_change_lines(f"fixed: {b} passes, {a} did not", comparison.fixed),
    ]
    return Group(*map(Text, lists), table, *map(Text, _not_compared(comparison, names)))


def _count_cells(counts: PairedCounts) -> list[str]:
    return [str(counts.regressed), str(counts.fixed), f"{counts.p_value:.3f}", counts.change]


def _change_lines(title: str, changes: Sequence[CaseChange]) -> list[str]:
    lines = [f"{title}: {len(changes)}"]
    for change in changes[:SHOWN_CHANGES]:
        reasons = "; ".join(change.reasons) or "no reason given"
        lines.append(f"  {change.harness}/{change.id}: {reasons}")
    rest = len(changes) - SHOWN_CHANGES
    return lines + ([f"  and {rest} more (--json has all)"] if rest > 0 else [])


def _not_compared(comparison: Comparison, names: tuple[str, str]) -> list[str]:
    lines = [
        f"not comparable in {item.title}: {', '.join(f'{n} {why}' for why, n in item.not_comparable.items())}"
        for item in comparison.harnesses
        if item.not_comparable
    ]
    for name, harnesses in zip(names, (comparison.only_in_a, comparison.only_in_b), strict=True):
        lines += [f"only in {name}: {', '.join(harnesses)}"] if harnesses else []
    return lines


def render_noise(noise: Noise) -> "RenderableType":
    """The flip rate of each harness and whether its gate said the same twice."""
    from rich.console import Group
    from rich.text import Text

    first, second = noise.seeds
    table = new_table(
        "harness", "flipped", "flip rate", "95 % int.", f"seed {first}", f"seed {second}", "gate"
    )
    for item in noise.harnesses:
        table.add_row(
            item.title,
            f"{item.flipped}/{item.pairs}",
            percent(item.flip_rate),
            span(item.interval),
            f"{percent(item.score_a)} {MARKS[item.gate_a]}",
            f"{percent(item.score_b)} {MARKS[item.gate_b]}",
            "stable" if item.is_stable else "FLIPS",
        )
    verdict = "every gate said the same twice" if noise.is_stable else "a gate changed its verdict by chance"
    return Group(table, Text(verdict, style="bold green" if noise.is_stable else "bold red"))
