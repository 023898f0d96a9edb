"""Making a model of an uploaded file: what the Modelfile says, as the fields of a create request."""

from typing import Any

from web4mlx.deploy.names import ModelName
from web4mlx.engines.ollama_server import OllamaServer
from web4mlx.errors import StageCrashed, Web4Error
from web4mlx.events import EventLog, Progress
from web4mlx.modelfile import Modelfile

NO_QUANTIZER = "llama-quantize"


def create_fields(modelfile: Modelfile, file_name: str, sha256: str) -> dict[str, Any]:
    """The arguments of `ollama.Client.create` for a Modelfile whose FROM is an uploaded file.

    Never `from_`: what looks like a model's name there would be fetched from a registry.
    """
    parameters = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in modelfile.parameters.items()
    }
    messages = [{"role": turn.role, "content": turn.content} for turn in modelfile.messages]
    fields = {
        "files": {file_name: f"sha256:{sha256}"},
        "template": modelfile.template,
        "system": modelfile.system,
        "parameters": parameters,
        "messages": messages,
        "license": list(modelfile.licenses),
    }
    return {name: value for name, value in fields.items() if value}


def create_model(server: OllamaServer, name: ModelName, fields: dict[str, Any], log: EventLog) -> None:
    """Create a model and wait until the server says `success`.

    Raises:
        Web4Error: It was not created; what had this name before is as it was.
    """
    status = ""
    try:
        with server.failures(f"creating {name}"):
            lines = server.client.create(str(name), **fields, stream=True)
            for number, line in enumerate(lines, 1):
                status = line.status or status
                steps: dict[str, Any] = {"done": number, "unit": "steps"}
                if line.total:
                    steps = {"done": line.completed or 0, "total": line.total, "unit": "bytes"}
                log.write(Progress, message=f"create: {status}", **steps)
    except Web4Error as error:
        if NO_QUANTIZER in error.message:
            error.hint = (
                "This installation of Ollama lacks a part of itself: install it again from "
                "ollama.com/download. Nothing was changed."
            )
        raise
    if status != "success":
        raise StageCrashed(
            f"{server.url}: creating {name} ended without success, at {status or 'its beginning'!r}",
            "Look at the server's log and import again. Nothing was changed.",
        )
