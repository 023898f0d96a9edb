"""Two evaluations compared: what `evals compare` printed, in words and as a list of cases."""

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from evals.compare import CaseChange, Comparison, PairedCounts
from evals.scores import percent
from tui.feed.job_result import JobResult
from tui.markup import safe
from tui.widgets.source import plain

CHANGE_SIGNS = {
    "worse": "[$error]▼ worse[/]", "better": "[$success]▲ better[/]",
    "no difference shown": "[$muted]= no difference shown[/]",
}  # fmt: skip


class ComparisonView(Vertical):
    """A table over the harnesses, then every case whose verdict changed; regressions first."""

    class Chosen(Message):
        """A changed case was chosen."""

        def __init__(self, harness: str, case: str) -> None:
            super().__init__()
            self.harness, self.case = harness, case

    def compose(self) -> ComposeResult:
        """Text, then the list."""
        yield Static("", id="compare-text")
        yield OptionList(id="compare-list")

    def say(self, text: str) -> None:
        """Show a text instead of a comparison."""
        self.query_one("#compare-text", Static).update(text)
        self.query_one(OptionList).clear_options()

    def show(self, comparison: Comparison, names: tuple[str, str]) -> None:
        """Show a comparison of two runs by their names."""
        self.query_one("#compare-text", Static).update(comparison_text(comparison, names))
        changes = (*comparison.regressions, *comparison.fixed)
        choices = self.query_one(OptionList)
        choices.clear_options()
        choices.add_options(
            [Option(change_line(change), id=f"{change.harness}/{change.id}") for change in changes]
        )
        choices.highlighted = 0 if changes else None

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Open the case."""
        event.stop()
        if event.option_id:
            self.post_message(self.Chosen(*event.option_id.split("/", 1)))


def waiting_text(result: JobResult) -> str:
    """What is shown before a comparison is there, or when none came."""
    match result.state:
        case "queued" | "held":
            return "[$muted]◌ the comparison waits[/]"
        case "running" | "stopping":
            return "[$accent]● comparing …[/]"
    return f"[$error]✗ no comparison:[/] {safe(result.error) or result.state}. Its log says why: [b]j[/]"


def comparison_text(comparison: Comparison, names: tuple[str, str]) -> str:
    """The result in one line, then a line a harness."""
    total = comparison.overall
    lines = [
        f"{CHANGE_SIGNS[total.change]}  [b]{safe(names[1])}[/] [$muted]against[/] [b]{safe(names[0])}[/]"
        f"  [$muted]{total.pairs} pairs, {_odds(total)}[/]",
        "",
        f"[$muted]{'harness':<20}{'pairs':>6}{'before':>9}{'after':>9}{'worse':>7}{'better':>7}  change[/]",
    ]
    for item in comparison.harnesses:
        if not item.counts.pairs:
            lines.append(f"[b]{safe(item.test_name):<20}[/]{0:>6}  [$muted]nothing to compare[/]")
            continue
        lines.append(
            f"[b]{safe(item.test_name):<20}[/]{item.counts.pairs:>6}{percent(item.score_a):>9}"
            f"{percent(item.score_b):>9}{item.counts.regressed:>7}{item.counts.fixed:>7}  "
            f"{CHANGE_SIGNS[item.counts.change]}"
        )
    for name, left in ((names[0], comparison.only_in_a), (names[1], comparison.only_in_b)):
        if left:
            lines.append(f"[$muted]only in {safe(name)}: {', '.join(left)}[/]")
    changed = len(comparison.regressions) + len(comparison.fixed)
    lines += [
        "",
        f"[b]Changed cases[/] [$muted]{changed}; ⏎ opens one[/]" if changed else "[b]No verdict changed[/]",
    ]
    return "\n".join(lines)


def _odds(counts: PairedCounts) -> str:
    p_value = f"{counts.p_value:.3f}" if counts.p_value >= 0.001 else "< 0.001"
    return f"{counts.regressed} worse, {counts.fixed} better, p {p_value} by McNemar"


def change_line(change: CaseChange) -> str:
    """One case whose verdict changed."""
    mark = "[$error]▼[/]" if change.before == "passed" else "[$success]▲[/]"
    why = " ".join(plain("; ".join(change.reasons)).split())
    return f"{mark} [b]{safe(f'{change.harness}/{change.id}')}[/]  [$muted]{safe(why[:160])}[/]"
