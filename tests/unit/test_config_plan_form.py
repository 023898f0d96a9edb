"""The plan's JSON form of a configuration: translated faithfully, and nothing in it is ignored."""

import json
from pathlib import Path
from typing import Any

import pytest

from web4mlx.config import RunConfig, find_config, load_config
from web4mlx.errors import Problems

FILES = (
    "style_core", "domain_patterns", "process_framework", "domain_representatives",
    "style_refactor", "guardrails", "tool_awareness", "reporting_protocol",
)  # fmt: skip


def plan() -> dict[str, Any]:
    """The file that the plan describes, section by section."""
    return {
        "base_model": "./models/qwen2.5-coder-7b-instruct",
        "output_dir": "./outputs/web4_balanced_lora",
        "train_files": [f"./data/{stem}.jsonl" for stem in FILES],
        "eval_file": "./data/eval.jsonl",
        "training_args": {
            "num_train_epochs": 2,
            "per_device_train_batch_size": 1,
            "gradient_accumulation_steps": 12,
            "learning_rate": 2e-4,
            "lr_scheduler_type": "cosine",
            "warmup_steps": 100,
            "weight_decay": 0.01,
            "max_grad_norm": 1.0,
            "logging_steps": 50,
            "save_steps": 500,
            "eval_steps": 500,
            "save_total_limit": 3,
            "optim": "adamw_torch",
            "report_to": "tensorboard",
        },
        "lora_config": {
            "r": 16,
            "lora_alpha": 32,
            "lora_dropout": 0.05,
            "target_modules": [
                "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj",
            ],
            "task_type": "CAUSAL_LM",
            "bias": "none",
        },
        "data_args": {"max_seq_length": 2048, "truncation": True, "padding": "max_length"},
        "mps_optimization": {"use_mps": True, "mps_memory_fraction": 0.85, "precision": "fp16"},
    }  # fmt: skip


def load(folder: Path, tables: dict[str, Any]) -> RunConfig:
    file = folder / "balanced_training.json"
    file.write_text(json.dumps(tables), "utf-8")
    return load_config(file)


def test_the_plans_file_means_the_real_job(tmp_path: Path) -> None:
    config, real = load(tmp_path, plan()), load_config(find_config("balanced_training"))
    asked = {"sample_prompts": real.training.sample_prompts}  # which that file cannot state
    assert config.training.model_copy(update=asked) == real.training
    assert config.lora == real.lora
    assert (config.name, config.outputs) == ("web4_balanced", Path("outputs"))
    assert (config.data.train, config.data.eval) == (real.data.train, real.data.eval)
    assert (config.data.max_seq_length, config.data.too_long) == (2048, "keep_head")
    assert config.data.batching == "max_length"
    assert (config.hardware.device, config.hardware.dtype) == ("auto", "float16")
    assert config.hardware.memory_fraction == 0.85


def test_the_base_can_be_downloaded_to_the_folder_the_plan_names(tmp_path: Path) -> None:
    model = load(tmp_path, plan()).model
    assert (model.base, model.folder) == ("qwen2.5-coder-7b-instruct", Path("models"))


def test_a_base_folder_of_ones_own_stays_a_folder(tmp_path: Path) -> None:
    tables = plan() | {"base_model": "./my/model"}
    assert load(tmp_path, tables).model.base == "./my/model"


def test_unknown_keys_of_every_section_are_reported_beside_wrong_values(tmp_path: Path) -> None:
    tables = plan() | {"use_wandb": True}
    tables["training_args"] |= {"learning_rat": 1, "warmup_steps": -1, "report_to": "wandb"}
    tables["lora_config"]["modules_to_save"] = ["lm_head"]
    with pytest.raises(Problems) as caught:
        load(tmp_path, tables)
    report = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 5
    assert "use_wandb = True: unknown key" in report
    assert "training_args.learning_rat = 1: unknown key; did you mean 'learning_rate'?" in report
    assert "training_args.report_to = 'wandb': only 'tensorboard' is possible" in report
    assert "lora_config.modules_to_save = ['lm_head']: unknown key" in report
    assert "training.warmup_steps = -1: " in report


def test_a_section_that_is_no_table_is_reported(tmp_path: Path) -> None:
    with pytest.raises(Problems, match="lora_config = 16: expected a table"):
        load(tmp_path, plan() | {"lora_config": 16})


@pytest.mark.parametrize(
    ("section", "key", "value", "dotted", "expected"),
    [
        ("lora_config", "bias", None, "lora.bias", "none"),
        ("data_args", "truncation", False, "data.too_long", "drop"),
        ("data_args", "padding", "longest", "data.batching", "bucketed"),
        ("mps_optimization", "use_mps", False, "hardware.device", "cpu"),
        ("mps_optimization", "precision", "bf16", "hardware.dtype", "bfloat16"),
    ],
)
def test_values_in_the_plans_words_are_translated(
    tmp_path: Path, section: str, key: str, value: object, dotted: str, expected: str
) -> None:
    tables = plan()
    tables[section][key] = value
    table, leaf = dotted.split(".")
    assert getattr(getattr(load(tmp_path, tables), table), leaf) == expected
