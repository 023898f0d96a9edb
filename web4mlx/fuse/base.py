"""The base as the fuse stage sees it: shards, tensors and places, checked before anything is written."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from web4mlx.errors import MissingPrerequisite, UsageError
from web4mlx.fuse.floats import VALUE_BYTES
from web4mlx.models.safetensors_header import TensorInfo, read_safetensors_header
from web4mlx.models.tokenizer import TOKENIZER_FILES

INDEX = "model.safetensors.index.json"
COPIED_FILES = (*TOKENIZER_FILES, "config.json", INDEX, "LICENSE", "NOTICE")
DOWNLOAD = "Download the base again: `web4mlx download`."


@dataclass(frozen=True)
class ModelFiles:
    """A model folder: its configuration, and the tensors of each shard file in the order of their data."""

    folder: Path
    config: dict[str, Any]
    shards: dict[str, dict[str, TensorInfo]]

    @property
    def tensors(self) -> dict[str, TensorInfo]:
        """All tensors by name."""
        return {name: info for shard in self.shards.values() for name, info in shard.items()}

    @property
    def size_bytes(self) -> int:
        """Bytes of all shards."""
        return sum(max(info.end for info in shard.values()) for shard in self.shards.values())


def read_model_files(folder: Path) -> ModelFiles:
    """Read the configuration and the headers of all shards of a model that is not quantized.

    Raises:
        MissingPrerequisite: A file is missing or truncated, or the index names a tensor no shard has.
        UsageError: The model is quantized, stored in an unsupported format, or its files contradict.
    """
    config = read_json(folder / "config.json")
    names = shard_names(folder)
    shards = {name: read_safetensors_header(folder / name) for name in names}
    files = ModelFiles(folder, config, shards)
    refuse_quantized(files)
    check_index(files)
    return files


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a model folder."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise MissingPrerequisite(f"{path}: no such file", DOWNLOAD) from error
    except ValueError as error:
        raise UsageError(f"{path}: not valid JSON: {error}", DOWNLOAD) from error
    if not isinstance(content, dict):
        raise UsageError(f"{path}: expected a JSON object, found {type(content).__name__}", DOWNLOAD)
    return content


def shard_names(folder: Path) -> list[str]:
    """File names of the shards: of the index when there is one, else the single file."""
    if not (folder / INDEX).is_file():
        return ["model.safetensors"]
    weight_map = read_json(folder / INDEX).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise UsageError(f"{folder / INDEX}: weight_map: expected a table of tensor and file names", DOWNLOAD)
    names = sorted(set(weight_map.values()))
    if bad := [name for name in names if Path(name).name != name]:
        raise UsageError(f"{folder / INDEX}: weight_map names files outside the folder: {bad[0]}", DOWNLOAD)
    return names


def refuse_quantized(files: ModelFiles) -> None:
    """Refuse a model whose weights are packed or rounded to a grid.

    Adding an adapter to such weights means rounding the sum to the grid again, which erases most of it.
    """
    keys = [key for key in ("quantization", "quantization_config") if files.config.get(key)]
    packed = [name for name in files.tensors if name.endswith((".scales", ".biases", ".qweight"))]
    odd = {name: info.dtype for name, info in files.tensors.items() if info.dtype not in VALUE_BYTES}
    if not keys and not packed and not odd:
        return
    reason = f"config.json has {keys[0]!r}" if keys else f"it has the tensor {(packed or list(odd))[0]}"
    if odd and not keys and not packed:
        reason += f" of type {next(iter(odd.values()))}"
    raise UsageError(
        f"{files.folder}: the model is quantized ({reason}); merging into quantized weights would erase "
        "the adapter",
        "Use the unquantized base (bfloat16, float16 or float32) that belongs to it.",
    )


def check_index(files: ModelFiles) -> None:
    """Check that the index and the shards agree on every tensor."""
    if not (files.folder / INDEX).is_file():
        return
    promised: dict[str, str] = read_json(files.folder / INDEX)["weight_map"]
    found = {name: file for file, shard in files.shards.items() for name in shard}
    for name, file in promised.items():
        if found.get(name) != file:
            raise MissingPrerequisite(
                f"{files.folder / file}: tensor {name} of the index is missing", DOWNLOAD
            )
    if extra := sorted(found.keys() - promised.keys()):
        raise UsageError(f"{files.folder / found[extra[0]]}: tensor {extra[0]} is not in the index", DOWNLOAD)
