"""Documents of the generated source that a training corpus was told from: marking finds them there again."""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from web4mlx.data.samples import Sample, read_rows
from web4mlx.rag.sample.pdcas import Document

REPRESENTATIVES = "domain_representatives.jsonl"
SHARE = 4  # one document in so many is one that the model is trained on


def trained_documents(rows: Path, most: int) -> Iterator[Document]:
    """The first PDCAs that the samples of a file give in full, each under the name that its sample says.

    A name that several samples give is passed over: it would stand for several documents.

    Args:
        rows: `domain_representatives.jsonl`, whose answers are complete PDCAs.
        most: Most documents.

    Raises:
        MissingPrerequisite: There is no such file.
    """
    samples = [row for row in read_rows(rows) if isinstance(row, Sample) and is_dated(row)]
    counts = Counter(str(sample.metadata["pdca_id"]) for sample in samples)
    unique = [sample for sample in samples if counts[str(sample.metadata["pdca_id"])] == 1]
    for sample in unique[:most]:
        week = date.fromisoformat(sample.metadata["date"]).isocalendar().week
        folder = f"project.journal/sprint-{week // 2 + 1:02d}"
        yield Document(f"{folder}/{sample.metadata['pdca_id']}.pdca.md", sample.output.strip() + "\n")


def is_dated(sample: Sample) -> bool:
    """Whether a sample was trained on and names its document, in a form that a file name can have."""
    name, day = sample.metadata.get("pdca_id"), sample.metadata.get("date")
    if sample.metadata.get("never_train") or not isinstance(name, str) or not isinstance(day, str):
        return False
    try:
        date.fromisoformat(day)
    except ValueError:
        return False
    return bool(name) and "/" not in name and "\\" not in name
