"""Loading a model folder, and an adapter on top, into MLX."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from web4mlx.engines.base import Request
from web4mlx.errors import MissingPrerequisite, StageCrashed
from web4mlx.machine.describe import chip_name
from web4mlx.machine.mlx_runtime import DeviceChoice, DtypeChoice, choose_dtype, load_mlx
from web4mlx.models.tokenizer import ChatTokenizer


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to answer: `context` is its limit in tokens, `end_token_ids` end an answer."""

    model: Any
    tokenizer: ChatTokenizer
    end_token_ids: frozenset[int]
    context: int
    dtype: str
    device: str


def load_model(folder: Path, adapter: Path | None, device: DeviceChoice, dtype: DtypeChoice) -> LoadedModel:
    """Load a model in the precision that training uses on this machine.

    Raises:
        MissingPrerequisite: A file is missing.
        StageCrashed: mlx-lm cannot load the model or the adapter; says why.
    """
    config_file = folder / "config.json"
    if not config_file.is_file():
        raise MissingPrerequisite(f"{config_file}: missing", "Name a folder in Hugging Face layout.")
    tokenizer = ChatTokenizer(folder)
    layers = find_adapter(adapter) if adapter else None
    mx = load_mlx(device)
    on_gpu = mx.default_device() == mx.gpu
    precision = choose_dtype(dtype, chip_name(), on_gpu)
    try:
        model, config = _load(folder, layers, getattr(mx, precision))
    except Exception as error:  # mlx-lm raises many kinds for a file it cannot use
        what = f"{folder} with {layers}" if layers else str(folder)
        raise StageCrashed(
            f"{what}: mlx-lm cannot load it: {error}", "Check it with `web4mlx download` or `web4mlx verify`."
        ) from error
    return LoadedModel(
        model=model,
        tokenizer=tokenizer,
        end_token_ids=read_end_tokens(folder, config) | {tokenizer.end_token_id},
        context=int(config.get("max_position_embeddings", 4096)),
        dtype=precision,
        device="gpu" if on_gpu else "cpu",
    )


def _load(folder: Path, adapter: Path | None, dtype: Any) -> tuple[Any, dict[str, Any]]:
    import mlx.core as mx
    from mlx_lm.tuner.utils import load_adapters
    from mlx_lm.utils import load_model as load_mlx_lm_model

    model, config = load_mlx_lm_model(folder, lazy=True)
    model.set_dtype(dtype)
    if adapter is not None:
        model = load_adapters(model, str(adapter))
    model.eval()
    mx.eval(model.parameters())
    return model, config


def find_adapter(folder: Path) -> Path:
    """The folder in mlx-lm's layout: the given one, or the `mlx` folder of a run.

    Raises:
        MissingPrerequisite: Neither holds an adapter.
    """
    for candidate in (folder / "mlx", folder):
        if (candidate / "adapters.safetensors").is_file() and (candidate / "adapter_config.json").is_file():
            return candidate
    raise MissingPrerequisite(
        f"{folder}: no adapter in it (mlx/adapters.safetensors)", "Name a training run."
    )


def read_end_tokens(folder: Path, config: dict[str, Any]) -> frozenset[int]:
    """Ids that end an answer, as generation_config.json and config.json state them."""
    found: set[int] = set()
    sources = [config]
    generation = folder / "generation_config.json"
    if generation.is_file():
        sources.append(json.loads(generation.read_text("utf-8")))
    for source in sources:
        value = source.get("eos_token_id")
        found.update([value] if isinstance(value, int) else value or [])
    return frozenset(found)


def encode_request(tokenizer: ChatTokenizer, request: Request) -> list[int]:
    """The prompt's token ids: a chat through the template, a raw prompt as it is."""
    if request.prompt is not None:
        return tokenizer.encode(request.prompt)
    return tokenizer.encode(tokenizer.render(request.messages, add_generation_prompt=True))
