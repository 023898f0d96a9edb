"""The words of the RAG screen's left side: what the store holds, its marks, its speed, its check."""

import time
from collections.abc import Mapping

from tui.markup import clip, gauge, safe
from tui.retrieval.facts import CollectionFacts, StoreFacts
from tui.retrieval.readings import RagReadings
from tui.retrieval.reports import Checked
from tui.themes import sign
from tui.words import ago
from web4mlx.rag.findings import CheckReport, Finding, Latency
from web4mlx.rag.settings import Expectation

GOOD, BAD = "[$success]✓[/]", "[$error]✗[/]"
SHOWN_BATCHES = 4


def head_text(readings: RagReadings, empty: str) -> str:
    """What is being written, and the problem or the verdict; `empty` is said where no store is."""
    lines = []
    if readings.busy is not None:
        lines.append(f"{sign(readings.busy.state)} {safe(readings.busy.order.kind)}")
        lines.append(f"[$muted]{safe(readings.last_line[:200])}[/]")
    if readings.problem is not None:
        hint = f"\n[b]Hint[/] {safe(readings.problem.hint)}" if readings.problem.hint else ""
        lines.append(f"{sign('errored')} [b]{safe(readings.problem.cause)}[/]{hint}")
    elif readings.facts is None:
        lines.append(empty)
    else:
        lines.append(verdict_text(readings.checked, readings.facts))
    return "\n".join(lines)


def tiers_text(facts: StoreFacts, name: str, expected: Mapping[str, Expectation], width: int) -> str:
    """The three tiers with their counts, those of the collections against what is expected."""
    of = f"expected: {name}" if expected else "nothing is expected"
    lines = [f"[b]Meaning[/]  [$muted]ChromaDB, {safe(facts.chroma_url or 'its own')}; {safe(of)}[/]"]
    if facts.collections:
        wide = width >= 54
        head = f"{'documents':>9}{'expected':>10}{'chunks':>8}" + (f"{'trained':>9}" if wide else "")
        lines.append(f"[$muted]{'':<18}{head}[/]")
        lines += [collection_line(one, expected.get(one.name), wide) for one in facts.collections]
    else:
        lines.append("[$muted]others made this store: `rag check` counts its collections[/]")
    dangling = f", [$warning]! {facts.dangling} lead nowhere[/]" if facts.dangling else ", none leads nowhere"
    days = f"{facts.first_day} to {facts.last_day}" if facts.first_day else "no days"
    lines += [
        f"[b]Graph[/]    {facts.links:,} links{dangling}",
        f"[b]Time[/]     {facts.pdcas:,} PDCAs, {days}, {len(facts.agents)} agents",
    ]
    if facts.failures:
        lines.append(f"[$warning]! {facts.failures} files could not be used[/]")
    return "\n".join(lines)


def collection_line(one: CollectionFacts, wanted: Expectation | None, wide: bool) -> str:
    """One collection; what differs from the expected is marked."""
    documents, chunks = one.documents, one.chunks
    expected, mark = "–", " "
    if wanted is not None and wanted.documents is not None:
        expected = f"{wanted.documents:,}"
        mark = GOOD if keeps(documents, wanted.documents, wanted.tolerance) else BAD
    chunk_mark = ""
    if (
        wanted is not None
        and wanted.chunks is not None
        and not keeps(chunks, wanted.chunks, wanted.tolerance)
    ):
        chunk_mark = f" {BAD} [$muted]of {wanted.chunks:,}[/]"
    trained = f"{one.trained:>9,}" if wide else ""
    return (
        f"{safe(one.name):<18}{documents:>9,} {mark}{expected:>8}{chunks:>8,}[$muted]{trained}[/]{chunk_mark}"
    )


def keeps(found: int, wanted: int, tolerance: float) -> bool:
    """Whether a count is the expected one, as `rag check` sees it."""
    return abs(found - wanted) <= tolerance * wanted


def marks_text(facts: StoreFacts, width: int) -> str:
    """How much is marked as trained, and by which trainings."""
    if not facts.collections:
        return "[$muted]marks cannot be set in a store that others made[/]"
    share = facts.trained / max(1, facts.chunks)
    text = f"{facts.trained:,} trained, {facts.chunks - facts.trained:,} untrained"
    lines = [f"{gauge(share, max(6, width - len(text) - 1), '$accent')} {text}"]
    for one in facts.batches[:SHOWN_BATCHES]:
        counts = f"{one.chunks:,} chunks, {one.pdcas:,} PDCAs"
        name = clip(one.name, max(8, width - len(counts) - 14))
        lines.append(f"[b]{safe(name)}[/]  [$muted]{one.date}[/]  {counts}")
    if len(facts.batches) > SHOWN_BATCHES:
        lines.append(f"[$muted]and {len(facts.batches) - SHOWN_BATCHES} more trainings[/]")
    if not facts.batches:
        lines.append("[$muted]no training has been marked[/]")
    return "\n".join(lines)


def latencies_text(report: CheckReport | None, width: int) -> str:
    """Median and 95th percentile of each kind of query as a part of its budget."""
    if report is None or not report.latencies:
        return "[$muted]measured by the check[/]"
    room = max(6, width - 43)
    head = f"{'':<10}{'':<{room}}{'median':>8}{'p95':>8}{'budget':>9}"
    return "\n".join([f"[$muted]{head}[/]", *(latency_line(one, room) for one in report.latencies)])


def latency_line(one: Latency, room: int) -> str:
    """One kind: heavy up to the median, dashed up to the 95th percentile, all of it is the budget."""
    colour, word = "$error", "slow"
    if one.is_in_budget:
        colour, word = ("$success", "good") if one.is_on_target else ("$warning", "fair")
    mark = {"slow": "✗", "good": "✓", "fair": "!"}[word]
    bar = gauge(one.median_ms / one.budget_ms, room, colour, one.p95_ms / one.budget_ms)
    numbers = f"{ms(one.median_ms):>8}{ms(one.p95_ms):>8}[$muted]{ms(one.budget_ms):>9}[/]"
    return f"{one.kind:<10}{bar}{numbers}  [{colour}]{mark} {word}[/]"


def ms(value: float) -> str:
    """Milliseconds in few columns, with their unit."""
    if value >= 10_000:
        return f"{value / 1000:.0f} s"
    return f"{value:.0f} ms" if value >= 100 else f"{value:.1f} ms" if value >= 1 else f"{value:.2f} ms"


def verdict_text(checked: Checked, facts: StoreFacts) -> str:
    """One line: the verdict of the newest check, how old it is, whether it is of this store."""
    if checked.problem:
        return f"[$error]! {safe(checked.problem)}[/]"
    if checked.report is None:
        return "[$muted]· not checked yet[/]"
    bad = [one for one in checked.report.findings if one.verdict in ("failed", "errored")]
    slow = [one for one in checked.report.latencies if not one.is_in_budget]
    why = ", ".join([*(one.name for one in bad), *(f"{one.kind} too slow" for one in slow)])
    state = sign("passed" if checked.report.passed else "failed")
    when = f"[$muted]checked {ago(time.time() - checked.when)}[/]"
    stale = "" if checked.is_of(facts.generation) else "  [$warning]! written since[/]"
    return f"{state}{': ' * bool(why)}{safe(why)}  {when}{stale}"


def findings_text(report: CheckReport | None, width: int) -> str:
    """A line a finding, those that did not pass first and whole."""
    if report is None:
        return "[$muted]The check looks at counts, metadata, marks, search, links, days and speed.[/]"
    order = {"failed": 0, "errored": 0, "inconclusive": 1, "passed": 2}
    rows = sorted(report.findings, key=lambda one: order[one.verdict])
    return "\n".join(finding_line(one, width) for one in rows)


def finding_line(one: Finding, width: int) -> str:
    """A finding; the detail of one that passed is cut."""
    if one.verdict == "passed":
        detail = one.detail if len(one.detail) <= width - 18 else f"{one.detail[: max(0, width - 19)]}…"
        return f"{GOOD} {safe(one.name):<13}  [$muted]{safe(detail)}[/]"
    return f"{sign(one.verdict)}  [b]{safe(one.name)}[/]  {safe(one.detail)}"


def whole_check(report: CheckReport) -> str:
    """All findings with their whole details, for reading."""
    lines = []
    for one in report.findings:
        lines += [f"{sign(one.verdict)}  [b]{safe(one.name)}[/]", f"    {safe(one.detail)}"]
    return "\n".join([f"[$muted]{safe(report.store)}, expected: {safe(report.expected)}[/]", "", *lines])
