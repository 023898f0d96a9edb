"""What a build says about itself: its report, and the manifest beside the databases."""

from dataclasses import dataclass, field
from pathlib import Path

from web4mlx.artifacts import Manifest, new_manifest
from web4mlx.rag.documents import Corpus, Failure
from web4mlx.rag.sync import Difference


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a build did; `counts` has documents and chunks of each collection, `rules` the files by rule.

    `unchanged` says that the source was as before and has not been read.
    """

    generation: Path
    counts: dict[str, dict[str, int]]
    rules: dict[str, dict[str, int]]
    relationships: int
    dangling: int
    copies: int
    embedded: int
    marked: int
    difference: Difference
    duration_s: float
    failures: tuple[Failure, ...] = ()
    warnings: tuple[Failure, ...] = ()
    timings_s: dict[str, float] = field(default_factory=dict)
    unchanged: bool = False


def describe_build(
    generation: Path,
    corpus: Corpus,
    embedded: int,
    marked: int,
    difference: Difference,
    timings_s: dict[str, float],
) -> BuildReport:
    """The report of a build that is complete."""
    return BuildReport(
        generation=generation,
        counts=corpus.counts(),
        rules=files_by_rule(corpus),
        relationships=len(corpus.relationships),
        dangling=len(corpus.dangling),
        copies=sum(bool(file.copy_of) for file in corpus.files),
        embedded=embedded,
        marked=marked,
        difference=difference,
        duration_s=sum(timings_s.values()),
        failures=tuple(corpus.failures),
        warnings=tuple(corpus.warnings),
        timings_s={key: round(value, 3) for key, value in timings_s.items()},
    )


def files_by_rule(corpus: Corpus) -> dict[str, dict[str, int]]:
    """How many files each rule brought to each collection."""
    rules: dict[str, dict[str, int]] = {}
    for file in corpus.files:
        of_collection = rules.setdefault(file.collection, {})
        of_collection[file.rule] = of_collection.get(file.rule, 0) + 1
    return rules


def store_manifest(source: Path, tools: Path | None, model: str, report: BuildReport) -> Manifest:
    """The manifest of a generation."""
    return new_manifest(
        "rag build",
        config={"source": str(source), "tools": str(tools or ""), "embedder": model},
        metrics={
            "counts": report.counts,
            "relationships": report.relationships,
            "embedded": report.embedded,
            "failures": len(report.failures),
        },
        timings_s=report.timings_s,
    )
