"""Opens ChromaDB once in a process of its own: a damaged index can kill the process that reads it."""

import subprocess
import sys
from pathlib import Path

from web4mlx.errors import StageCrashed
from web4mlx.rag.folder import CHROMA
from web4mlx.rag.vectors import REBUILD_HINT, list_collections, open_client

TIMEOUT_S = 120.0


def probe_chroma(generation: Path) -> None:
    """Read every collection in a child process.

    Raises:
        StageCrashed: The child died, or Chroma refused.
    """
    folder = generation / CHROMA
    command = [sys.executable, "-m", "web4mlx.rag.probe", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise StageCrashed(f"{folder}: Chroma does not answer", REBUILD_HINT) from error
    if done.returncode < 0:
        raise StageCrashed(f"{folder}: damaged: reading it kills the process", REBUILD_HINT)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise StageCrashed(f"{folder}: damaged: {last[:300]}", REBUILD_HINT)


def main() -> None:
    """Query every collection with one of its own vectors."""
    client = open_client(Path(sys.argv[1]))
    for collection in list_collections(client).values():
        first = collection.get(limit=1, include=["embeddings"])["embeddings"]
        if len(first):
            collection.query(query_embeddings=[first[0]], n_results=5)


if __name__ == "__main__":
    main()
