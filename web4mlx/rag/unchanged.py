"""Tells whether a store was built from exactly what stands in its source now, without reading the source.

A file counts as the same while its place, size, inode and both its times are. The times of a file that was
written just now say nothing about a second write in the same instant, so a state with such a file is not
kept: the next build reads everything. So it does after every change of the rules, the embedder or the reader.
"""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from web4mlx.artifacts import sha256_bytes
from web4mlx.errors import Web4Error
from web4mlx.rag.build_report import BuildReport
from web4mlx.rag.documents import Failure
from web4mlx.rag.folder import CHROMA
from web4mlx.rag.on_server import FACT
from web4mlx.rag.sample_mark import read_sample_mark
from web4mlx.rag.schema import DATABASE, read_database
from web4mlx.rag.settings import SourceRules
from web4mlx.rag.sync import Difference, collection_metadata
from web4mlx.rag.tool_examples import FILES
from web4mlx.rag.vectors import explain_chroma_errors, list_collections, open_client
from web4mlx.rag.walk import list_files

if TYPE_CHECKING:
    from web4mlx.rag.embedder import EmbedderIdentity

SETTLED_S = 2.0
STATE, REPORT = "source_state", "build_report"


def source_state(
    source: Path, tools: Path | None, rules: SourceRules, identity: "EmbedderIdentity", chroma_url: str
) -> str:
    """A digest of everything that a build depends on; empty when it must not be relied on later."""
    if not source.is_dir():
        return ""
    lines = [reader_version(), rules.model_dump_json(), json.dumps(identity.as_metadata()), chroma_url]
    lines += [str(source.absolute()), str(tools and tools.absolute()), json.dumps(read_sample_mark(source))]
    newest = 0.0
    for path in files_of(source, tools, rules):
        try:
            stat = path.lstat()
        except OSError:
            return ""
        newest = max(newest, stat.st_mtime, stat.st_ctime)
        lines.append(f"{path} {stat.st_size} {stat.st_ino} {stat.st_mtime_ns} {stat.st_ctime_ns}")
    text = "\n".join(lines).encode("utf-8", "surrogateescape")
    return sha256_bytes(text) if newest <= time.time() - SETTLED_S else ""


def files_of(source: Path, tools: Path | None, rules: SourceRules) -> Iterator[Path]:
    """The files that a build reads, the topics that ship aside."""
    yield from list_files(source.absolute(), rules)
    if tools is not None:
        yield from (tools.absolute() / name for name in FILES if (tools / name).is_file())


@cache
def reader_version() -> str:
    """Digest of the code and the data that turn files into chunks."""
    folder = Path(__file__).parent
    files = sorted(file for file in folder.glob("*") if file.suffix in (".py", ".toml"))
    return sha256_bytes(b"".join(file.read_bytes() for file in files))


def kept_facts(state: str, report: BuildReport) -> dict[str, str]:
    """What a store remembers, so that `find_unchanged` can answer."""
    told = asdict(replace(report, generation=Path()))
    del told["generation"]
    return {STATE: state, REPORT: json.dumps(told, ensure_ascii=False)}


def find_unchanged(
    generation: Path | None, state: str, identity: "EmbedderIdentity", chroma_url: str
) -> BuildReport | None:
    """The report of the build that made a store, if it was made from this state and is whole.

    Args:
        generation: The store's present generation.
        state: What `source_state` says now.
        identity: The embedder.
        chroma_url: A Chroma server; empty for the store's own ChromaDB.
    """
    if generation is None or not state or not (generation / DATABASE).is_file():
        return None
    try:
        with closing(read_database(generation / DATABASE)) as connection:
            facts = dict(connection.execute("SELECT key, value FROM store").fetchall())
            if facts.get(STATE) != state or REPORT not in facts:
                return None
            counts = dict(connection.execute("SELECT collection, count(*) FROM chunks GROUP BY collection"))
            marked = connection.execute("SELECT count(*) FROM chunks WHERE trained_in_adapter").fetchone()[0]
        kept = Kept(counts, collection_metadata(identity), facts.get(FACT, ""))
        if not holds(generation / CHROMA, chroma_url, kept):
            return None
    except (Web4Error, sqlite3.Error, OSError):
        return None  # whatever is wrong with it, a whole build finds out and says so
    return restored(json.loads(facts[REPORT]), generation, marked, sum(counts.values()))


@dataclass(frozen=True, slots=True)
class Kept:
    """What Chroma must hold: records and metadata of each collection, and what the names end with."""

    counts: dict[str, int]
    metadata: dict[str, Any]
    end: str


def holds(folder: Path, url: str, kept: Kept) -> bool:
    """Whether Chroma has every collection of this embedder, with as many records as there are chunks."""
    if not url and not folder.is_dir():
        return False
    with explain_chroma_errors(url or str(folder)), closing(open_client(folder, url)) as client:
        found = list_collections(client, kept.end)
        return all(
            name in found and found[name].metadata == kept.metadata and found[name].count() == count
            for name, count in kept.counts.items()
        )


def restored(told: dict[str, Any], generation: Path, marked: int, chunks: int) -> BuildReport:
    """A report as it was kept, of a build that had nothing to do."""
    findings: dict[str, Any] = {
        name: tuple(Failure(**one) for one in told[name]) for name in ("failures", "warnings")
    }
    nothing: dict[str, Any] = {"embedded": 0, "marked": marked, "difference": Difference(unchanged=chunks)}
    times: dict[str, Any] = {"duration_s": 0.0, "timings_s": {}}
    return BuildReport(
        **{**told, **findings, **nothing, **times, "generation": generation, "unchanged": True}
    )
