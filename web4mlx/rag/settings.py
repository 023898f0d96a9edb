"""What `configs/rag.toml` says: how a source is read, which embedder, what a store must hold, how fast."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from web4mlx.config.load import describe, read_raw
from web4mlx.errors import Problems


class Table(BaseModel):
    """A table of the file: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceRules(Table):
    """Which file belongs to which collection. In globs `*` is any text, `/` included; case is ignored.

    A path is matched with a `/` before it, so `*/pdca/*` also finds a `pdca` folder at the root.
    """

    ignore: tuple[str, ...] = ()
    max_file_bytes: int = Field(2_000_000, gt=0)
    pdca: tuple[str, ...] = ("*.pdca.md", "*/pdca/*.md")
    pdca_by_content: bool = True
    components: tuple[str, ...] = ("*.ts", "*.tsx")
    process_docs: tuple[str, ...] = ()


class EmbedderSettings(Table):
    """Where the embedder comes from: the pinned offline package, or a folder or the Hub when asked."""

    source: Literal["package", "folder", "hub"] = "package"
    folder: Path | None = None
    hub_id: str = "sentence-transformers/all-MiniLM-L6-v2"
    revision: str | None = None
    batch: int = Field(32, gt=0)


class Expectation(Table):
    """How much a collection holds: documents, chunks, or both, within a share of the number."""

    documents: int | None = None
    chunks: int | None = None
    tolerance: float = Field(0.0, ge=0, lt=1)


class Latencies(Table):
    """Milliseconds that the median and the 95th percentile of a kind of query may take."""

    semantic_ms: float
    graph_ms: float
    temporal_ms: float
    hybrid_ms: float


class CheckSettings(Table):
    """What `rag check` measures."""

    samples: int = Field(100, gt=0)
    recall_at_5: float = Field(0.95, ge=0, le=1)
    index_recall: float = Field(0.99, ge=0, le=1)
    queries: int = Field(40, gt=0)
    budget: Latencies = Latencies(semantic_ms=500, graph_ms=10, temporal_ms=5, hybrid_ms=1000)
    target: Latencies = Latencies(semantic_ms=100, graph_ms=2, temporal_ms=2, hybrid_ms=200)


class RagSettings(Table):
    """The whole file; `expect` maps a name to what each collection holds."""

    db: Path = Path("outputs/rag")
    chroma_url: str = ""
    source: SourceRules = SourceRules()
    embedder: EmbedderSettings = EmbedderSettings()
    check: CheckSettings = CheckSettings()
    expect: dict[str, dict[str, Expectation]] = Field(default_factory=dict)


def load_settings(path: Path) -> RagSettings:
    """Read and validate the file.

    Raises:
        MissingPrerequisite: It does not exist.
        UsageError: It is not TOML.
        Problems: It is not valid; lists every problem.
    """
    try:
        return RagSettings.model_validate(read_raw(path))
    except ValidationError as error:
        problems = list(describe(error, RagSettings))
        raise Problems(
            str(path), problems, "Correct the file; configs/rag.toml explains every key."
        ) from error
