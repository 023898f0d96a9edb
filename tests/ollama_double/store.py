"""The models folder: content-addressed blobs, and manifests that name them."""

import hashlib
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.ollama_double.names import Name, parse_name

DIGEST = re.compile(r"sha256[:-][0-9a-fA-F]{64}")
LAYER = "application/vnd.ollama.image."
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"


@dataclass(frozen=True)
class Layer:
    kind: str
    digest: str
    size: int

    def as_json(self) -> dict[str, Any]:
        return {"mediaType": self.kind, "digest": self.digest, "size": self.size}


@dataclass
class Store:
    """All of it is on the disk; nothing is remembered but the order of writing."""

    folder: Path
    written: dict[Path, int] = field(default_factory=dict)

    def blob(self, digest: str) -> Path:
        return self.folder / "blobs" / digest.replace(":", "-")

    def put(self, data: bytes) -> str:
        """Store some bytes; returns their digest."""
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        path = self.blob(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes(data)
        return digest

    def layer(self, kind: str, data: bytes) -> tuple[Layer, bool]:
        """A layer of these bytes, and whether it is new."""
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        is_new = not self.blob(digest).exists()
        self.put(data)
        return Layer(LAYER + kind, digest, len(data)), is_new

    def find(self, name: Name) -> Path | None:
        """The manifest of a name, whatever its case."""
        wanted = tuple(part.casefold() for part in name.parts)
        for path in self.manifests():
            if tuple(part.casefold() for part in self.name_of(path).parts) == wanted:
                return path
        return None

    def path_of(self, name: Name) -> Path:
        return self.find(name) or self.folder.joinpath("manifests", *name.parts)

    def manifests(self) -> list[Path]:
        root = self.folder / "manifests"
        found = [path for path in root.rglob("*") if path.is_file()]
        return sorted(found, key=lambda path: self.written.get(path, 0), reverse=True)

    def name_of(self, path: Path) -> Name:
        return Name(*path.relative_to(self.folder / "manifests").parts[-4:])

    def write_manifest(self, name: Name, layers: list[Layer], config: dict[str, Any]) -> None:
        """Write a manifest in place, then remove what only the old one named."""
        path = self.path_of(name)
        old = self.named_by(path) if path.exists() else set()
        data = json.dumps(config).encode()
        content = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": Layer(CONFIG, self.put(data), len(data)).as_json(),
            "layers": [layer.as_json() for layer in layers],
        }
        self.write(path, json.dumps(content).encode())
        self.remove_unnamed(old)

    def write(self, path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self.written[path] = max(self.written.values(), default=0) + 1

    def read(self, path: Path) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(path.read_bytes())
        return content

    def named_by(self, path: Path) -> set[str]:
        content = self.read(path)
        return {layer["digest"] for layer in content["layers"]} | {content["config"]["digest"]}

    def remove_unnamed(self, digests: set[str]) -> None:
        used: set[str] = set().union(*(self.named_by(path) for path in self.manifests()), set())
        for digest in digests - used:
            self.blob(digest).unlink(missing_ok=True)

    def prune(self) -> None:
        """What a restart does with old blobs that no manifest names."""
        blobs = self.folder / "blobs"
        self.remove_unnamed({path.name.replace("-", ":") for path in blobs.glob("sha256-*")})

    def copy(self, source: Path, destination: Name) -> None:
        target = self.path_of(destination)
        if source != target:
            self.write(target, source.read_bytes())

    def delete(self, path: Path) -> None:
        old = self.named_by(path)
        os.unlink(path)
        self.remove_unnamed(old)

    def digest(self, path: Path) -> str:
        return hashlib.sha256(path.read_bytes()).hexdigest()

    def texts(self, path: Path, kind: str) -> list[str]:
        """The contents of the layers of one kind."""
        layers = self.read(path)["layers"]
        found = [layer for layer in layers if layer["mediaType"] == LAYER + kind]
        return [self.blob(layer["digest"]).read_text("utf-8") for layer in found]

    def model_blob(self, path: Path) -> Path:
        layers = self.read(path)["layers"]
        return self.blob(next(layer["digest"] for layer in layers if layer["mediaType"] == LAYER + "model"))

    def config(self, path: Path) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.blob(self.read(path)["config"]["digest"]).read_bytes())
        return content

    def lookup(self, text: str) -> Path | None:
        name = parse_name(text)
        return self.find(name) if name else None
