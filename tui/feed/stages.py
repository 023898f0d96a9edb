"""The pipeline as stages: what each has made, when, of which digest, and what is going on now.

The artifacts on disk decide; the pipeline's event log adds durations, progress and failures. Nothing is
hashed here: digests are those that manifests recorded.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from tui.feed.judged import refusal
from tui.feed.tail import EventTail
from web4mlx import events
from web4mlx.artifacts import Manifest, folder_digest, read_manifest
from web4mlx.config import RunConfig
from web4mlx.reports import BASELINE, FINAL_REPORT

StageState = Literal["todo", "running", "done", "failed", "stopped"]
JUDGED = ("evaluate", "rag check", "smoke")
PIPELINE_EVENTS = "pipeline.jsonl"
GGUF = "web4-agent.gguf"


@dataclass(frozen=True)
class StageRow:
    """One stage. `when` is seconds since the epoch; `share` is the progress from 0 to 1 while it runs."""

    name: str
    title: str
    state: StageState = "todo"
    duration_s: float | None = None
    artifact: str = ""
    digest: str = ""
    when: float | None = None
    note: str = ""
    hint: str = ""
    share: float | None = None


TITLES = {
    "download": "Base model", "data": "Samples", "baseline": "Baseline", "train": "Training",
    "verify": "Verification", "fuse": "Fused model", "export": "GGUF", "ask": "Comparison",
    "evaluate": "Gates", "import": "Import", "rag build": "RAG store", "rag check": "RAG check",
    "smoke": "Smoke tests", "mark": "Markers",
}  # fmt: skip


class StageFeed:
    """Follows the pipeline of a configuration.

    Args:
        settings: The configuration.
        outputs: Its outputs folder.
    """

    def __init__(self, settings: RunConfig, outputs: Path) -> None:
        self.settings, self.outputs = settings, outputs
        self._tail = EventTail(outputs / PIPELINE_EVENTS)
        self._told = {name: StageRow(name, title) for name, title in TITLES.items()}
        self._opened: str | None = None

    def read(self, is_live: bool) -> list[StageRow]:
        """The stages in their order.

        Args:
            is_live: Whether something that writes the pipeline's events is running; a stage that has begun
                and not ended is otherwise one that was stopped.
        """
        for event in self._tail.read():
            if event.stage in self._told:
                self._told[event.stage] = self._take(self._told[event.stage], event)
        rows = []
        for row in self._told.values():
            if row.state == "running" and not is_live:
                row = replace(row, state="stopped", share=None, note="began and did not end")
            rows.append(self._look(row))
        return rows

    def _take(self, row: StageRow, event: events.Event) -> StageRow:
        match event:
            case events.Started(plan={"already done": done}):
                return replace(row, state="done", artifact=str(done), when=event.ts, note="", hint="")
            case events.Started():
                return replace(row, state="running", when=event.ts, note="", hint="", share=None)
            case events.Progress(total=0):  # the line says how long it will take as the stage begins
                return replace(row, state="running", when=event.ts, note="", hint="", share=None)
            case events.Progress(total=total):
                share = min(1.0, event.done / total)
                return replace(row, state="running", share=share, note=event.message)
            case events.Warned(code="not-imported"):
                return replace(row, state="todo", when=event.ts, note="cleared; no Ollama server was there")
            case events.Failed():
                return replace(row, state="failed", when=event.ts, note=event.message, hint=event.hint)
            case events.Finished():
                return replace(
                    row, state="done", duration_s=event.duration_s, artifact=event.artifact, when=event.ts,
                    note="", hint="", share=None,
                )  # fmt: skip
        return row

    def _look(self, row: StageRow) -> StageRow:
        """Complete a row with the artifact that is there."""
        artifact = self._find(row.name)
        if artifact is None:
            gone = row.state == "done" and row.name in ("data", "train", "fuse", "export", "evaluate")
            return replace(row, state="todo", artifact="", note="its artifact is gone") if gone else row
        manifest = read_manifest(artifact)
        made = _created(manifest) or _changed(artifact)
        newer = row.when is None or (made or 0) >= row.when - 1
        renewed = row.state == "failed" and (made or 0) > (row.when or 0) + 1
        is_done = renewed or (row.state in ("todo", "stopped") and newer)
        state: StageState = "done" if is_done else row.state
        note = "" if state == "done" else row.note
        if state == "done" and row.name in JUDGED and (no := refusal(artifact)):
            state, note = "failed", no
        return replace(
            row, state=state, artifact=_shown(artifact, self.outputs), digest=_digest(artifact, manifest),
            when=max(made or 0, row.when or 0) or None, note=note,
            duration_s=row.duration_s or _recorded_duration(manifest),
        )  # fmt: skip

    def _find(self, stage: str) -> Path | None:
        outputs, name = self.outputs, self.settings.name
        match stage:
            case "download":
                return _existing(self.settings.model.folder / _base_name(self.settings.model.base))
            case "train":
                return _newest(outputs, f"{name}_lora_*", "manifest.json")
            case "fuse":
                return _newest(outputs, "web4_merged_*", "manifest.json")
            case "verify":
                return _newest(outputs, "verified_*.json", "")
        files = {
            "data": "data_report.json", "baseline": BASELINE, "export": GGUF, "evaluate": FINAL_REPORT,
            "rag build": "rag_build.json", "rag check": "rag_check.json",
            "smoke": "smoke_test_report.json", "mark": "rag_marks.json",
        }  # fmt: skip
        return _existing(outputs / files[stage]) if stage in files else None


def _base_name(base: str) -> str:
    return Path(base).name if "/" in base else base


def _existing(path: Path) -> Path | None:
    return path if path.exists() else None


def _newest(outputs: Path, pattern: str, inside: str) -> Path | None:
    found = [
        path
        for path in outputs.glob(pattern)
        if not path.name.endswith(".manifest.json") and (path / inside if inside else path).is_file()
    ]
    return max(found, key=lambda path: path.name, default=None)


def _created(manifest: Manifest | None) -> float | None:
    try:
        return datetime.fromisoformat(manifest.created).timestamp() if manifest else None
    except ValueError:
        return None


def _changed(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def _digest(artifact: Path, manifest: Manifest | None) -> str:
    if manifest is None or not manifest.outputs:
        return ""
    if artifact.is_dir():
        return folder_digest(manifest.outputs)
    return manifest.outputs.get(artifact.name) or next(iter(manifest.outputs.values()))


def _recorded_duration(manifest: Manifest | None) -> float | None:
    return sum(manifest.timings_s.values()) or None if manifest else None


def _shown(artifact: Path, outputs: Path) -> str:
    return str(artifact.relative_to(outputs)) if artifact.is_relative_to(outputs) else str(artifact)
