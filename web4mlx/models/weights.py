"""Which tensors a configuration promises, and whether the weight files keep the promise.

Reads headers only: a 15 GB model is checked in milliseconds. Shapes are computed from config.json.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from web4mlx.errors import Web4Error
from web4mlx.models.safetensors_header import TensorInfo, read_safetensors_header

SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
TRAINABLE_DTYPES = ("BF16", "F16", "F32")
SUPPORTED = ("llama", "qwen2")
IGNORED_SUFFIX = ".rotary_emb.inv_freq"  # a buffer that old checkpoints carry and nobody reads
Shapes = dict[str, tuple[int, ...]]


def expected_shapes(config: Mapping[str, Any]) -> Shapes:
    """Name and shape of each tensor that a config.json of a llama or qwen2 model promises.

    Raises:
        KeyError: The configuration lacks a size.
        ValueError: The architecture is another one.
    """
    if config.get("model_type") not in SUPPORTED:
        raise ValueError(f"model_type {config.get('model_type')!r}, expected one of {', '.join(SUPPORTED)}")
    hidden, rows = int(config["hidden_size"]), int(config["vocab_size"])
    shapes: Shapes = {"model.embed_tokens.weight": (rows, hidden), "model.norm.weight": (hidden,)}
    for index in range(int(config["num_hidden_layers"])):
        shapes |= {f"model.layers.{index}.{name}": shape for name, shape in layer_shapes(config).items()}
    if not config.get("tie_word_embeddings", False):
        shapes["lm_head.weight"] = (rows, hidden)
    return shapes


def layer_shapes(config: Mapping[str, Any]) -> Shapes:
    """Name and shape of the tensors of one transformer layer."""
    hidden, wide = int(config["hidden_size"]), int(config["intermediate_size"])
    heads = int(config["num_attention_heads"])
    head_size = int(config.get("head_dim") or hidden // heads)
    queries, keys = heads * head_size, int(config.get("num_key_value_heads") or heads) * head_size
    projections = {
        "self_attn.q_proj": (queries, hidden),
        "self_attn.k_proj": (keys, hidden),
        "self_attn.v_proj": (keys, hidden),
        "self_attn.o_proj": (hidden, queries),
        "mlp.gate_proj": (wide, hidden),
        "mlp.up_proj": (wide, hidden),
        "mlp.down_proj": (hidden, wide),
    }
    shapes: Shapes = {f"{name}.weight": shape for name, shape in projections.items()}
    shapes |= {f"{name}.bias": projections[name][:1] for name in biased_projections(config)}
    return shapes | {"input_layernorm.weight": (hidden,), "post_attention_layernorm.weight": (hidden,)}


def biased_projections(config: Mapping[str, Any]) -> list[str]:
    """The projections that have a bias: q, k and v in qwen2; what the configuration says in llama."""
    if config["model_type"] == "qwen2":
        return ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]
    attention = [f"self_attn.{name}_proj" for name in "qkvo"] if config.get("attention_bias") else []
    return attention + (
        [f"mlp.{name}_proj" for name in ("gate", "up", "down")] if config.get("mlp_bias") else []
    )


def weight_files(folder: Path) -> list[Path]:
    """The weight files that a folder should have: those its index names, or the single one."""
    index = folder / INDEX_FILE
    if not index.is_file():
        return [folder / SINGLE_FILE]
    return [folder / name for name in sorted(set(read_weight_map(index).values()))]


def read_weight_map(index: Path) -> dict[str, str]:
    """Tensor name → shard file, from an index.

    Raises:
        ValueError: The index is not valid.
    """
    try:
        weight_map = json.loads(index.read_text("utf-8"))["weight_map"]
        return {str(name): str(file) for name, file in weight_map.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{index}: not a valid index of shards") from error


def read_weights(folder: Path) -> tuple[dict[str, TensorInfo], list[str]]:
    """The tensors of a model folder and the problems of its weight files.

    Problems: a shard that is missing, truncated or malformed; a tensor in two shards or in another than the
    index says; a shard or tensor the index does not know.
    """
    try:
        files = weight_files(folder)
    except ValueError as error:
        return {}, [str(error)]
    tensors: dict[str, TensorInfo] = {}
    homes: dict[str, str] = {}
    problems = []
    for file in files:
        if not file.is_file():
            named = f"named in {INDEX_FILE}, but missing" if file.name != SINGLE_FILE else "missing"
            problems.append(f"{file.name}: {named}")
            continue
        try:
            header = read_safetensors_header(file)
        except Web4Error as error:
            problems.append(error.message)
            continue
        problems += [f"{name}: in {homes[name]} and in {file.name}" for name in header if name in homes]
        tensors |= header
        homes |= dict.fromkeys(header, file.name)
    if not problems and (folder / INDEX_FILE).is_file():
        problems = compare_with_index(folder, homes, files)
    return tensors, problems


def compare_with_index(folder: Path, homes: Mapping[str, str], files: list[Path]) -> list[str]:
    """Differences between where the index says that tensors are and where they are."""
    promised = read_weight_map(folder / INDEX_FILE)
    problems = [
        f"{name}: the index says {file}, found in {homes.get(name, 'no shard')}"
        for name, file in promised.items()
        if homes.get(name) != file
    ]
    problems += [f"{name}: in {homes[name]}, but not in the index" for name in homes if name not in promised]
    strays = set(folder.glob("model*.safetensors")) - set(files)
    return problems + [f"{file.name}: a weight file that the index does not name" for file in sorted(strays)]


def compare_shapes(tensors: Mapping[str, TensorInfo], config: Mapping[str, Any]) -> list[str]:
    """Tensors that are missing, unexpected, of a wrong shape, or in a format that cannot be trained."""
    try:
        shapes = expected_shapes(config)
    except KeyError as error:
        return [f"config.json: {error.args[0]} is missing"]
    except (ValueError, TypeError) as error:
        return [f"config.json: {error}"]
    problems = [
        f"{name}: missing, expected {list(shape)}" for name, shape in shapes.items() if name not in tensors
    ]
    for name, info in tensors.items():
        if name not in shapes:
            if not name.endswith(IGNORED_SUFFIX):
                problems.append(f"{name}: unexpected tensor {list(info.shape)}")
        elif info.shape != shapes[name]:
            problems.append(
                f"{name}: shape {list(info.shape)}, expected {list(shapes[name])} from config.json"
            )
        elif info.dtype not in TRAINABLE_DTYPES:
            problems.append(f"{name}: stored as {info.dtype}, expected one of {', '.join(TRAINABLE_DTYPES)}")
    return problems
