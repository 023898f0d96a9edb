"""The plan's JSON form of a configuration (`training_args`, `lora_config`, `data_args`, `mps_optimization`).

Keys are renamed to those of the schema; values are checked there. Keys without a counterpart are reported
as problems, never ignored. Values that say what the program does anyway are accepted and dropped.
"""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from web4mlx.models.catalog import CATALOG

SECTIONS = ("training_args", "lora_config", "data_args", "mps_optimization")
TOP = {
    "model_name_or_path": "model.base",
    "base_model": "model.base",
    "model_path": "model.base",
    "output_dir": "outputs",
    "train_files": "data.train",
    "dataset_files": "data.train",
    "eval_file": "data.eval",
}
KEYS = {
    "training_args": {
        "num_train_epochs": "training.epochs",
        "per_device_train_batch_size": "training.batch_size",
        "gradient_accumulation_steps": "training.gradient_accumulation_steps",
        "learning_rate": "training.learning_rate",
        "lr_scheduler_type": "training.lr_scheduler",
        "warmup_steps": "training.warmup_steps",
        "weight_decay": "training.weight_decay",
        "max_grad_norm": "training.max_grad_norm",
        "logging_steps": "training.logging_steps",
        "save_steps": "training.save_steps",
        "eval_steps": "training.eval_steps",
        "save_total_limit": "training.save_total_limit",
        "seed": "training.seed",
        "output_dir": "outputs",
        "optim": "training.optimizer",
    },
    "lora_config": {
        "r": "lora.rank",
        "lora_alpha": "lora.alpha",
        "alpha": "lora.alpha",
        "lora_dropout": "lora.dropout",
        "dropout": "lora.dropout",
        "target_modules": "lora.target_modules",
        "bias": "lora.bias",
    },
    "data_args": {
        "max_seq_length": "data.max_seq_length",
        "train_files": "data.train",
        "dataset_files": "data.train",
        "eval_file": "data.eval",
        "padding": "data.batching",
        "truncation": "data.too_long",
    },
    "mps_optimization": {
        "use_mps": "hardware.device",
        "mps_memory_fraction": "hardware.memory_fraction",
        "precision": "hardware.dtype",
    },
}
ALWAYS_SO = {
    ("training_args", "report_to"): ("tensorboard", ["tensorboard"]),
    ("training_args", "fp16"): (True, False),
    ("lora_config", "task_type"): ("CAUSAL_LM",),
}
VALUES: Mapping[str, Mapping[Any, Any]] = {
    "hardware.device": {True: "auto", False: "cpu"},
    "hardware.dtype": {"fp16": "float16", "FP16": "float16", "bf16": "bfloat16", "fp32": "float32"},
    "data.batching": {"max_length": "max_length", True: "bucketed", "longest": "bucketed", False: "bucketed"},
    "data.too_long": {True: "keep_head", False: "drop"},
    "lora.bias": {None: "none"},
    "training.optimizer": {"adamw_torch": "adamw", "AdamW": "adamw"},
}


def is_plan_form(raw: Mapping[str, Any]) -> bool:
    """Whether the tables are of the plan's older form."""
    return any(section in raw for section in SECTIONS)


def translate_plan_form(raw: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Rename the plan's keys to the schema's.

    Returns:
        The tables of the schema, and one line for each key that has no counterpart.
    """
    result: dict[str, Any] = {}
    problems: list[str] = []
    for key, value in raw.items():
        if key not in SECTIONS:
            _translate(result, problems, key, value)
        elif isinstance(value, Mapping):
            for name, setting in value.items():
                _translate(result, problems, name, setting, section=key)
        else:
            problems.append(f"{key} = {value!r}: expected a table of settings")
    _split_output_folder(result)
    _split_model_folder(result)
    return result, problems


def _translate(
    result: dict[str, Any],
    problems: list[str],
    name: str,
    value: Any,
    section: str = "",
) -> None:
    dotted = f"{section}.{name}" if section else name
    if accepted := ALWAYS_SO.get((section, name)):
        if value not in accepted:
            problems.append(f"{dotted} = {value!r}: only {accepted[0]!r} is possible")
        return
    known = KEYS[section] if section else TOP
    target = known.get(name)
    if target is None:
        near = difflib.get_close_matches(name, known, n=1)
        advice = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(sorted(known))}"
        problems.append(f"{dotted} = {value!r}: unknown key; {advice}")
        return
    choices = VALUES.get(target, {})
    if isinstance(value, str | bool | None) and value in choices:
        value = choices[value]
    table = result
    *parents, leaf = target.split(".")
    for parent in parents:
        table = table.setdefault(parent, {})
    table[leaf] = value


def _split_output_folder(result: dict[str, Any]) -> None:
    """The plan's output_dir names the adapter (`outputs/web4_balanced_lora`): folder and run name."""
    outputs = result.get("outputs")
    if isinstance(outputs, str) and outputs.rstrip("/").endswith("_lora"):
        path = Path(outputs)
        result["outputs"] = str(path.parent)
        result["name"] = path.name.removesuffix("_lora")


def _split_model_folder(result: dict[str, Any]) -> None:
    """The plan names the base by its folder (`models/NAME`); one of the catalogue can then be downloaded."""
    base = result.get("model", {}).get("base")
    if isinstance(base, str) and (path := Path(base)).name in {entry.name for entry in CATALOG}:
        result["model"] |= {"base": path.name, "folder": str(path.parent)} if path.parent.name else {}
