"""A server that streams without end and notices when its reader leaves; it can be killed in the middle."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LINE = json.dumps({"message": {"content": "x" * 2000}, "done": False}).encode() + b"\n"


@dataclass
class Endless:
    """Its address, and events of a test."""

    url: str = ""
    left: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)
    die_after: int = 1_000_000
    is_half_line: bool = False
    bodies: list[bytes] = field(default_factory=list)


@contextmanager
def endless_upstream(endless: Endless) -> Iterator[Endless]:
    """Start it; every POST but `show` gets lines without end."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            endless.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path == "/api/show":
                self.send_response(404)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("Content-Type", "application/x-ndjson")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.stream()

        def stream(self) -> None:
            try:
                for number in range(1_000_000):
                    if number == endless.die_after:
                        self.break_off()
                        return
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(LINE), LINE))
                    self.wfile.flush()
            except OSError:
                endless.left.set()
            self.close_connection = True

        def break_off(self) -> None:
            if endless.is_half_line:
                self.wfile.write(b"5\r\n" + LINE[:5] + b"\r\n")
                self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        endless.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield endless
        finally:
            server.shutdown()
