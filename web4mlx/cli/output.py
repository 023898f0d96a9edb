"""What commands print: results on stdout, everything else on stderr; progress as bars or plain lines."""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console

    from web4mlx import events


def stdout() -> "Console":
    """A rich console on stdout."""
    from rich.console import Console

    return Console(soft_wrap=True, highlight=False)


def stderr() -> "Console":
    """A rich console on stderr."""
    from rich.console import Console

    return Console(stderr=True, soft_wrap=True, highlight=False)


def print_json(result: "BaseModel | dict[str, Any] | list[Any]") -> None:
    """Print a result as JSON on stdout."""
    print(as_json(result))


def as_json(result: "BaseModel | dict[str, Any] | list[Any]") -> str:
    """A result as JSON, indented."""
    plain = result if isinstance(result, dict | list) else result.model_dump(mode="json")
    return json.dumps(plain, indent=2, ensure_ascii=False, default=str)


def print_result(result: dict[str, Any], artifact: Path, as_json: bool, *, whole: bool) -> None:
    """Print a stage's result: as JSON, as `key: value` lines when `whole`, else the artifact's path."""
    if as_json:
        print_json(result)
    elif whole:
        print("\n".join(f"{key}: {value}" for key, value in result.items()))
    else:
        print(artifact)


def note(message: str) -> None:
    """Print one line for the user on stderr."""
    print(message, file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """A duration for people: `42 s`, `3 min 05 s`, `2 h 07 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class EventPrinter:
    """Renders events as lines on stderr; progress lines at most every `interval_s` seconds.

    On a terminal the progress line is redrawn in place.
    """

    def __init__(self, interval_s: float = 5.0) -> None:
        self.interval_s = interval_s
        self.is_terminal = sys.stderr.isatty()
        self._last_progress = 0.0
        self._line_open = False

    def __call__(self, event: "events.Event") -> None:
        """Print one event."""
        from web4mlx import events

        match event:
            case events.Started():
                detail = ", ".join(f"{key} {value}" for key, value in event.plan.items())
                self._line(f"[{event.stage}] {detail or 'started'}")
            case events.Progress():
                self._progress(event)
            case events.Step():
                self._line(step_line(event))
            case events.Validation():
                best = " (best so far)" if event.is_best else ""
                self._line(
                    f"step {event.step}: validation loss {event.loss:.4f} over {event.rows} rows{best}"
                )
            case events.Checkpoint():
                self._line(f"step {event.step}: checkpoint {event.path}")
            case events.Sampled():
                self._line(sampled_line(event))
            case events.Warned():
                self._line(
                    f"warning: {event.message}" + (f"\n  advice: {event.advice}" if event.advice else "")
                )
            case events.Finished():
                where = f" → {event.artifact}" if event.artifact else ""
                self._line(f"[{event.stage}] done in {duration(event.duration_s)}{where}")
            case events.Metric(unit="bytes"):
                self._line(f"[{event.stage}] {event.name}: {event.value / 1e9:.2f} GB")
            case events.Metric():
                self._line(f"[{event.stage}] {event.name}: {event.value:g} {event.unit}")
            case events.Served():
                self._line(served_line(event))
            case events.Gate():
                self._line(f"{event.verdict:>12}  {event.name}  {event.detail}")

    def _line(self, text: str) -> None:
        if self._line_open:
            print(file=sys.stderr)
            self._line_open = False
        print(text, file=sys.stderr, flush=True)

    def _progress(self, event: "events.Progress") -> None:
        now = time.monotonic()
        complete = event.total > 0 and event.done >= event.total
        interval_s = 0.1 if self.is_terminal else self.interval_s
        if event.done and not complete and now - self._last_progress < interval_s:
            return
        self._last_progress = now
        text = progress_line(event)
        if self.is_terminal:
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
            self._line_open = True
            if complete:
                self._line("")
        else:
            self._line(text)


def progress_line(event: "events.Progress") -> str:
    """`[export] convert 12/272 tensors, 35 s left`."""
    if not event.done and not event.total:
        return f"[{event.stage}] {event.message} {duration(event.eta_s or 0)} left"
    total = f"/{event.total}" if event.total else ""
    share = f" {event.done / event.total:4.0%}" if event.total else ""
    eta = f", {duration(event.eta_s)} left" if event.eta_s is not None else ""
    message = f" {event.message}" if event.message else ""
    return f"[{event.stage}]{message}{share} {event.done}{total} {event.unit}{eta}"


def served_line(event: "events.Served") -> str:
    """`POST /api/chat 200 history 3 hits, 412 tokens, store 85 ms, first byte 310 ms, 1204 ms`."""
    parts = [f"{event.method} {event.path} {event.status} {event.route}".rstrip()]
    if event.context_tokens:
        parts[0] += f" {event.hits} documents, {event.examples} examples"
        parts += [f"{event.context_tokens} tokens", f"store {event.retrieve_ms:.0f} ms"]
    parts += [f"first byte {event.first_byte_ms:.0f} ms", f"{event.total_ms:.0f} ms"]
    return ", ".join(parts + ([event.note] if event.note else []))


def sampled_line(event: "events.Sampled") -> str:
    """`step 100: “What is it?” → A pattern that … (2.1 s)`, on one line."""
    prompt, answer = " ".join(event.prompt.split()), " ".join(event.answer.split())
    cut = " …" if event.is_cut else ""
    return f"step {event.step}: “{prompt}” → {answer}{cut}  ({event.duration_s:.1f} s)"


def step_line(event: "events.Step") -> str:
    """The console line of a training report."""
    skipped = f"  skipped {event.skipped_steps}" if event.skipped_steps else ""
    return (
        f"step {event.step}/{event.total_steps}  epoch {event.epoch:.2f}  loss {event.loss:.4f}"
        f"  lr {event.learning_rate:.2e}  grad {event.grad_norm:.2f}"
        f"  {event.tokens_per_second:.0f} tok/s  mem {event.peak_memory_bytes / 1e9:.2f} GB{skipped}"
        f"  {duration(event.elapsed_s)} elapsed, {duration(event.eta_s)} left"
    )
