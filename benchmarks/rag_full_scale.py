"""Builds and checks the retrieval store at full scale: 18,767 documents, about 24,100 chunks.

Usage: python benchmarks/rag_full_scale.py [--folder DIR] [--scale demo|full] [--out FILE]

Prints how long reading, embedding and writing took; the rate of embedding against that of
sentence-transformers alone, which sorts by length itself (on `--reference N` random chunks, in chunks a CPU
second, since machines are shared; 0 leaves it out); the peak memory of the build; the time of marking 12,000
chunks; the table of latencies. A folder that is given is kept, and vectors that are known in it are not
computed again.
"""

import argparse
import json
import random
import resource
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from web4mlx.cli.output import EventPrinter
from web4mlx.cli.rag_check import print_report
from web4mlx.config import find_config
from web4mlx.events import EventLog
from web4mlx.rag.build import BuildRequest, build_store
from web4mlx.rag.check import check_store
from web4mlx.rag.collect import collect
from web4mlx.rag.documents import TOOLS
from web4mlx.rag.embedder import Embedder
from web4mlx.rag.embedder_source import open_embedder
from web4mlx.rag.markers import MarkRequest, mark_store
from web4mlx.rag.sample import Scale, write_sample
from web4mlx.rag.settings import RagSettings, load_settings
from web4mlx.rag.store import open_store

MEMORY_LIMIT_MB = 2000
MARK_LIMIT_S = 30.0
RATE_SHARE = 0.9


def measure_reference(texts: list[str], embedder: Embedder, settings: RagSettings) -> float:
    """Chunks a CPU second of sentence-transformers alone: one call, which sorts by length itself."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(embedder.folder), device="cpu", local_files_only=True)
    model.encode(texts[:8], show_progress_bar=False)
    began = time.process_time()
    model.encode(
        texts, batch_size=settings.embedder.batch, show_progress_bar=False, normalize_embeddings=True
    )
    return len(texts) / (time.process_time() - began)


def measure_ours(texts: list[str], embedder: Embedder) -> float:
    """Chunks a CPU second of our own encoding, in the blocks of a build."""
    embedder.encode(texts[:8])
    began = time.process_time()
    embedder.encode(texts)
    return len(texts) / (time.process_time() - began)


def compare_rates(source: Path, embedder: Embedder, settings: RagSettings, count: int) -> dict[str, float]:
    """Both rates on the same random chunks, one after the other, twice; the better of each counts."""
    corpus = collect(source / "repo", source / "tools", settings.source, embedder)
    texts = [chunk.text for chunk in random.Random(7).sample(corpus.chunks, min(count, len(corpus.chunks)))]
    pairs = [(measure_ours(texts, embedder), measure_reference(texts, embedder, settings)) for _ in range(2)]
    ours, theirs = max(pair[0] for pair in pairs), max(pair[1] for pair in pairs)
    return {"chunks": len(texts), "ours": ours, "sentence_transformers": theirs, "share": ours / theirs}


def run(folder: Path, scale: Scale, reference: int) -> dict[str, Any]:
    """Build, check and mark in a folder."""
    log = EventLog(None, "bench", "rag", EventPrinter(30.0))
    settings = load_settings(find_config("rag"))
    embedder = open_embedder(settings.embedder)
    source, db = folder / "source", folder / "db"
    write_sample(source, scale, 7, log)
    built = build_store(
        BuildRequest(source / "repo", db, source / "tools", rebuild=True), settings.source, embedder, log
    )
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    again = build_store(BuildRequest(source / "repo", db, source / "tools"), settings.source, embedder, log)
    with open_store(db, embedder) as store:
        report = check_store(store, settings, log, fresh=True)
    print_report(report)
    marked = mark_store(MarkRequest(db, "bench", "2025-01-01", collections=(TOOLS,)), embedder, log)
    return {
        "chunks": sum(count["chunks"] for count in built.counts.values()),
        "embedded": built.embedded,
        "timings_s": built.timings_s,
        "unchanged_build_s": round(again.duration_s, 1),
        "memory_mb": round(memory_mb),
        "marked": marked.changed,
        "marking_s": round(marked.duration_s, 1),
        "passed": report.passed,
        "latencies": [row.model_dump() for row in report.latencies],
        "rate": compare_rates(source, embedder, settings, reference) if reference else None,
        "changes": asdict(built.difference),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, help="keeps source and store; made when it does not exist")
    parser.add_argument("--scale", choices=("demo", "full"), default="full")
    parser.add_argument("--reference", type=int, default=512, help="chunks for comparing rates; 0: none")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        result = run(arguments.folder or Path(temporary), arguments.scale, arguments.reference)
    text = json.dumps(result, indent=2)
    if arguments.out:
        arguments.out.write_text(text + "\n", "utf-8")
    print(text)
    rate = result["rate"]
    failed = [
        name
        for name, is_bad in (
            ("check", not result["passed"]),
            ("memory", result["memory_mb"] > MEMORY_LIMIT_MB),
            ("marking", result["marking_s"] > MARK_LIMIT_S),
            ("rate", rate is not None and rate["share"] < RATE_SHARE),
        )
        if is_bad
    ]
    if failed:
        raise SystemExit(f"outside of its limits: {', '.join(failed)}")


if __name__ == "__main__":
    main()
