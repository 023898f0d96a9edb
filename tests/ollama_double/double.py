"""The double itself: what each call does, and the switches of a test."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO, Literal

from tests.ollama_double import chat
from tests.ollama_double.create import Refused, check_create, create
from tests.ollama_double.faults import Fault
from tests.ollama_double.names import parse_name
from tests.ollama_double.runners import Runners
from tests.ollama_double.server import Handler, Lines
from tests.ollama_double.store import DIGEST, Store


@dataclass
class OllamaDouble:
    """An Ollama server on the loopback.

    `server_version` decides what it can do: from 0.30 on it rewrites GGUFs (`rewrite_gguf` gives them
    another digest, `quantize_available` off lets that fail) and prefers the GGUF's own template;
    `template_mode` `go` forces TEMPLATE, `wrong` renders something else. `can_render_only` is whether
    `_debug_render_only` is known. `requests` holds method, path and headers of all requests.
    """

    store: Store
    server_version: str = "0.33.0"
    rewrite_gguf: bool = False
    quantize_available: bool = True
    template_mode: Literal["auto", "go", "wrong"] = "auto"
    can_render_only: bool = True
    disk_full: bool = False
    url: str = ""
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    http: ThreadingHTTPServer | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.runners = Runners(self.store)

    @property
    def is_rewriting(self) -> bool:
        return tuple(map(int, self.server_version.split("-")[0].split("."))) >= (0, 30)

    def paths(self, method: str) -> list[str]:
        """The paths that were asked with a method."""
        return [path for used, path, _ in self.requests if used == method]

    def die(self) -> None:
        """Stop listening, as a server does that is killed."""
        if self.http is not None:
            self.http.socket.close()
            threading.Thread(target=self.http.shutdown, daemon=True).start()

    def head_blob(self, digest: str) -> int:
        if not DIGEST.fullmatch(digest):
            return 400
        return 200 if self.store.blob(digest).exists() else 404

    def post_blob(self, digest: str, body: BinaryIO, length: int) -> int:
        if not DIGEST.fullmatch(digest):
            raise Refused(400, "invalid digest format")
        if self.store.blob(digest).exists():
            return 200
        if self.disk_full:
            raise Refused(500, "write /models/blobs/sha256-1234: no space left on device")
        data = body.read(length)
        real = self.store.put(data)
        if real != digest:
            raise Refused(400, f'digest mismatch, expected "{digest}", got "{real}"')
        return 201

    def do_version(self, _: Any) -> dict[str, Any]:
        return {"version": self.server_version}

    def do_create(self, body: dict[str, Any] | None) -> Lines:
        return create(self, check_create(body), body or {})

    def do_copy(self, body: dict[str, Any] | None) -> None:
        body = body or {}
        for key in ("source", "destination"):
            if parse_name(str(body.get(key, ""))) is None:
                raise Refused(400, f'{key} "{body.get(key, "")}" is invalid')
        source = self.store.lookup(str(body["source"]))
        destination = parse_name(str(body["destination"]))
        if source is None or destination is None:
            raise Refused(404, f'model "{body["source"]}" not found')
        self.store.copy(source, destination)

    def do_delete(self, body: dict[str, Any] | None) -> None:
        model = str((body or {}).get("model", ""))
        if not model:
            raise Refused(400, "model is required")
        if parse_name(model) is None:
            raise Refused(400, f'name "{model}" is invalid')
        path = self.store.lookup(model)
        if path is None:
            raise Refused(404, f"model '{model}' not found")
        self.store.delete(path)

    def do_tags(self, _: Any) -> dict[str, Any]:
        return {"models": [self.tag(path) for path in self.store.manifests()]}

    def tag(self, path: Path) -> dict[str, Any]:
        content, config = self.store.read(path), self.store.config(path)
        name = self.store.name_of(path).shown
        return {
            "name": name,
            "model": name,
            "modified_at": "2026-01-01T00:00:00Z",
            "size": sum(layer["size"] for layer in content["layers"]) + content["config"]["size"],
            "digest": self.store.digest(path),
            "details": self.details(config),
        }

    def details(self, config: dict[str, Any]) -> dict[str, Any]:
        return {
            "parent_model": "",
            "format": "gguf",
            "family": config["model_family"],
            "families": config["model_families"],
            "parameter_size": config["model_type"],
            "quantization_level": config["file_type"],
        }

    def do_ps(self, _: Any) -> dict[str, Any]:
        with self.lock:
            return {"models": self.runners.shown()}

    def do_show(self, body: dict[str, Any] | None) -> dict[str, Any]:
        manifest = self.model(body, "model is required", '"')
        return chat.show(self, manifest, is_verbose=bool((body or {}).get("verbose")))

    def do_generate(self, body: dict[str, Any] | None) -> Lines | dict[str, Any]:
        return chat.generate(self, self.model(body, "model '' not found", "'"), body or {})

    def do_chat(self, body: dict[str, Any] | None) -> Lines | dict[str, Any]:
        return chat.chat(self, self.model(body, "model is required", "'"), body or {})

    def do_pull(self, body: dict[str, Any] | None) -> Lines:
        yield {"status": "pulling manifest"}
        yield {"error": "pull model manifest: file does not exist"}

    def model(self, body: dict[str, Any] | None, empty: str, quote: str) -> Path:
        """The manifest of the model that a request names."""
        model = str((body or {}).get("model", ""))
        if not model:
            raise Refused(404 if quote in empty else 400, empty)
        name = parse_name(model)
        if name is None:
            raise Refused(400, "invalid model name")
        path = self.store.find(name)
        if path is None:
            shown = model if quote == "'" else name.shown
            raise Refused(404, f"model '{shown}' not found")
        return path


@contextmanager
def running_double(folder: Path, **switches: Any) -> Iterator[OllamaDouble]:
    """Start a server whose models are kept in `folder`."""
    double = OllamaDouble(Store(folder), **switches)
    handler = type("BoundHandler", (Handler,), {"double": double})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        double.http, double.url = server, f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield double
        finally:
            for fault in double.faults:
                fault.released.set()
            server.shutdown()
            double.runners.close()


def parameters_text(parameters: dict[str, Any]) -> str:
    """As `show` prints them: the name padded to thirty, a blank, the value; texts quoted."""
    lines = []
    for name, value in parameters.items():
        for item in value if isinstance(value, list) else [value]:
            lines.append(f"{name:<30} {json.dumps(item)}")
    return "\n".join(lines)
