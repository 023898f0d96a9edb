"""A Hugging Face Hub on the loopback: model information and files with byte ranges, and ways to misbehave."""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

COMMIT = "c0ffee" + "0" * 34
LARGE_BYTES = 100_000  # files from this size on are LFS files


@dataclass
class HubDouble:
    """Serves one folder as `hub_id` at COMMIT (branch `main`).

    `break_after` cuts the connection once a file has sent so many bytes; with `stays_down` nothing is
    answered afterwards. `corrupt` names a file whose bytes are changed on the way. Large files have
    `short_of_bytes` less than the listing says. `ranges` records the file and first byte of each request.
    """

    folder: Path
    hub_id: str
    url: str = ""
    break_after: int | None = None
    stays_down: bool = False
    is_down: bool = False
    corrupt: str = ""
    short_of_bytes: int = 0
    status: int = 200
    login_page: bytes = b""
    ranges: list[tuple[str, int]] = field(default_factory=list)

    def listing(self) -> dict[str, object]:
        siblings = []
        for path in sorted(self.folder.iterdir()):
            data = path.read_bytes()
            blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            item: dict[str, object] = {"rfilename": path.name, "size": len(data), "blobId": blob}
            if len(data) >= LARGE_BYTES:
                size = len(data) + self.short_of_bytes
                sha256 = hashlib.sha256(data).hexdigest()
                item |= {"size": size, "lfs": {"size": size, "sha256": sha256, "pointerSize": 134}}
            siblings.append(item)
        return {"id": self.hub_id, "sha": COMMIT, "siblings": siblings}


class Handler(BaseHTTPRequestHandler):
    """Answers the two kinds of requests."""

    hub: HubDouble
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if self.hub.is_down:
            self.close_connection = True
        elif self.hub.login_page:
            self.send(200, self.hub.login_page, {"Content-Type": "text/html"})
        elif self.hub.status != 200:
            self.send(self.hub.status, b"{}")
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            self.send_listing(match[1], match[2] or "main")
        elif match := re.fullmatch(rf"/{self.hub.hub_id}/resolve/{COMMIT}/(.+)", path):
            self.send_file(match[1])
        else:
            self.send(404, b"{}", {"X-Error-Code": "EntryNotFound"})

    def send_listing(self, hub_id: str, revision: str) -> None:
        if hub_id != self.hub.hub_id:
            self.send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif revision not in ("main", COMMIT):
            self.send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        else:
            self.send(200, json.dumps(self.hub.listing()).encode(), {"Content-Type": "application/json"})

    def send_file(self, name: str) -> None:
        data = (self.hub.folder / name).read_bytes()
        if name == self.hub.corrupt:
            data = data[:-1] + bytes([data[-1] ^ 1])
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").partition("-")[0])
        self.hub.ranges.append((name, start))
        rest = data[start:]
        headers = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if start else {}
        limit = self.hub.break_after
        if limit is None or len(rest) <= limit:
            self.send(206 if start else 200, rest, headers)
            return
        self.send_head(206 if start else 200, len(rest), headers)
        self.wfile.write(rest[:limit])
        self.close_connection = True
        self.hub.is_down = self.hub.stays_down

    def send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_head(status, len(body), headers or {})
        self.wfile.write(body)

    def send_head(self, status: int, size: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in (headers | {"Content-Length": str(size)}).items():
            self.send_header(key, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


@contextmanager
def serve_hub(hub: HubDouble) -> Iterator[HubDouble]:
    """Serve until the block ends."""
    handler = type("BoundHandler", (Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
