"""Writes the generated source: equal scale and seed give equal bytes, and nobody's own files are touched."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from web4mlx.artifacts import atomic_folder, atomic_write
from web4mlx.data.corpus.grammar import Dealer
from web4mlx.errors import UsageError
from web4mlx.events import EventLog, Finished, Progress, Started
from web4mlx.rag.sample.from_training import SHARE, trained_documents
from web4mlx.rag.sample.pdcas import Document, write_pdcas
from web4mlx.rag.sample.sources import write_components, write_process_docs
from web4mlx.rag.sample.tools import write_examples
from web4mlx.rag.sample_mark import MARK, read_sample_scale, sample_mark, write_sample_mark
from web4mlx.rag.tool_examples import FILES

Scale = Literal["demo", "full"]
REPOSITORY, TOOLS = "repo", "tools"
SCALES: dict[Scale, dict[str, int]] = {
    "demo": {"pdcas": 60, "components": 80, "process_docs": 12, "tool_core": 150, "tool_neg": 30},
    "full": {"pdcas": 1157, "components": 5372, "process_docs": 238, "tool_core": 10_000, "tool_neg": 2000},
}


def sample_counts(scale: Scale) -> dict[str, int]:
    """How many documents of each kind a scale writes."""
    return dict(SCALES[scale])


def write_sample(
    folder: Path, scale: Scale, seed: int, log: EventLog, trained: Path | None = None
) -> dict[str, int]:
    """Write `repo/` and `tools/` into a folder, replacing a generated one.

    Args:
        folder: Where to.
        scale: How many documents.
        seed: Equal scales, seeds and training files give equal bytes.
        log: Gets the progress.
        trained: A training file whose PDCAs are a quarter of the documents, so that marking finds them; None
            for none.

    Returns:
        How many documents of each kind were written.

    Raises:
        UsageError: Something else stands there.
        MissingPrerequisite: There is no such training file.
    """
    began = time.monotonic()
    require_own(folder)
    log.write(Started, plan={"scale": scale, "seed": seed, "folder": str(folder)})
    counts = SCALES[scale]
    total = sum(counts.values())
    with atomic_folder(folder) as temporary:
        write_sample_mark(temporary / REPOSITORY, sample_mark(scale, seed, trained))
        for done, document in enumerate(documents(scale, seed, trained), 1):
            path = temporary / REPOSITORY / document.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(document.text, "utf-8")
            if done % 500 == 0:
                log.write(Progress, done=done, total=total, unit="documents")
        for name, stem in zip(FILES, ("tool_core", "tool_neg"), strict=True):
            dealer = Dealer("train", f"{seed}/{stem}")
            lines = "".join(write_examples(dealer, counts[stem], negative=stem == "tool_neg"))
            atomic_write(temporary / TOOLS / name, lines)
    log.write(Progress, done=total, total=total, unit="documents")
    log.write(Finished, duration_s=time.monotonic() - began, artifact=str(folder))
    return dict(counts)


def documents(scale: Scale, seed: int, trained: Path | None = None) -> Iterator[Document]:
    """All files of the repository."""
    counts = SCALES[scale]
    shared = list(trained_documents(trained, counts["pdcas"] // SHARE)) if trained else []
    yield from shared
    yield from write_pdcas(Dealer("train", f"{seed}/pdcas"), counts["pdcas"] - len(shared))
    yield from write_components(Dealer("train", f"{seed}/components"), counts["components"])
    yield from write_process_docs(Dealer("train", f"{seed}/process"), counts["process_docs"])


def require_own(folder: Path) -> None:
    """Refuse to replace a folder that was not generated.

    Raises:
        UsageError: It holds something else.
    """
    is_taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    if is_taken and not read_sample_scale(folder / REPOSITORY):
        raise UsageError(
            f"{folder}: not written by `web4mlx rag sample` ({REPOSITORY}/{MARK} is missing)",
            "Choose another --folder.",
        )
