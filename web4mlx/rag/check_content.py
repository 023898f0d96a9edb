"""Checks what a store holds: tables, counts, metadata and markers; also in stores that others made."""

import re
from collections.abc import Iterator, Mapping

from web4mlx.rag.documents import COLLECTIONS, COMPONENTS, MARKERS, PDCA, TOOLS, Scalar
from web4mlx.rag.findings import Finding, judge
from web4mlx.rag.settings import Expectation
from web4mlx.rag.store import Store
from web4mlx.rag.timeline import PDCA_COLUMNS
from web4mlx.rag.vectors import read_metadata

Records = dict[str, dict[str, Scalar]]
CHUNK_TYPES = tuple(
    f"pdca_{name}" for name in ("objective", "plan", "do", "check", "act", "metadata", "full")
)
REQUIRED: dict[str, dict[str, tuple[type, ...]]] = {
    PDCA: {
        "chunk_type": (str,), "chunk_index": (int,), "pdca_id": (str,), "agent_name": (str,),
        "agent_role": (str,), "date": (str,), "timestamp": (int, float, str),
    },
    COMPONENTS: {"file_path": (str,), "layer": (int, str), "patterns": (str,), "file_type": (str,)},
    TOOLS: {"tool_name": (str,), "tool_ecosystem": (str,), "usage_pattern": (str,), "is_negative": (bool,)},
}  # fmt: skip
MARKER_TYPES: dict[str, tuple[type, ...]] = {key: (type(value),) for key, value in MARKERS.items()}
INDEXED = ("date", "timestamp", "agent_name", "cmm_level", "trained_in_adapter", "from_pdca_id", "to_pdca_id")
_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})?$")


def check_content(store: Store, expected: Mapping[str, Expectation], *, fresh: bool) -> Iterator[Finding]:
    """The findings about what a store holds.

    Args:
        store: The store.
        expected: How much each collection holds; empty compares with nothing.
        fresh: Whether nothing may be marked as trained yet.
    """
    yield check_tables(store)
    missing = [f"no collection {name}" for name in COLLECTIONS if name not in store.collections]
    yield judge("collections", missing, ", ".join(sorted(store.collections)))
    records = {name: read_metadata(one) for name, one in store.collections.items() if name in COLLECTIONS}
    if expected:
        yield check_counts(store, records, expected)
    yield check_metadata(records)
    yield check_markers(store, records, fresh=fresh)
    yield check_tiers_agree(store, records)


def check_tables(store: Store) -> Finding:
    """Tables with their columns and indexes, whole pages, and relationships between documents that exist."""
    connection = store.connection
    columns = {row[1] for row in connection.execute("PRAGMA table_info(pdcas)")}
    wanted = {*PDCA_COLUMNS, *MARKERS, "file_path"}
    problems = [f"pdcas has no column {name}" for name in sorted(wanted - columns)]
    indexed = {
        row[2]
        for table in ("pdcas", "pdca_relationships")
        for index in connection.execute(f"PRAGMA index_list({table})").fetchall()
        for row in connection.execute(f"PRAGMA index_info({index[1]})").fetchall()[:1]
    }
    problems += [f"no index on {name}" for name in INDEXED if name not in indexed]
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    problems += [] if verdict == "ok" else [f"damaged: {verdict}"]
    loose = connection.execute(
        "SELECT count(*) FROM pdca_relationships WHERE from_pdca_id NOT IN (SELECT id FROM pdcas)"
        " OR to_pdca_id NOT IN (SELECT id FROM pdcas)"
    ).fetchone()[0]
    problems += [f"{loose} relationships of documents that do not exist"] if loose else []
    counts = [
        connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for table in ("pdcas", "pdca_relationships")
    ]
    return judge("tables", problems, f"{counts[0]} PDCAs, {counts[1]} relationships")


def document_key(metadata: Mapping[str, Scalar], identity: str) -> str:
    """What tells the documents of a collection apart."""
    keys = ("pdca_id", "file_path", "sample_id", "topic")
    return next((str(metadata[key]) for key in keys if metadata.get(key)), identity)


def check_counts(
    store: Store, records: Mapping[str, Records], expected: Mapping[str, Expectation]
) -> Finding:
    """Documents and chunks against what is expected."""
    problems, seen = [], []
    for name, wanted in expected.items():
        rows = records.get(name, {})
        documents = len({document_key(metadata, identity) for identity, metadata in rows.items()})
        seen.append(f"{name} {documents} documents, {len(rows)} chunks")
        for what, found, number in (
            ("documents", documents, wanted.documents), ("chunks", len(rows), wanted.chunks),
        ):  # fmt: skip
            if number is not None and abs(found - number) > wanted.tolerance * number:
                near = f" ± {wanted.tolerance:.0%}" if wanted.tolerance else ""
                problems.append(f"{name}: {found} {what}, expected {number}{near}")
    wanted_pdcas = expected.get(PDCA)
    if wanted_pdcas is not None and wanted_pdcas.documents is not None:
        rows_found = store.connection.execute("SELECT count(*) FROM pdcas").fetchone()[0]
        if abs(rows_found - wanted_pdcas.documents) > wanted_pdcas.tolerance * wanted_pdcas.documents:
            problems.append(f"timeline: {rows_found} PDCAs, expected {wanted_pdcas.documents}")
    return judge("counts", problems, "; ".join(seen))


def check_metadata(records: Mapping[str, Records]) -> Finding:
    """Every record has what its collection asks for, of the right type."""
    problems = []
    total = 0
    for name, rows in records.items():
        total += len(rows)
        for key, kinds in REQUIRED.get(name, {}).items():
            wrong = [one for one, metadata in rows.items() if not has_type(metadata.get(key), kinds)]
            if wrong:
                problems.append(f"{name}: {key} missing or of a wrong type in {len(wrong)}, first {wrong[0]}")
    for one, metadata in records.get(PDCA, {}).items():
        if metadata.get("chunk_type") not in CHUNK_TYPES:
            problems.append(f"{PDCA} {one}: chunk_type {metadata.get('chunk_type')!r}")
        if not _DAY.match(str(metadata.get("date", ""))):
            problems.append(f"{PDCA} {one}: date {metadata.get('date')!r}")
    return judge("metadata", problems, f"{total} records complete and well typed")


def has_type(value: object, kinds: tuple[type, ...]) -> bool:
    """Whether a value has one of the types; a truth value is no number."""
    return isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))


def check_markers(store: Store, records: Mapping[str, Records], *, fresh: bool) -> Finding:
    """Markers are there, typed and consistent; what is trained has a batch and a day."""
    problems, marked, total = [], 0, 0
    for name, rows in records.items():
        for one, metadata in rows.items():
            total += 1
            if any(not has_type(metadata.get(key), kinds) for key, kinds in MARKER_TYPES.items()):
                problems.append(f"{name} {one}: markers missing or of a wrong type")
                continue
            marked += bool(metadata["trained_in_adapter"])
            has_text = [bool(metadata[key]) for key in ("training_batch", "training_date")]
            if any(flag != metadata["trained_in_adapter"] for flag in has_text):
                problems.append(f"{name} {one}: batch and day do not fit trained_in_adapter")
    rows = store.connection.execute("SELECT count(*) FROM pdcas WHERE trained_in_adapter").fetchone()[0]
    if fresh and (marked or rows):
        problems.append(f"{marked} chunks and {rows} PDCAs are marked as trained; a fresh store has none")
    return judge("markers", problems, f"{total - marked} untrained, {marked} trained")


def check_tiers_agree(store: Store, records: Mapping[str, Records]) -> Finding:
    """ChromaDB and SQLite know the same PDCAs with equal markers, and in our own stores the same chunks."""
    known = {
        row[0]: bool(row[1]) for row in store.connection.execute("SELECT id, trained_in_adapter FROM pdcas")
    }
    of_chunks: dict[str, bool] = {}
    for metadata in records.get(PDCA, {}).values():
        key = str(metadata.get("pdca_id", ""))
        of_chunks[key] = of_chunks.get(key, True) and bool(metadata.get("trained_in_adapter"))
    problems = [f"{one}: in ChromaDB only" for one in of_chunks if one not in known]
    problems += [f"{one}: in the timeline only" for one in known if one not in of_chunks]
    problems += [
        f"{one}: marked in one database only"
        for one, flag in known.items()
        if of_chunks.get(one, flag) != flag
    ]
    tables = {
        row[0] for row in store.connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    }
    if "chunks" in tables:
        wanted = {row[0] for row in store.connection.execute("SELECT id FROM chunks")}
        present = {one for rows in records.values() for one in rows}
        problems += [f"{len(wanted - present)} chunks missing in ChromaDB"] if wanted - present else []
        problems += [f"{len(present - wanted)} chunks unknown to the database"] if present - wanted else []
    return judge("tiers agree", problems, f"{len(known)} PDCAs in both")
