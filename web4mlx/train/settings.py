"""What decides the trained weights: inputs, settings, and a fingerprint of both. Loads nothing heavy."""

import json

from web4mlx.artifacts import Input, describe_input, sha256_bytes
from web4mlx.config.schema import RunConfig
from web4mlx.models.base import find_base


def describe_inputs(config: RunConfig) -> dict[str, Input]:
    """Manifest entries of everything a training run depends on."""
    files = {f"data:{file.name}": file for file in (*config.data.train, config.data.eval)}
    inputs = {name: describe_input(file) for name, file in files.items()}
    if config.data.selection:
        inputs["selection"] = describe_input(config.data.selection)
    inputs["base"] = describe_input(find_base(config.model))
    inputs["modelfile"] = describe_input(config.modelfile)
    return inputs


DISPLAY_ONLY = (
    "logging_steps", "save_total_limit", "loss_low", "loss_high", "final_loss", "samples_per_second",
    "recompute", "compile", "sample_prompts", "sample_tokens",
)  # fmt: skip


def training_settings(config: RunConfig) -> dict[str, object]:
    """The part of the configuration that decides the trained weights.

    A key that came later is left out while it is not set, so that older runs keep their fingerprint.
    """
    unset = {"base_bits"} if config.training.base_bits is None else set()
    return {
        "data": {
            "max_seq_length": config.data.max_seq_length,
            "too_long": config.data.too_long,
            "batching": config.data.batching,
            "validation_rows": config.data.validation_rows,
        },
        "training": config.training.model_dump(mode="json", exclude={*DISPLAY_ONLY, *unset}),
        "lora": config.lora.model_dump(mode="json"),
        "dtype": config.hardware.dtype,
    }


def fingerprint(config: RunConfig, inputs: dict[str, Input]) -> str:
    """SHA-256 over all that decides the trained weights: configuration, data, base, system prompt."""
    digests = {name: item.sha256 for name, item in inputs.items()}
    return sha256_bytes(json.dumps([training_settings(config), digests], sort_keys=True).encode())
