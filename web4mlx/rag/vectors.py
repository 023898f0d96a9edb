"""ChromaDB behind the few calls that are needed, embedded or as a server; vectors are always computed by us.

Chroma gets no embedding function, so it never loads or downloads a model. Its `add` of a known id and its
`update` of an unknown one do nothing and say nothing: after each write the ids are read back and compared.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from web4mlx.errors import MissingPrerequisite, StageCrashed, UsageError
from web4mlx.rag.chroma_file import inspect_chroma_file
from web4mlx.rag.documents import Scalar

if TYPE_CHECKING:
    from web4mlx.rag.embedder import Vectors

BATCH = 5000  # Chroma takes at most 5,461 records at once
# Chroma's own defaults miss one neighbour in fifty among thousands of tool examples that differ in a word.
INDEX = {"space": "cosine", "max_neighbors": 32, "ef_construction": 200, "ef_search": 200}
REBUILD_HINT = "Build the store again with `web4mlx rag build SOURCE --rebuild`: known vectors cost nothing."
Where = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Match:
    """A record that a query found; `similarity` is the cosine, 1 for the same direction."""

    id: str
    text: str
    metadata: dict[str, Scalar]
    similarity: float


def open_client(folder: Path | None, url: str = "") -> Any:
    """A Chroma client: of a server when a URL is given, else of a folder.

    Raises:
        MissingPrerequisite: The folder or the server is not there.
        UsageError: The folder was written by a newer Chroma.
        StageCrashed: It is damaged.
    """
    os.environ.setdefault("ANONYMIZED_TELEMETRY", "False")
    if not url and folder is not None and folder.exists():
        inspect_chroma_file(folder)
    with explain_chroma_errors(url or str(folder)):
        import chromadb
        from chromadb.config import Settings

        settings = Settings(anonymized_telemetry=False)
        if not url:
            return chromadb.PersistentClient(str(folder), settings)
        host, port, is_ssl = split_url(url)
        client = chromadb.HttpClient(host, port, ssl=is_ssl, settings=settings)
        client.heartbeat()
        return client


def split_url(url: str) -> tuple[str, int, bool]:
    """Host, port and whether the connection is encrypted.

    Raises:
        UsageError: It is no http or https URL.
    """
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"--chroma-url {url}: not a URL of a server", "For example http://127.0.0.1:8000.")
    return parts.hostname, port or 8000, parts.scheme == "https"


@contextmanager
def explain_chroma_errors(place: str) -> Iterator[None]:
    """Turn Chroma's errors into ours.

    Raises:
        MissingPrerequisite: A server cannot be reached.
        StageCrashed: Anything else that Chroma complains about.
    """
    import httpx
    from chromadb.errors import ChromaError

    try:
        yield
    except (httpx.TransportError, ConnectionError) as error:
        raise MissingPrerequisite(
            f"{place}: the Chroma server cannot be reached", "Start it with `chroma run --path DIR`."
        ) from error
    except ChromaError as error:
        raise StageCrashed(f"{place}: Chroma says: {error}", REBUILD_HINT) from error
    except ValueError as error:
        if "connect" not in str(error).casefold():
            raise
        raise MissingPrerequisite(
            f"{place}: the Chroma server cannot be reached", "Start it with `chroma run --path DIR`."
        ) from error
    except BaseException as error:  # a panic of Chroma's compiled part is no Exception
        if type(error).__name__ != "PanicException":
            raise
        raise StageCrashed(f"{place}: Chroma gave up: {str(error)[:200]}", REBUILD_HINT) from error


def list_collections(client: Any, end: str = "") -> dict[str, Any]:
    """The collections of a store by name, without any embedding function.

    Args:
        client: The client.
        end: What the names on a server end with; the names that are returned are without it.
    """
    names = [str(one.name) for one in client.list_collections()]
    return {
        name.removesuffix(end): client.get_collection(name, embedding_function=None)
        for name in names
        if name.endswith(end)
    }


def ensure_collection(client: Any, name: str, metadata: Mapping[str, Scalar]) -> Any:
    """The collection of that name, with cosine distance; one of other metadata is made anew."""
    found = list_collections(client).get(name)
    if found is not None:
        if (found.metadata or {}) == dict(metadata):
            return found
        client.delete_collection(name)
    return client.create_collection(
        name,
        metadata=dict(metadata),
        embedding_function=None,
        configuration={"hnsw": INDEX},
    )


def read_metadata(collection: Any) -> dict[str, dict[str, Scalar]]:
    """The metadata of all records by id."""
    found: dict[str, dict[str, Scalar]] = {}
    while True:
        page = collection.get(include=["metadatas"], limit=BATCH, offset=len(found))
        found |= {one: meta or {} for one, meta in zip(page["ids"], page["metadatas"], strict=True)}
        if len(page["ids"]) < BATCH:
            return found


def add_records(
    collection: Any,
    ids: Sequence[str],
    vectors: "Vectors",
    texts: Sequence[str],
    metadata: Sequence[dict[str, Scalar]],
) -> None:
    """Add records in batches."""
    for start in range(0, len(ids), BATCH):
        part = slice(start, start + BATCH)
        collection.add(
            ids=list(ids[part]),
            embeddings=vectors[part],
            documents=list(texts[part]),
            metadatas=list(metadata[part]),
        )


def batches(items: Sequence[Any]) -> Iterable[Sequence[Any]]:
    """Slices of at most a batch."""
    return (items[start : start + BATCH] for start in range(0, len(items), BATCH))


def query_collection(
    collection: Any, vector: "Vectors", limit: int, where: Where | None = None
) -> list[Match]:
    """The nearest records to a vector of shape (dimension,), best first.

    Raises:
        UsageError: The filter is not one that Chroma understands, or the collection has another dimension.
    """
    if not collection.count():
        return []
    from chromadb.errors import InvalidArgumentError

    try:
        found = collection.query(
            query_embeddings=[vector],
            n_results=limit,
            where=dict(where) if where else None,
            include=["documents", "metadatas", "distances"],
        )
    except (ValueError, InvalidArgumentError) as error:
        if "dimension" in str(error):
            raise UsageError(
                f"collection {collection.name} holds vectors of another size: {error}",
                "Name the embedder it was made with, or build the store again with `web4mlx rag build`.",
            ) from error
        raise UsageError(f"--where: {error}", "For example --where chunk_type=pdca_plan.") from error
    rows = zip(
        found["ids"][0], found["documents"][0], found["metadatas"][0], found["distances"][0], strict=True
    )
    return [
        Match(one, text or "", dict(meta or {}), 1.0 - float(distance)) for one, text, meta, distance in rows
    ]
