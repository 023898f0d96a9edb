"""`web4mlx verify`: is a finished training run complete, sound, and does its adapter change the model?

Each check is a verdict with the figures behind it. What cannot be measured is `errored`, never passed.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from web4mlx.artifacts import read_manifest, sha256_file
from web4mlx.config import RunConfig, load_config
from web4mlx.config.schema import LoraConfig
from web4mlx.errors import CheckFailed, MissingPrerequisite, Web4Error
from web4mlx.events import Step, read_events
from web4mlx.models.tokenizer import TOKENIZER_FILES

REQUIRED = (
    "adapter_model.safetensors", "adapter_config.json", "mlx/adapters.safetensors", "mlx/adapter_config.json",
    "training_stats.json", "tokenizer.json", "tokenizer_config.json", "config.toml", "events.jsonl",
    "manifest.json",
)  # fmt: skip
SIZE_TOLERANCE = 0.05
UNSTABLE_GRAD_NORM = 10.0
MIN_LOGIT_CHANGE = 1e-3


class Check(BaseModel):
    """One check: name, verdict, and the figures."""

    model_config = ConfigDict(frozen=True)
    name: str
    verdict: Literal["passed", "failed", "errored"]
    detail: str


def verify_run(run: Path, config: RunConfig | None = None) -> list[Check]:
    """Run all checks on a finished run folder.

    Args:
        run: The run folder.
        config: What to expect of it; default: the configuration it was made with.

    Raises:
        MissingPrerequisite: The folder does not exist.
    """
    if not run.is_dir():
        raise MissingPrerequisite(f"{run}: no such run folder")
    missing = [name for name in REQUIRED if not (run / name).is_file()]
    structure = _check("structure", not missing, f"missing: {', '.join(missing)}" if missing else "complete")
    if missing:
        return [structure]
    config = config or load_config(run / "config.toml")
    checks = [structure]
    for part in (check_statistics, check_weights, check_curve, check_board, check_provenance, check_loading):
        try:
            checks.extend(part(run, config))
        except Web4Error as error:
            checks.append(Check(name=part.__name__.removeprefix("check_"), verdict="errored",
                                detail=error.message))  # fmt: skip
    return checks


def require_passed(run: Path, checks: list[Check]) -> None:
    """Raise unless every check passed.

    Raises:
        CheckFailed: Names those that did not.
    """
    bad = [check.name for check in checks if check.verdict != "passed"]
    if bad:
        raise CheckFailed(
            f"{run}: {len(bad)} of {len(checks)} checks did not pass: {', '.join(bad)}",
            "Do not fuse this run; docs/troubleshooting.md says what each check means.",
        )


def _check(name: str, passed: bool, detail: str) -> Check:
    return Check(name=name, verdict="passed" if passed else "failed", detail=detail)


def check_statistics(run: Path, config: RunConfig) -> Iterator[Check]:
    """training_stats.json is complete; the final loss lies in the configured range; throughput."""
    from web4mlx.train.finish import TrainingStats

    try:
        stats = TrainingStats.model_validate_json((run / "training_stats.json").read_text("utf-8"))
    except ValidationError as error:
        yield _check("statistics", False, f"{error.error_count()} fields missing or wrong")
        return
    yield _check(
        "statistics", stats.samples_seen > 0, f"{stats.samples_seen} samples in {stats.total_steps} steps"
    )
    low, high = config.training.final_loss
    yield _check(
        "final loss", low <= stats.train_loss <= high, f"{stats.train_loss:.4f}, expected {low}–{high}"
    )
    gain = (stats.base_val_loss or 0) - (stats.best_val_loss or 0)
    yield _check(
        "validation gain", stats.best_step > 0 and gain > 0,
        f"base {stats.base_val_loss} → {stats.best_val_loss} at step {stats.best_step}",
    )  # fmt: skip
    yield _check(
        "adapter is the best", stats.best_step in (0, stats.adapter_step),
        f"adapter of step {stats.adapter_step}, best is step {stats.best_step}",
    )  # fmt: skip
    wanted = config.training.samples_per_second
    if wanted:
        speed = stats.train_samples_per_second
        yield _check(
            "throughput", wanted[0] <= speed <= wanted[1], f"{speed:.2f} samples/s, expected {wanted}"
        )
    steps = [event for event, _ in read_events(run / "events.jsonl") if isinstance(event, Step)]
    if steps:
        forecast = steps[0].elapsed_s + steps[0].eta_s
        ratio = stats.train_runtime / max(forecast, 1e-9)
        yield _check(
            "time", ratio < 3, f"{stats.train_runtime:.0f} s, {ratio:.2f} × the forecast after the first step"
        )


def check_weights(run: Path, config: RunConfig) -> Iterator[Check]:
    """The adapter's size follows from rank and shapes; all weights are finite; both layouts agree."""
    import numpy as np
    from safetensors.numpy import load_file

    from web4mlx.models.base import find_base
    from web4mlx.models.safetensors_header import read_safetensors_header
    from web4mlx.train.adapter import PEFT_PREFIX, adapter_bytes, read_adapter

    adapter = read_adapter(run)
    shapes = adapted_shapes(find_base(config.model), config.lora)
    expected = adapter_bytes(shapes, config.lora.rank)
    header = read_safetensors_header(run / "adapter_model.safetensors")
    actual = sum(tensor.end - tensor.begin for tensor in header.values())
    yield _check(
        "adapter size", abs(actual - expected) <= SIZE_TOLERANCE * expected,
        f"{actual / 1e6:.2f} MB, computed {expected / 1e6:.2f} MB",
    )  # fmt: skip
    wrong = [
        name for name, (outputs, inputs) in shapes.items()
        if name not in adapter.tensors
        or adapter.tensors[name][0].shape != (config.lora.rank, inputs)
        or adapter.tensors[name][1].shape != (outputs, config.lora.rank)
    ]  # fmt: skip
    detail = f"{len(adapter.tensors)} of {len(shapes)} modules" + (f", wrong: {wrong[:3]}" if wrong else "")
    yield _check("adapter modules", not wrong and len(shapes) == len(adapter.tensors), detail)
    finite = all(np.isfinite(a).all() and np.isfinite(b).all() for a, b in adapter.tensors.values())
    yield _check("weights finite", finite, "no NaN or infinity" if finite else "holds NaN or infinity")
    mlx = load_file(run / "mlx" / "adapters.safetensors")
    peft = load_file(run / "adapter_model.safetensors")
    same = len(mlx) == len(peft) and all(
        np.array_equal(value.T, peft.get(f"{PEFT_PREFIX}{key[:-7]}.lora_{key[-1].upper()}.weight", ()))
        for key, value in mlx.items()
    )
    yield _check("layouts agree", same, f"{len(peft)} matrices in PEFT's and mlx-lm's layout")


def adapted_shapes(base: Path, lora: LoraConfig) -> dict[str, tuple[int, int]]:
    """(outputs, inputs) of each module an adapter covers, from the base's config.json."""
    from web4mlx.models.weights import expected_shapes

    architecture = json.loads((base / "config.json").read_text("utf-8"))
    layers = int(architecture["num_hidden_layers"])
    first = 0 if lora.layers == "all" else max(0, layers - int(lora.layers))
    shapes: dict[str, tuple[int, int]] = {}
    for key, shape in expected_shapes(architecture).items():
        name = key.removesuffix(".weight")
        parts = name.split(".")
        if key != name and parts[-1] in lora.target_modules and int(parts[2]) >= first:
            shapes[name] = (shape[0], shape[1])
    return shapes


def check_curve(run: Path, config: RunConfig) -> Iterator[Check]:
    """Loss and gradient norm of the event log: finite, stable, falling."""
    import math

    steps = {e.step: e for e, _ in read_events(run / "events.jsonl") if isinstance(e, Step)}
    reports = [steps[step] for step in sorted(steps)]
    if not reports:
        yield Check(name="loss curve", verdict="errored", detail="the event log has no step reports")
        return
    finite = all(math.isfinite(report.loss) for report in reports)
    yield _check("no NaN", finite, f"{len(reports)} reports, {reports[-1].skipped_steps} steps skipped")
    norm = max(report.grad_norm for report in reports)
    yield _check("gradient norms", norm <= UNSTABLE_GRAD_NORM,
                 f"largest reported {norm:.2f}, limit {UNSTABLE_GRAD_NORM:g}")  # fmt: skip
    yield _check("loss falls", reports[-1].loss < reports[0].loss or len(reports) == 1,
                 f"{reports[0].loss:.3f} → {reports[-1].loss:.3f}")  # fmt: skip


def check_board(run: Path, config: RunConfig) -> Iterator[Check]:
    """TensorBoard's files can be read and hold the loss."""
    from web4mlx.train.board import read_scalars

    try:
        points = read_scalars(run / "logs").get("train/loss", [])
    except ValueError as error:
        yield _check("TensorBoard", False, str(error))
        return
    yield _check("TensorBoard", bool(points), f"{len(points)} points of train/loss")


def check_provenance(run: Path, config: RunConfig) -> Iterator[Check]:
    """Tokenizer files are the base's own bytes; mask, template and system prompt are recorded."""
    from web4mlx.models.base import find_base
    from web4mlx.models.tokenizer import ChatTokenizer

    base = find_base(config.model)
    names = [name for name in TOKENIZER_FILES if (base / name).is_file()]
    different = [n for n in names if not (run / n).is_file() or sha256_file(run / n) != sha256_file(base / n)]
    yield _check(
        "tokenizer", not different, f"differs: {different}" if different else "identical to the base's"
    )
    manifest = read_manifest(run)
    metrics = manifest.metrics if manifest else {}
    recorded = metrics.get("tokenizer_sha256") == ChatTokenizer(base).digest and bool(
        metrics.get("supervision")
    )
    stats = json.loads((run / "training_stats.json").read_text("utf-8"))
    yield _check("mask and template recorded", recorded and bool(stats.get("system_prompt")),
                 f"supervised: {metrics.get('supervision', 'not recorded')}")  # fmt: skip


def check_loading(run: Path, config: RunConfig) -> Iterator[Check]:
    """mlx-lm loads the adapter onto the base, and the logits change."""
    from web4mlx.data.chat import render_chat
    from web4mlx.machine.mlx_runtime import load_mlx
    from web4mlx.models.base import find_base
    from web4mlx.models.tokenizer import ChatTokenizer

    mx = load_mlx(config.hardware.device)
    from mlx_lm.tuner.utils import load_adapters
    from mlx_lm.utils import load_model

    base = find_base(config.model)
    chat = [{"role": "user", "content": "What is the empty constructor pattern?"},
            {"role": "assistant", "content": "Construction and initialization are separate."}]  # fmt: skip
    tokens = mx.array([render_chat(ChatTokenizer(base), chat).tokens])
    model, _ = load_model(base)
    before = model(tokens).astype(mx.float32)
    mx.eval(before)
    load_adapters(model, str(run / "mlx"))
    model.eval()
    change = float(mx.abs(model(tokens).astype(mx.float32) - before).max().item())
    yield _check("loads and changes the logits", MIN_LOGIT_CHANGE < change < float("inf"),
                 f"largest change {change:.3f}")  # fmt: skip
