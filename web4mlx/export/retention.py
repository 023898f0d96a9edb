"""How much of what training gave is left after merging and quantizing: losses on held-out rows.

Five models are scored on the same supervised tokens: base, base + adapter, merged (MLX), float16 GGUF and
the quantized GGUF (llama.cpp). One model is in memory at a time.
"""

import json
import math
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from web4mlx.config.schema import ExportConfig, HardwareConfig, QuantType
from web4mlx.data.chat import Row
from web4mlx.errors import CheckFailed
from web4mlx.events import EventLog, Metric, Progress
from web4mlx.export.predict import BETTER_TYPES
from web4mlx.export.process import run_tool
from web4mlx.export.scores import Scores, score_logits
from web4mlx.machine.blas import blas_threads
from web4mlx.machine.mlx_runtime import choose_dtype, load_mlx
from web4mlx.train.adapter import Adapter, read_adapter

MIN_GAIN = 0.01
NAMES = ("base", "adapter", "merged", "f16", "quantized")


class ModelScore(BaseModel):
    """One model on the held-out rows.

    `loss` is the mean over supervised tokens in nats; `retention` is perplexity(base + adapter) /
    perplexity(this); `top1_agreement` is the share of positions with the same most probable token as
    base + adapter; `gain_kept` is (loss_base − loss) / (loss_base − loss_adapter), None when the adapter's
    gain is too small to divide by.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    loss: float
    perplexity: float
    retention: float
    top1_agreement: float
    gain_kept: float | None


class Retention(BaseModel):
    """The scores of the five models, and on how much they were measured."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    type: str
    rows: int
    tokens: int
    models: dict[str, ModelScore]


@dataclass(frozen=True)
class Candidates:
    """What is compared: two folders and an adapter, and two GGUF files."""

    base: Path
    adapter: Path
    merged: Path
    f16: Path
    quantized: Path


def measure_retention(
    candidates: Candidates,
    rows: Sequence[Row],
    quant: QuantType,
    hardware: HardwareConfig,
    log: EventLog,
) -> Retention:
    """Score all five models on the rows.

    Raises:
        CheckFailed: No row has a supervised token.
    """
    usable = [row for row in rows if any(row.mask[1:])]
    if not usable:
        raise CheckFailed("retention: no held-out row with a supervised token", "Look at `data.eval`.")
    adapter = read_adapter(candidates.adapter)
    scores: dict[str, Scores] = {}
    steps: dict[str, Callable[[], Scores]] = {
        "base": lambda: score_folder(candidates.base, None, usable, hardware),
        "adapter": lambda: score_folder(candidates.base, adapter, usable, hardware),
        "merged": lambda: score_folder(candidates.merged, None, usable, hardware),
        "f16": lambda: score_gguf(candidates.f16, usable, hardware),
        "quantized": lambda: score_gguf(candidates.quantized, usable, hardware),
    }
    for number, (name, step) in enumerate(steps.items()):
        log.write(Progress, done=number, total=len(steps), unit="models", message=f"retention: {name}")
        scores[name] = step()
    log.write(Progress, done=len(steps), total=len(steps), unit="models", message="retention")
    result = summarize(scores, quant, len(usable))
    for name, score in result.models.items():
        log.write(Metric, name=f"retention_{name}", value=score.retention)
    return result


def summarize(scores: Mapping[str, Scores], quant: str, rows: int) -> Retention:
    """Reduce token losses to `Retention`; `scores` has the five names of `NAMES`."""
    base, adapter = scores["base"].mean_loss, scores["adapter"].mean_loss
    gain = base - adapter
    models = {
        name: ModelScore(
            loss=score.mean_loss,
            perplexity=math.exp(score.mean_loss),
            retention=math.exp(adapter - score.mean_loss),
            top1_agreement=float((score.best == scores["adapter"].best).mean()),
            gain_kept=(base - score.mean_loss) / gain if gain > MIN_GAIN else None,
        )
        for name, score in scores.items()
    }
    return Retention(type=quant, rows=rows, tokens=len(scores["base"].losses), models=models)


def require_retention(result: Retention, limits: ExportConfig, merged: Path, log: EventLog) -> None:
    """Check the quantized model against the limits.

    Raises:
        CheckFailed: Too much was lost; names the next better type and the command.
    """
    score = result.models["quantized"]
    wrong = []
    if not score.retention >= limits.min_perplexity_retention:
        wrong.append(f"perplexity retention {score.retention:.1%} < {limits.min_perplexity_retention:.0%}")
    if score.gain_kept is None:
        log.warn(
            "no_gain",
            "the adapter does not improve the loss on the held-out rows, so its kept gain cannot be measured",
            "Train longer, or look at the held-out file.",
        )
    elif not score.gain_kept >= limits.min_gain_kept:
        wrong.append(f"gain kept {score.gain_kept:.1%} < {limits.min_gain_kept:.0%}")
    if wrong:
        raise CheckFailed(
            f"{result.type} loses too much of what training gave: {'; '.join(wrong)}",
            better_type_hint(result, merged),
        )


def better_type_hint(result: Retention, merged: Path) -> str:
    """The command for the next better type, or where else the loss comes from."""
    f16 = result.models["f16"]
    if result.models["quantized"].retention > f16.retention - 0.01:
        return "The float16 file is no better: the loss comes from merging. Look at the adapter and base."
    position = BETTER_TYPES.index(result.type) if result.type in BETTER_TYPES else len(BETTER_TYPES)
    better = BETTER_TYPES[position + 1 : position + 2]
    if not better:
        return "There is no better type; train longer or with another base."
    return f"Try the next better type: `web4mlx export {merged} --type {better[0]}`."


def score_folder(
    folder: Path, adapter: Adapter | None, rows: Sequence[Row], hardware: HardwareConfig
) -> Scores:
    """Score a model folder, with an adapter as a low-rank path if given, in MLX."""
    from web4mlx.fuse.parity import attach_low_rank_path

    mx = load_mlx(hardware.device)
    from mlx_lm.utils import load_model

    from web4mlx.machine.describe import chip_name

    dtype = choose_dtype(hardware.dtype, chip_name(), mx.default_device() == mx.gpu)
    model, _ = load_model(folder, lazy=True)
    model.set_dtype(getattr(mx, dtype))
    if adapter is not None:
        attach_low_rank_path(model, adapter)
    model.eval()
    parts = [score_row(mx, model, row) for row in rows]
    return Scores(np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts]))


def score_row(mx: Any, model: Any, row: Row) -> tuple[Any, Any]:
    """Losses and most probable tokens of a row's supervised tokens; the head runs on those only."""
    targets = np.array([i for i in range(1, len(row)) if row.mask[i]])
    hidden = model.model(mx.array([row.tokens]))[0][mx.array(targets - 1)]
    head = model.lm_head if "lm_head" in model else model.model.embed_tokens.as_linear
    logits = np.array(head(hidden).astype(mx.float32))
    return score_logits(logits, np.array(row.tokens)[targets])


def score_gguf(gguf: Path, rows: Sequence[Row], hardware: HardwareConfig) -> Scores:
    """Score a GGUF with llama.cpp in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="web4mlx-") as name:
        folder = Path(name)
        content = [{"tokens": row.tokens, "mask": row.mask} for row in rows]
        (folder / "rows.json").write_text(json.dumps(content), "utf-8")
        child = [sys.executable, "-m", "web4mlx.export.llama_child", "score", str(gguf)]
        paths = [str(folder / "rows.json"), str(folder / "scores.npz")]
        run_tool([*child, *paths, str(blas_threads()), hardware.device])
        with np.load(folder / "scores.npz", allow_pickle=False) as found:
            return Scores(found["losses"], found["best"])
