"""What has to hold before anything is sent to a server: its version, the name, the disk."""

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from web4mlx.deploy.names import ModelName, refuse_case_clash
from web4mlx.engines.endpoint import is_loopback
from web4mlx.engines.ollama_server import OllamaServer
from web4mlx.errors import MissingPrerequisite, UsageError
from web4mlx.machine.disk import require_free_disk
from web4mlx.modelfile import Modelfile

# 0.5.5 is the first whose create takes files, template, system and parameters as JSON instead of a Modelfile
LEAST_VERSION = (0, 5, 5)
SERVICE_MODELS = Path("/usr/share/ollama/.ollama/models")
COPIES_ON_DISK = 2  # the upload, and the rewritten file that newer servers make of it
MARGIN_BYTES = 1 << 28


def check_server(server: OllamaServer, name: ModelName) -> str:
    """Check the server's version and that the name clashes with none that it has.

    Returns:
        The version.

    Raises:
        MissingPrerequisite: There is no server, or it is too old.
        UsageError: The name clashes.
    """
    version = server.version()
    if parse_version(version) < LEAST_VERSION:
        least = ".".join(map(str, LEAST_VERSION))
        raise MissingPrerequisite(
            f"{server.url}: Ollama {version} is too old; {least} is the first that creates models from files",
            "Update Ollama (ollama.com/download).",
        )
    refuse_case_clash(name, server.digests())
    return version


def parse_version(text: str) -> tuple[int, ...]:
    """The numbers of a version; a development build, 0.0.0, counts as new."""
    match = re.match(r"v?(\d+)\.(\d+)\.(\d+)", text)
    numbers = tuple(map(int, match.groups())) if match else (0, 0, 0)
    return numbers if any(numbers) else (1 << 30, 0, 0)


def check_disk(server: OllamaServer, gguf: Path) -> None:
    """Check the disk that the models of a server on this machine are kept on.

    Raises:
        MissingPrerequisite: Two copies of the file would not fit.
    """
    if is_loopback(urlsplit(server.url).hostname or ""):
        needed = COPIES_ON_DISK * gguf.stat().st_size + MARGIN_BYTES
        require_free_disk(models_folder(), needed, "importing into Ollama")


def models_folder() -> Path:
    """Where Ollama on this machine keeps its models, as far as can be known from here."""
    named = os.environ.get("OLLAMA_MODELS", "").strip("\"' ")
    if named:
        return Path(named)
    own = Path.home() / ".ollama" / "models"
    return SERVICE_MODELS if not own.exists() and SERVICE_MODELS.exists() else own


def check_sendable(modelfile: Modelfile) -> None:
    """Check that the server can be told everything that a Modelfile says.

    Raises:
        UsageError: It says something that the interface has no field for.
    """
    extras = {
        "a second FROM": modelfile.also_from, "ADAPTER": modelfile.adapter, "DRAFT": modelfile.draft,
        "RENDERER": modelfile.renderer, "PARSER": modelfile.parser, "REQUIRES": modelfile.requires,
    }  # fmt: skip
    if unsendable := [command for command, value in extras.items() if value]:
        raise UsageError(
            f"the Modelfile has {', '.join(unsendable)}, which cannot be imported",
            "The model is one fused GGUF; remove these lines.",
        )
