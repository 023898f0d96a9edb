"""What the commands of `web4mlx rag` print."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from web4mlx.rag.build_report import BuildReport
    from web4mlx.rag.documents import Corpus, Failure
    from web4mlx.rag.retrieve import Hit

SHOWN = 20
QUOTED_LINES = 6


def corpus_lines(corpus: "Corpus") -> Iterator[str]:
    """What a source holds, by collection and by rule."""
    from web4mlx.rag.build_report import files_by_rule

    yield from count_lines(corpus.counts(), files_by_rule(corpus))
    yield f"{len(corpus.relationships)} links between PDCAs, {len(corpus.dangling)} lead nowhere"
    yield from finding_lines("could not be used", corpus.failures)
    yield from finding_lines("read with a remark", corpus.warnings)


def report_lines(report: "BuildReport") -> Iterator[str]:
    """What a build did."""
    yield from count_lines(report.counts, report.rules)
    change = report.difference
    links = f"{report.relationships} links between PDCAs, {report.dangling} lead nowhere"
    yield f"{links}; {report.copies} copies left out"
    yield (
        f"{report.embedded} chunks embedded; {change.added} added, {change.removed} removed,"
        f" {change.updated} updated, {change.unchanged} unchanged; {report.marked} marked as trained"
    )
    yield from finding_lines("could not be used", report.failures)
    yield from finding_lines("read with a remark", report.warnings)
    if report.unchanged:
        yield "nothing has changed since the last build; --rebuild reads everything again"
    yield f"store: {report.generation}"


def count_lines(counts: dict[str, dict[str, int]], rules: dict[str, dict[str, int]]) -> Iterator[str]:
    """One line a collection, one line a rule that brought files to it."""
    for name, count in counts.items():
        yield f"{count['documents']:6d} documents {count['chunks']:6d} chunks  {name}"
        for rule, files in sorted(rules.get(name, {}).items()):
            yield f"{files:15d} files {'':9}{rule}"


def finding_lines(what: str, findings: "Sequence[Failure]") -> Iterator[str]:
    """Files with the reasons; the first ones when there are many."""
    if findings:
        yield f"{len(findings)} files {what}:"
    yield from (f"  {one.path}: {one.reason}" for one in findings[:SHOWN])
    if len(findings) > SHOWN:
        yield f"  and {len(findings) - SHOWN} more; --json lists all"


def json_report(report: "BuildReport") -> dict[str, Any]:
    """A build's report as plain data."""
    return asdict(report)


def hit_lines(hits: "Iterable[Hit]") -> Iterator[str]:
    """Hits with rank, score, source and reasons, their text indented."""
    for number, hit in enumerate(hits, 1):
        yield f"{number}. {hit.score:.3f}  {hit.citation}"
        yield f"   {'; '.join(hit.reasons)}"
        lines = [line for line in hit.text.split("\n") if line.strip()]
        yield from (f"   | {textwrap.shorten(line, 140, placeholder=' …')}" for line in lines[:QUOTED_LINES])


def json_hit(hit: "Hit") -> dict[str, Any]:
    """A hit as plain data."""
    return asdict(hit)
