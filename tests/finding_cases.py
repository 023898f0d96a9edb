"""What findings are read from: a training run with a loss curve, an export with its measurements."""

import json
from pathlib import Path

from web4mlx.artifacts import new_manifest, write_manifest
from web4mlx.events import EventLog, Validation


def training_run(folder: Path, losses: list[float]) -> Path:
    with EventLog(folder / "events.jsonl", "run", "train") as log:
        for number, loss in enumerate(losses):
            log.write(
                Validation,
                step=20 * number,
                loss=loss,
                rows=46,
                supervised_tokens=100,
                is_best=False,
                duration_s=1.0,
            )
    (folder / "training_stats.json").write_text(json.dumps({"skipped_steps": 2, "dropped_samples": 0}))
    return folder


def exported(folder: Path, gain: float | None) -> Path:
    gguf = folder / "web4-agent.gguf"
    score = {"loss": 1.0, "perplexity": 3.2, "retention": 0.93, "top1_agreement": 0.92, "gain_kept": gain}
    models = dict.fromkeys(("base", "adapter", "merged", "f16", "quantized"), score)
    retention = {"type": "Q4_K_M", "rows": 24, "tokens": 2124, "models": models}
    write_manifest(gguf, new_manifest("export", metrics={"retention": retention}))
    return gguf
