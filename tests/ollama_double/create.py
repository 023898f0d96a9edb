"""`POST /api/create`: from an uploaded GGUF, or from a model that is there, to a manifest."""

import json
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, Protocol

from tests.ollama_double.gguf_header import Gguf, GgufError, read_gguf
from tests.ollama_double.names import Name, parse_name
from tests.ollama_double.store import DIGEST, LAYER, Layer, Store

NO_QUANTIZE = (
    "failed to validate GGUF with llama-quantize without compatibility patches: "
    "llama-quantize unavailable: llama-quantize binary not found (checked: /usr/lib/ollama)"
)


class Switches(Protocol):
    """What decides how the server behaves."""

    store: Store
    rewrite_gguf: bool
    quantize_available: bool

    @property
    def is_rewriting(self) -> bool: ...


class Refused(Exception):
    """An answer of status `status` before anything else is sent."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


def check_create(body: dict[str, Any] | None) -> Name:
    """What is looked at before the stream begins.

    Raises:
        Refused: With the status and the text of the server.
    """
    if body is None:
        raise Refused(400, "missing request body")
    for key, digest in (body.get("files") or {}).items():
        path = PurePosixPath(key)
        if path.is_absolute() or ".." in path.parts or not key:
            raise Refused(400, "file path must be relative")
        if not digest:
            raise Refused(400, "invalid digest format")
    name = parse_name(str(body.get("model") or body.get("name") or ""))
    if name is None:
        raise Refused(400, "invalid model name")
    return name


def create(server: Switches, name: Name, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the status lines; the manifest is written last.

    Raises:
        GgufError: The file or the request is refused.
    """
    store = server.store
    if body.get("from"):
        base = store.lookup(str(body["from"]))
        if base is None:
            yield {"status": "pulling manifest"}
            raise GgufError("pull model manifest: file does not exist")
        config = store.config(base)
        old = {layer["mediaType"]: Layer(*layer.values()) for layer in store.read(base)["layers"]}
        yield {"status": f"using existing layer {old[LAYER + 'model'].digest}"}
        model, inherited = old[LAYER + "model"], old
    elif body.get("files"):
        yield from check_files(server, body["files"])
        digest = next(iter(body["files"].values())).replace("sha256-", "sha256:")
        data = store.blob(digest).read_bytes()
        gguf = read_gguf(store.blob(digest))
        if server.is_rewriting:
            yield from validate(server, len(data))
            data += bytes(32) if server.rewrite_gguf else b""
        model, is_new = store.layer("model", data)
        yield layer_line(model, is_new)
        config, inherited = describe(gguf), {}
    else:
        raise GgufError("neither 'from' or 'files' was specified", 400)
    layers = [model]
    for layer, is_new in text_layers(store, body, inherited):
        layers.append(layer)
        yield layer_line(layer, is_new)
    yield {"status": "writing manifest"}
    store.write_manifest(name, layers, config)
    yield {"status": "success"}


def check_files(server: Switches, files: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Look at the uploaded files."""
    for key, digest in files.items():
        if not key.endswith(".gguf"):
            raise GgufError("unknown type", 400)
        if not DIGEST.fullmatch(digest):
            raise GgufError("invalid digest format", 400)
        path = server.store.blob(digest)
        if not path.exists():
            raise GgufError(f"open {path}: no such file or directory")
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise GgufError("supplied file was not in GGUF format", 400)
        yield {"status": "parsing GGUF"}
        read_gguf(path)


def validate(server: Switches, size: int) -> Iterator[dict[str, Any]]:
    """The pass through the quantizer that newer servers make."""
    if not server.quantize_available:
        raise GgufError(NO_QUANTIZE)
    for done in (0, size // 2, size):
        progress = {"digest": "0000000000000000000", "total": size, "completed": done}
        yield {"status": "validating GGUF model", **progress}
    yield {"status": "verifying conversion"}


def text_layers(
    store: Store, body: dict[str, Any], inherited: dict[str, Layer]
) -> Iterator[tuple[Layer, bool]]:
    """Template, system, licenses, parameters, messages, in this order; absent ones are inherited."""
    licenses = body.get("license") or []
    parameters = dict(body.get("parameters") or {})
    if LAYER + "params" in inherited:
        old = json.loads(store.blob(inherited[LAYER + "params"].digest).read_text("utf-8"))
        parameters = old | parameters
    contents: dict[str, list[str]] = {
        "template": [body["template"]] if body.get("template") else [],
        "system": [body["system"]] if body.get("system") else [],
        "license": [licenses] if isinstance(licenses, str) else list(licenses),
        "params": [json.dumps(parameters)] if parameters else [],
        "messages": [json.dumps(body["messages"])] if body.get("messages") else [],
    }
    for kind, texts in contents.items():
        if not texts and LAYER + kind in inherited:
            yield inherited[LAYER + kind], False
        for text in texts:
            yield store.layer(kind, text.encode())


def layer_line(layer: Layer, is_new: bool) -> dict[str, Any]:
    return {"status": f"{'creating new' if is_new else 'using existing'} layer {layer.digest}"}


def describe(gguf: Gguf) -> dict[str, Any]:
    """The config blob."""
    return {
        "model_format": "gguf",
        "model_family": gguf.family,
        "model_families": [gguf.family],
        "model_type": f"{gguf.parameters / 1e6:.2f}M",
        "file_type": gguf.file_type,
    }
