"""The HTTP side of the double: routes, streams, faults."""

import json
import socket
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from tests.ollama_double import openai
from tests.ollama_double.create import Refused
from tests.ollama_double.faults import Fault
from tests.ollama_double.gguf_header import GgufError

if TYPE_CHECKING:
    from tests.ollama_double.double import OllamaDouble

Lines = Iterator[dict[str, Any]]
JSON, NDJSON, TEXT = "application/json; charset=utf-8", "application/x-ndjson", "text/plain"
SSE = "text/event-stream"
ROUTES = {
    "/": ("GET", "HEAD"),
    "/api/version": ("GET", "HEAD"),
    "/api/tags": ("GET", "HEAD"),
    "/api/ps": ("GET",),
    "/api/create": ("POST",),
    "/api/copy": ("POST",),
    "/api/show": ("POST",),
    "/api/delete": ("DELETE",),
    "/api/generate": ("POST",),
    "/api/chat": ("POST",),
    "/api/pull": ("POST",),
    "/v1/models": ("GET",),
    "/v1/chat/completions": ("POST",),
}


class Broken(Exception):
    """The connection is to break here."""


class Handler(BaseHTTPRequestHandler):
    """One request."""

    double: "OllamaDouble"
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        return

    def do_GET(self) -> None:
        self.serve()

    do_HEAD = do_POST = do_DELETE = do_PUT = do_GET

    def serve(self) -> None:
        """Find the route, look for a fault, answer."""
        path = self.path.partition("?")[0]
        self.double.requests.append((self.command, path, dict(self.headers.items())))
        fault = next((fault for fault in self.double.faults if fault.strikes(path)), None)
        try:
            if fault is not None and fault.kind == "status":
                self.close_connection = True  # the body is not read
                raise Refused(fault.status, fault.error)
            if fault is not None and fault.after == 0 and fault.kind != "error_line":
                self.misbehave(fault)
            self.route(path, fault)
        except Refused as refused:
            self.fail(refused.status, refused.message)
        except (Broken, BrokenPipeError, ConnectionResetError):
            self.break_connection()

    def route(self, path: str, fault: Fault | None) -> None:
        if path.startswith("/api/blobs/"):
            self.blob(path.removeprefix("/api/blobs/"))
        elif path not in ROUTES:
            self.send(404, b"404 page not found", TEXT)
        elif self.command not in ROUTES[path]:
            self.send(405, b"405 method not allowed", TEXT)
        elif path == "/":
            self.send(200, b"Ollama is running", TEXT)
        elif path == "/v1/chat/completions":
            self.complete(fault)
        elif path == "/v1/models":
            data = [{"id": tag["name"], "object": "model"} for tag in self.double.do_tags(None)["models"]]
            self.send(200, json.dumps({"object": "list", "data": data}).encode(), JSON)
        else:
            self.call(path.removeprefix("/api/"), fault)

    def call(self, name: str, fault: Fault | None) -> None:
        """One of the JSON calls; a generator is a stream."""
        body = self.read_json() if self.command in ("POST", "DELETE") else {}
        action: Callable[[dict[str, Any] | None], dict[str, Any] | Lines | None]
        action = getattr(self.double, f"do_{name}")
        try:
            result = action(body)
        except GgufError as error:
            raise Refused(error.status, error.message) from error
        if result is None:
            self.send(200, b"", TEXT)
        elif isinstance(result, dict):
            self.send(200, json.dumps(result).encode(), JSON)
        elif (body or {}).get("stream", True):
            self.stream(result, fault)
        else:
            self.whole(result, fault)

    def complete(self, fault: Fault | None) -> None:
        """OpenAI's dialect: the same answer in other shapes."""
        body = self.read_json() or {}
        try:
            lines = self.double.do_chat(openai.as_chat(body))
        except Refused as refused:
            self.send(
                refused.status, json.dumps(openai.error(refused.status, refused.message)).encode(), JSON
            )
            return
        if not isinstance(lines, Iterator):
            self.send(400, json.dumps(openai.error(400, "[] is too short - 'messages'")).encode(), JSON)
        elif not body.get("stream"):
            self.send(200, json.dumps(openai.whole(lines)).encode(), JSON)
        else:
            for sent, event in enumerate(openai.events(lines)):
                if fault is not None and sent == fault.after:
                    self.misbehave(fault)
                if sent == 0:
                    self.start_stream(SSE)
                self.chunk(event)
            self.chunk(b"")

    def whole(self, lines: Lines, fault: Fault | None) -> None:
        """The last object only; texts of the pieces are joined."""
        if fault is not None and fault.kind == "error_line":
            raise Refused(500, fault.error)
        try:
            objects = list(lines)
        except GgufError as error:
            raise Refused(error.status, error.message) from error
        last = objects[-1]
        if "response" in last:
            last["response"] = "".join(item["response"] for item in objects)
        if "message" in last:
            last["message"]["content"] = "".join(item["message"]["content"] for item in objects)
        self.send(200, json.dumps(last).encode(), JSON)

    def stream(self, lines: Lines, fault: Fault | None) -> None:
        """Chunks, one line each; an error after the first line is a line of a good answer."""
        sent = 0
        try:
            for line in lines:
                if fault is not None and sent == fault.after and self.strike(fault, sent):
                    return
                self.send_line(line, sent)
                sent += 1
        except GgufError as error:
            if sent == 0:
                raise Refused(error.status, error.message) from error
            self.send_line({"error": error.message}, sent)
        self.chunk(b"")

    def strike(self, fault: Fault, sent: int) -> bool:
        """Do the fault's harm; whether the stream is over with it."""
        if fault.kind == "error_line":
            if sent == 0:
                raise Refused(fault.status, fault.error)
            self.send_line({"error": fault.error}, sent)
        elif fault.kind != "end":
            self.misbehave(fault)
        if sent == 0:
            self.start_stream()
        self.chunk(b"")
        return True

    def misbehave(self, fault: Fault) -> None:
        if fault.kind == "stall":
            fault.released.wait(60)
        if fault.kind == "die":
            self.double.die()
        if fault.kind != "end":
            raise Broken

    def blob(self, digest: str) -> None:
        """HEAD and POST of a blob; what is there already is not read again."""
        if self.command == "HEAD":
            self.send(self.double.head_blob(digest), b"", TEXT)
        elif self.command != "POST":
            self.send(405, b"405 method not allowed", TEXT)
        else:
            length = int(self.headers.get("Content-Length") or 0)
            self.close_connection = True  # after an early answer the body is still on its way
            self.send(self.double.post_blob(digest, self.rfile, length), b"", TEXT)

    def read_json(self) -> dict[str, Any] | None:
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            content: dict[str, Any] | None = json.loads(data) if data else None
        except ValueError as error:
            raise Refused(400, str(error)) from error
        return content

    def fail(self, status: int, message: str) -> None:
        self.send(status, json.dumps({"error": message}).encode(), JSON)

    def send(self, status: int, data: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def start_stream(self, kind: str = NDJSON) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def send_line(self, line: dict[str, Any], sent: int) -> None:
        if sent == 0:
            self.start_stream()
        self.chunk(json.dumps(line).encode() + b"\n")

    def chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def break_connection(self) -> None:
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return
