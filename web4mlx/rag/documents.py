"""What a source consists of once it is read: chunks, PDCAs, relationships, and what could not be used."""

from dataclasses import dataclass, field

from web4mlx.artifacts import sha256_bytes

COLLECTIONS = ("pdca_historical", "components", "process_docs", "tool_examples", "process_framework")
PDCA, COMPONENTS, PROCESS, TOOLS, TOPICS = COLLECTIONS
Scalar = str | int | float | bool
MARKERS: dict[str, Scalar] = {"trained_in_adapter": False, "training_batch": "", "training_date": ""}


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of text that is embedded as a whole; `metadata` holds scalars and no markers.

    `path` is relative to its source, `index` counts the chunks of that path.
    """

    collection: str
    path: str
    index: int
    text: str
    tokens: int
    metadata: dict[str, Scalar]

    @property
    def id(self) -> str:
        """Depends on place and text: another text is another chunk."""
        return sha256_bytes(f"{self.collection}|{self.path}|{self.index}|{self.text}".encode())[:32]


@dataclass(frozen=True, slots=True)
class Pdca:
    """A document of the timeline; what is unknown is empty, a timestamp of 0 (seconds, UTC) is unknown."""

    id: str
    agent_name: str = ""
    agent_role: str = ""
    date: str = ""
    timestamp: int = 0
    session_id: str = ""
    branch: str = ""
    sprint: str = ""
    cmm_level: int = 0
    task_type: str = ""
    objective: str = ""
    quality_score: int = 50
    verification_status: str = ""
    title: str = ""
    tron_feedback: str = ""
    content_sha256: str = ""


@dataclass(frozen=True, slots=True)
class Relationship:
    """`earlier` precedes `later`; `origin` says which link of which document told so."""

    earlier: str
    later: str
    origin: str


@dataclass(frozen=True, slots=True)
class Dangling:
    """A link of a document that leads to no document, and why."""

    pdca_id: str
    target: str
    reason: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that could not be used, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that was read; `rule` says why it belongs to its collection, `copy_of` names an equal file."""

    path: str
    collection: str
    rule: str
    sha256: str
    copy_of: str = ""


@dataclass(slots=True)
class Corpus:
    """Everything that was read from a source."""

    chunks: list[Chunk] = field(default_factory=list)
    pdcas: list[Pdca] = field(default_factory=list)
    relationships: list[Relationship] = field(default_factory=list)
    dangling: list[Dangling] = field(default_factory=list)
    files: list[SourceFile] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    warnings: list[Failure] = field(default_factory=list)

    def counts(self) -> dict[str, dict[str, int]]:
        """Documents and chunks of each collection."""
        documents = {name: len({c.path for c in self.chunks if c.collection == name}) for name in COLLECTIONS}
        chunks = {name: sum(c.collection == name for c in self.chunks) for name in COLLECTIONS}
        return {name: {"documents": documents[name], "chunks": chunks[name]} for name in COLLECTIONS}
