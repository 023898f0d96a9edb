"""The adapter folder: PEFT's layout at the root, mlx-lm's in `mlx/`, and reading it back.

Master weights are `NAME.lora_a` (inputs, rank) and `NAME.lora_b` (rank, outputs), float32, where NAME is the
module in MLX, e.g. `model.layers.0.self_attn.q_proj`. PEFT stores the transposes under
`base_model.model.NAME.lora_A.weight` and `…lora_B.weight`.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from web4mlx.artifacts import atomic_write
from web4mlx.config.schema import LoraConfig
from web4mlx.errors import MissingPrerequisite, UsageError

PEFT_PREFIX = "base_model.model."
FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Adapter:
    """An adapter as read from disk: per module A (rank, inputs) and B (outputs, rank), float32."""

    rank: int
    alpha: float
    base: str
    target_modules: tuple[str, ...]
    tensors: dict[str, tuple[FloatArray, FloatArray]]

    @property
    def scale(self) -> float:
        """The factor of the low-rank product, alpha / rank."""
        return self.alpha / self.rank


def write_adapter(
    folder: Path, adapters: dict[str, FloatArray], lora: LoraConfig, base: str, layers: int
) -> None:
    """Write both layouts into `folder`.

    Args:
        folder: An existing folder.
        adapters: Master weights, float32.
        lora: Rank, alpha, dropout and targets.
        base: Name of the base model.
        layers: Layers of the base model.
    """
    from safetensors.numpy import save_file

    peft, mlx = {}, {}
    for key, value in adapters.items():
        name, leaf = key.rsplit(".", 1)
        stored = np.ascontiguousarray(value.T.astype(np.float16))
        peft[f"{PEFT_PREFIX}{name}.{'lora_A' if leaf == 'lora_a' else 'lora_B'}.weight"] = stored
        mlx[key] = np.ascontiguousarray(value.astype(np.float16))
    (folder / "mlx").mkdir(exist_ok=True)
    save_file(peft, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    save_file(mlx, folder / "mlx" / "adapters.safetensors", metadata={"format": "mlx"})
    atomic_write(folder / "adapter_config.json", _json(peft_config(lora, base)))
    atomic_write(folder / "mlx" / "adapter_config.json", _json(mlx_config(lora, base, layers)))


def peft_config(lora: LoraConfig, base: str) -> dict[str, object]:
    """The content of PEFT's `adapter_config.json`."""
    config: dict[str, object] = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": base,
        "r": lora.rank, "lora_alpha": lora.alpha, "lora_dropout": lora.dropout, "bias": lora.bias,
        "target_modules": sorted(lora.target_modules), "inference_mode": True, "fan_in_fan_out": False,
        "init_lora_weights": True, "use_rslora": False, "use_dora": False,
    }  # fmt: skip
    return config


def mlx_config(lora: LoraConfig, base: str, layers: int) -> dict[str, object]:
    """The content of mlx-lm's `adapter_config.json`."""
    attention = {"q_proj", "k_proj", "v_proj", "o_proj"}
    keys = [f"{'self_attn' if name in attention else 'mlp'}.{name}" for name in sorted(lora.target_modules)]
    return {
        "model": base,
        "fine_tune_type": "lora",
        "num_layers": layers if lora.layers == "all" else min(int(lora.layers), layers),
        "lora_parameters": {
            "rank": lora.rank, "scale": lora.scale, "dropout": lora.dropout, "keys": keys,
        },
    }  # fmt: skip


def read_adapter(folder: Path) -> Adapter:
    """Read the PEFT layout of an adapter folder.

    Raises:
        MissingPrerequisite: A file is missing.
        UsageError: A file is damaged, or matrices do not come in pairs of the stated rank.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    weights, config_file = folder / "adapter_model.safetensors", folder / "adapter_config.json"
    for file in (weights, config_file):
        if not file.is_file():
            raise MissingPrerequisite(f"{file}: missing", "Name a finished adapter folder.")
    try:
        config = json.loads(config_file.read_text("utf-8"))
        rank, alpha = int(config["r"]), float(config["lora_alpha"])
        stored = load_file(weights)
    except (ValueError, KeyError, SafetensorError) as error:
        raise UsageError(f"{folder}: damaged adapter: {error}") from error
    halves: dict[str, dict[str, FloatArray]] = {}
    for key, value in stored.items():
        name, _, which = key.removeprefix(PEFT_PREFIX).removesuffix(".weight").rpartition(".")
        halves.setdefault(name, {})[which] = value.astype(np.float32)
    tensors = {}
    for name, pair in halves.items():
        a, b = pair.get("lora_A"), pair.get("lora_B")
        if a is None or b is None or a.shape[0] != rank or b.shape[1] != rank:
            raise UsageError(f"{weights}: {name} has no pair of matrices of rank {rank}")
        tensors[name] = (a, b)
    if not tensors:
        raise UsageError(f"{weights}: holds no LoRA matrices")
    return Adapter(rank, alpha, str(config.get("base_model_name_or_path", "")),
                   tuple(config.get("target_modules", ())), tensors)  # fmt: skip


def adapter_bytes(tensors: dict[str, tuple[int, int]], rank: int) -> int:
    """Size of the float16 adapter weights, from (outputs, inputs) of each adapted module."""
    return sum((outputs + inputs) * rank * 2 for outputs, inputs in tensors.values())


def _json(content: dict[str, object]) -> str:
    return json.dumps(content, indent=2) + "\n"
