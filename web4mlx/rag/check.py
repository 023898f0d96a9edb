"""Checks a store as a whole: what it holds, whether it finds, whether it can be marked, how fast it is."""

import shutil
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from web4mlx.errors import CheckFailed, UsageError
from web4mlx.events import EventLog, Gate
from web4mlx.rag.check_content import check_content
from web4mlx.rag.check_search import check_search
from web4mlx.rag.check_time import measure
from web4mlx.rag.documents import PDCA
from web4mlx.rag.findings import CheckReport, Finding, judge
from web4mlx.rag.folder import CHROMA
from web4mlx.rag.probe import probe_chroma
from web4mlx.rag.settings import Expectation, RagSettings
from web4mlx.rag.store import Store
from web4mlx.rag.vectors import explain_chroma_errors, list_collections, open_client

MARKS = {"trained_in_adapter": True, "training_batch": "batch_check", "training_date": "2025-01-01"}


def check_store(
    store: Store, settings: RagSettings, log: EventLog, expect: str = "", *, fresh: bool = False
) -> CheckReport:
    """Check an open store.

    Args:
        store: The store.
        settings: Expectations, limits and budgets.
        log: Gets each finding as it is known.
        expect: The name of the expectations; empty for what fits the store, `none` for none.
        fresh: Whether nothing may be marked as trained yet.

    Raises:
        UsageError: Unknown expectations, or a store that does not fit this program or embedder.
        MissingPrerequisite: A part of the store is missing.
        StageCrashed: A part is damaged.
    """
    name, expected = choose_expectations(store, settings, expect)
    if not store.chroma_url:
        probe_chroma(store.folder)
    findings: list[Finding] = []
    with explain_chroma_errors(str(store.folder)):
        for finding in check_content(store, expected, fresh=fresh):
            findings.append(note(finding, log))
        findings.append(note(check_marking(store), log))
        for finding in check_search(store, settings.check):
            findings.append(note(finding, log))
        latencies = tuple(measure(store, settings.check))
    return CheckReport(store=str(store.folder), expected=name, findings=tuple(findings), latencies=latencies)


def note(finding: Finding, log: EventLog) -> Finding:
    """Write a finding to the log and hand it on."""
    log.write(Gate, name=finding.name, verdict=finding.verdict, detail=finding.detail)
    return finding


def choose_expectations(
    store: Store, settings: RagSettings, expect: str
) -> tuple[str, Mapping[str, Expectation]]:
    """The expectations by name: given, or of the sample that the store was made from, or of the team.

    Raises:
        UsageError: There are none of that name.
    """
    scale = store.fact("sample_scale")
    name = expect or (scale if scale in settings.expect else "team")
    if name == "none" or (not expect and name not in settings.expect):
        return "none", {}
    if name not in settings.expect:
        known = ", ".join(sorted([*settings.expect, "none"]))
        raise UsageError(f"--expect {name}: no such expectations", f"The configuration has: {known}.")
    return name, settings.expect[name]


def check_marking(store: Store) -> Finding:
    """Mark a record and find it by its mark: in a copy, or on a server in a collection of its own."""
    if store.chroma_url:
        return try_marking(store.client, "web4mlx-check", is_temporary=True)
    with TemporaryDirectory(prefix="web4mlx-rag-") as folder:
        copy = Path(folder) / CHROMA
        shutil.copytree(store.folder / CHROMA, copy)
        with closing(open_client(copy)) as client:
            names = list_collections(client)
            name = PDCA if PDCA in names else next(iter(names), "")
            if not name or not names[name].count():
                return Finding(name="marking", verdict="inconclusive", detail="nothing to mark")
            return try_marking(client, name, is_temporary=False)


def try_marking(client: Any, name: str, *, is_temporary: bool) -> Finding:
    """Set the markers of one record and query by them."""
    if is_temporary:
        collection = client.get_or_create_collection(name, embedding_function=None)
        plain = {"trained_in_adapter": False, "training_batch": "", "training_date": ""}
        collection.upsert(ids=["a", "b"], embeddings=[[1.0, 0.0], [0.0, 1.0]], metadatas=[plain, plain])
    else:
        collection = list_collections(client)[name]
    try:
        total = collection.count()
        before = len(collection.get(where={"trained_in_adapter": True}, include=[])["ids"])
        untrained = collection.get(where={"trained_in_adapter": False}, limit=1, include=[])["ids"]
        if not untrained:
            return Finding(name="marking", verdict="inconclusive", detail="everything is marked already")
        collection.update(ids=untrained, metadatas=[MARKS])
        after = collection.get(where={"trained_in_adapter": True}, include=[])["ids"]
        stored = collection.get(ids=untrained, include=["metadatas"])["metadatas"][0]
    finally:
        if is_temporary:
            client.delete_collection(name)
    problems = (
        []
        if len(after) == before + 1 and untrained[0] in after
        else ["a marked record is not found by its mark"]
    )
    problems += [f"{key} was not kept" for key, value in MARKS.items() if stored.get(key) != value]
    return judge("marking", problems, f"1 of {total} records marked in a copy and found by its mark")


def require_passed(report: CheckReport) -> None:
    """Fail when the check did.

    Raises:
        CheckFailed: Names what failed.
    """
    failed = [one.name for one in report.findings if one.verdict in ("failed", "errored")]
    slow = [
        f"{one.kind} queries too slow ({one.p95_ms:.0f} ms, budget {one.budget_ms:g} ms)"
        for one in report.latencies
        if not one.is_in_budget
    ]
    if failed or slow:
        raise CheckFailed(
            f"{report.store}: {', '.join(failed + slow)}",
            "Build the store again with `web4mlx rag build`, or correct what configs/rag.toml expects.",
        )
