"""Sending a file to the server's store, unless it has it; in pieces, with progress."""

import time
from collections.abc import Iterator
from pathlib import Path

from web4mlx.engines.ollama_server import OllamaServer, json_object
from web4mlx.errors import StageCrashed, Web4Error
from web4mlx.events import EventLog, Progress

PIECE_BYTES = 1 << 20
REPORT_EVERY_S = 0.25


def upload_blob(server: OllamaServer, file: Path, sha256: str, log: EventLog) -> bool:
    """Store a file on the server under its digest.

    Args:
        server: Where to.
        file: What to send.
        sha256: Its digest in hexadecimal; the server compares.
        log: Progress with the time left.

    Returns:
        Whether it was sent; False when the server had it.

    Raises:
        Web4Error: The server does not take it; says why.
    """
    path = f"/api/blobs/sha256:{sha256}"
    size = file.stat().st_size
    with server.failures(f"asking for {file.name}"):
        has_it = server.http.head(path).status_code == 200
    if has_it:
        log.write(Progress, done=size, total=size, unit="bytes", message="upload: the server has it already")
        return False
    headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
    with server.failures(f"uploading {file.name}"):
        response = server.http.post(path, content=read_pieces(file, size, log), headers=headers)
        if response.status_code not in (200, 201):
            raise upload_failure(server, response)
        if server.http.head(path).status_code != 200:
            raise StageCrashed(f"{server.url}: {file.name} was uploaded but is not there", "Look at its log.")
    return True


def upload_failure(server: OllamaServer, response: object) -> Web4Error:
    """The server's refusal; it is never the request's fault."""
    try:
        json_object(server.url, response)
    except Web4Error as error:
        return StageCrashed(error.message, "Is the server's disk full, or did the file change meanwhile?")
    return StageCrashed(f"{server.url}: the upload ended in an unknown way")


def read_pieces(file: Path, size: int, log: EventLog) -> Iterator[bytes]:
    """Yield a file's bytes and report how far it is."""
    begin = reported = time.monotonic()
    done = 0
    with file.open("rb") as opened:
        while piece := opened.read(PIECE_BYTES):
            yield piece
            done += len(piece)
            now = time.monotonic()
            if done >= size or now - reported >= REPORT_EVERY_S:
                reported = now
                eta_s = (now - begin) / done * (size - done)
                log.write(Progress, done=done, total=size, unit="bytes", message="upload", eta_s=eta_s)
