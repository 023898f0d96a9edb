"""A GGUF and its Modelfile as Ollama's clients see a model: name, entry in the list, what `show` says."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from web4mlx.artifacts import sha256_file
from web4mlx.deploy.gguf_facts import GgufFacts, read_facts
from web4mlx.modelfile import Modelfile, sampling_options, write_modelfile
from web4mlx.serving.gguf_backend import ServedModel
from web4mlx.serving.shapes import stamp


def describe_model(gguf: Path, modelfile: Modelfile, name: str, context: int) -> ServedModel:
    """What clients see.

    Args:
        gguf: The model; its header is read, and its digest taken from the cache or computed.
        modelfile: SYSTEM, turns and parameters.
        name: What it is called; without a tag `latest`.
        context: Tokens of prompt and answer together, as loaded.

    Raises:
        CheckFailed: It is no GGUF, or has no chat template.
        UsageError: A parameter of the Modelfile cannot be used.
    """
    facts = read_facts(gguf)
    full_name = name if ":" in name.rpartition("/")[2] else f"{name}:latest"
    tag = list_entry(gguf, facts, full_name, context)
    shown = shown_fields(modelfile, facts, context)
    return ServedModel(
        name=full_name,
        context=context,
        options=sampling_options(modelfile),
        opening=tuple(modelfile.chat("")[:-1]),
        shown={**shown, "details": tag["details"], "modified_at": tag["modified_at"]},
        tag=tag,
    )


def list_entry(gguf: Path, facts: GgufFacts, full_name: str, context: int) -> dict[str, Any]:
    """The model in the list of models."""
    details = {
        "parent_model": "",
        "format": "gguf",
        "family": facts.architecture,
        "families": [facts.architecture],
        "parameter_size": "",
        "quantization_level": facts.quantization,
    }
    return {
        "name": full_name,
        "model": full_name,
        "modified_at": stamp(datetime.fromtimestamp(gguf.stat().st_mtime, UTC)),
        "size": gguf.stat().st_size,
        "digest": sha256_file(gguf),
        "details": details,
        "context_length": context,
    }


def shown_fields(modelfile: Modelfile, facts: GgufFacts, context: int) -> Mapping[str, Any]:
    """What `show` says beside the details; the template is the GGUF's own, which is the one in use."""
    capabilities = ["completion"] + (["tools"] if "tools" in facts.chat_template else [])
    lines = [
        f"{name:<30} {item}"
        for name, value in modelfile.parameters.items()
        for item in (value if isinstance(value, tuple) else (value,))
    ]
    family = facts.architecture
    return {
        "modelfile": write_modelfile(modelfile),
        "parameters": "\n".join(lines),
        "template": facts.chat_template,
        "system": modelfile.system,
        "model_info": {"general.architecture": family, f"{family}.context_length": context},
        "capabilities": capabilities,
    }
