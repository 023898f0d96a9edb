"""What can be checked without a person after a blocked run: leaks, the loss curve, what quantization cost.

A finding hints at a cause; it decides nothing. What cannot be read is a finding, too.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from evals.decision import NO_LEAK_CHECK
from evals.lineage import find_training_run
from evals.scores import count
from web4mlx.artifacts import read_manifest
from web4mlx.config.schema import ExportConfig
from web4mlx.events import Validation, read_events
from web4mlx.reports import FinalReport, Verdict

STILL_FALLING = 0.02
ROSE = 1.03
SPOILED = ("skipped_steps", "dropped_samples")


@dataclass(frozen=True, slots=True)
class Finding:
    """One automatic check: `failed` points at a likely cause, `inconclusive` saw nothing."""

    check: str
    verdict: Verdict
    text: str
    advice: str = ""


def collect_findings(
    final: FinalReport, gguf: Path | None = None, training_run: Path | None = None
) -> tuple[Finding, ...]:
    """All automatic checks.

    Args:
        final: The decision; says which prompts leaked.
        gguf: The exported model, beside which its manifest stands; default: the one that was evaluated.
        training_run: The adapter's folder with `training_stats.json` and `events.jsonl`; default: the one
            that the manifests name.
    """
    gguf = gguf or Path(final.subject.model)
    run = training_run or find_training_run(gguf)
    return leak_finding(final), training_finding(run), quantization_finding(gguf)


def leak_finding(final: FinalReport) -> Finding:
    """Whether the prompts were held out."""
    check = "leak check"
    if NO_LEAK_CHECK in final.reasons:
        return Finding(check, "inconclusive", NO_LEAK_CHECK, "Name the training files in the config.")
    if not final.leaked_prompts:
        return Finding(check, "passed", "no prompt stands in a training file")
    shown = ", ".join(final.leaked_prompts[:5]) + (", …" if len(final.leaked_prompts) > 5 else "")
    advice = "Remove these rows from the training files and train again; the prompts stay as they are."
    return Finding(
        check,
        "failed",
        f"{count(len(final.leaked_prompts), 'prompt')} found in training files: {shown}",
        advice,
    )


def training_finding(run: Path | None) -> Finding:
    """What the loss on the validation rows says about the training."""
    check = "loss curve"
    stats = _read_object(run / "training_stats.json") if run else None
    if run is None or stats is None:
        return Finding(check, "inconclusive", f"no training statistics in {run or 'a known folder'}")
    events = (event for event, _ in read_events(run / "events.jsonl"))
    losses = [(event.step, event.loss) for event in events if isinstance(event, Validation)]
    if len(losses) < 2 or not all(math.isfinite(loss) for _, loss in losses):
        return Finding(check, "inconclusive", f"fewer than two sound validations in {run / 'events.jsonl'}")
    verdict, said, advice = _judge_curve(losses)
    curve = ", ".join(f"{loss:.3f} at step {step}" for step, loss in _thinned(losses))
    spoiled = [f"{stats[name]} {name.replace('_', ' ')}" for name in SPOILED if stats.get(name)]
    return Finding(check, verdict, "; ".join([f"validation loss {curve}: {said}", *spoiled]), advice)


def _judge_curve(losses: Sequence[tuple[int, float]]) -> tuple[Verdict, str, str]:
    first, last = losses[0][1], losses[-1][1]
    best_step, best = min(losses, key=lambda item: item[1])
    if best >= first:
        return "failed", "it never fell", "Look at the data and at the learning rate; nothing was learned."
    if last > ROSE * best:
        advice = "Fewer epochs, more samples, or more dropout: it learned the samples by heart."
        return "failed", f"it rose again after step {best_step}", advice
    if best_step == losses[-1][0] and losses[-2][1] - last > STILL_FALLING * last:
        return "failed", "it was still falling at the end", "Train longer: more epochs or more steps."
    return "passed", "it fell and levelled off", ""


def _thinned(losses: Sequence[tuple[int, float]], most: int = 8) -> list[tuple[int, float]]:
    stride = math.ceil((len(losses) - 1) / (most - 1)) if len(losses) > most else 1
    return [item for index, item in enumerate(losses) if index % stride == 0 or index == len(losses) - 1]


def quantization_finding(gguf: Path) -> Finding:
    """What quantization cost, as the export measured it on held-out rows."""
    from web4mlx.export.retention import Retention

    check = "quantization"
    manifest = read_manifest(gguf)
    try:
        measured = Retention.model_validate(manifest.metrics["retention"] if manifest else None)
        f16, quantized = measured.models["f16"], measured.models["quantized"]
    except (KeyError, ValidationError):
        text = f"the export of {gguf} did not measure its quality"
        return Finding(check, "inconclusive", text)
    gain = quantized.gain_kept
    text = (
        f"{measured.type} against f16 on {measured.rows} held-out rows:"
        f" perplexity {quantized.perplexity:.3f} against {f16.perplexity:.3f},"
        f" top-1 agreement {quantized.top1_agreement:.1%},"
        f" gain of training kept {'unknown' if gain is None else format(gain, '.1%')}"
    )
    if gain is None or gain >= ExportConfig().min_gain_kept:
        return Finding(check, "passed", text)
    return Finding(check, "failed", text, "Export with a better type and compare: `evals compare`.")


def _read_object(path: Path) -> Mapping[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
