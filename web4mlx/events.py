"""The append-only event log of a run: one JSON object a line, one pydantic model per kind.

The console, TensorBoard, the dashboard and `--json` all render these events; nobody parses log text.
The writer appends and flushes whole lines; the reader tolerates a half-written last line.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from web4mlx.artifacts import explain_os_errors


class Event(BaseModel):
    """What all events carry: time (seconds since the epoch), run name and stage."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    ts: float
    run: str
    stage: str


class Started(Event):
    """A stage begins. `plan` holds what it intends to do, for display."""

    kind: Literal["started"] = "started"
    plan: dict[str, Any] = Field(default_factory=dict)


class Progress(Event):
    """Work done so far. `total` is 0 when unknown; `eta_s` is None when unknown."""

    kind: Literal["progress"] = "progress"
    done: int
    total: int = 0
    unit: str = ""
    message: str = ""
    eta_s: float | None = None


class Step(Event):
    """One report of the training loop, averaged over the steps since the last report."""

    kind: Literal["step"] = "step"
    step: int
    total_steps: int
    epoch: float
    loss: float
    learning_rate: float
    grad_norm: float
    tokens_per_second: float
    supervised_tokens_per_second: float
    samples_per_second: float
    active_memory_bytes: int
    cache_memory_bytes: int
    peak_memory_bytes: int
    process_memory_bytes: int
    swap_used_bytes: int
    skipped_steps: int
    elapsed_s: float
    eta_s: float


class Validation(Event):
    """Loss on the fixed validation rows (mean over supervised tokens)."""

    kind: Literal["validation"] = "validation"
    step: int
    loss: float
    rows: int
    supervised_tokens: int
    is_best: bool
    duration_s: float


class Checkpoint(Event):
    """A checkpoint was written; `path` is relative to the run folder."""

    kind: Literal["checkpoint"] = "checkpoint"
    step: int
    path: str


class Sampled(Event):
    """What the model says after a step; `is_cut` when the answer was longer than it may be here."""

    kind: Literal["sampled"] = "sampled"
    step: int
    prompt: str
    answer: str
    is_cut: bool = False
    duration_s: float = 0.0


class Warned(Event):
    """Something to look at, with advice."""

    kind: Literal["warning"] = "warning"
    code: str
    message: str
    advice: str = ""


class Metric(Event):
    """One named number."""

    kind: Literal["metric"] = "metric"
    name: str
    value: float
    unit: str = ""


class Case(Event):
    """One evaluated case."""

    kind: Literal["case"] = "case"
    case_id: str
    verdict: Literal["passed", "failed", "errored", "inconclusive"]


class Gate(Event):
    """The verdict of one gate or one check."""

    kind: Literal["gate"] = "gate"
    name: str
    verdict: Literal["passed", "failed", "errored", "inconclusive"]
    detail: str = ""


class Served(Event):
    """One answered request of the server, without its texts; times in milliseconds.

    `route` is `trained`, `history`, `tools`, `history+tools`, or empty where none was chosen; `hits` and
    `examples` were brought into the prompt, `dropped` did not fit. `status` 499 is a client that left.
    """

    kind: Literal["served"] = "served"
    method: str
    path: str
    status: int
    first_byte_ms: float
    total_ms: float
    route: str = ""
    model: str = ""
    hits: int = 0
    examples: int = 0
    dropped: int = 0
    context_tokens: int = 0
    retrieve_ms: float = 0.0
    note: str = ""


class Finished(Event):
    """A stage ended well."""

    kind: Literal["finished"] = "finished"
    duration_s: float
    artifact: str = ""
    metrics: dict[str, Any] = Field(default_factory=dict)


class Failed(Event):
    """A stage ended badly."""

    kind: Literal["failed"] = "failed"
    message: str
    hint: str = ""


AnyEvent = Annotated[
    Started
    | Progress
    | Step
    | Validation
    | Checkpoint
    | Sampled
    | Warned
    | Metric
    | Case
    | Gate
    | Served
    | Finished
    | Failed,
    Field(discriminator="kind"),
]
_ADAPTER: TypeAdapter[Any] = TypeAdapter(AnyEvent)
EventSink = Callable[[Event], None]


def parse_event(line: str) -> Event:
    """Parse one line of an event log.

    Raises:
        ValueError: The line is not valid JSON or not an event of a known kind.
    """
    try:
        event: Event = _ADAPTER.validate_json(line)
    except ValidationError as error:
        raise ValueError(f"not an event: {line[:120]!r}") from error
    return event


class EventLog:
    """Writes events of one stage of one run to a JSONL file and to listeners.

    Args:
        path: The log file; created with its folder. None keeps events in memory only.
        run: Name of the run, repeated in each event.
        stage: Name of the stage, repeated in each event.
        listeners: Called with each event after it is written (the console, TensorBoard).
    """

    def __init__(self, path: Path | None, run: str, stage: str, *listeners: EventSink) -> None:
        self.run = run
        self.stage = stage
        self.listeners = list(listeners)
        self._file = None
        if path is not None:
            with explain_os_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                half_line = ends_in_half_line(path)
                self._file = path.open("a", encoding="utf-8", errors="replace")
                if half_line:
                    self._file.write("\n")

    def write(self, kind: type[Event], **fields: Any) -> Event:
        """Append one event of the given kind and hand it to the listeners."""
        event = kind(ts=time.time(), run=self.run, stage=self.stage, **fields)
        if self._file is not None:
            with explain_os_errors(Path(self._file.name)):
                self._file.write(json.dumps(event.model_dump(mode="json"), ensure_ascii=False) + "\n")
                self._file.flush()
        for listener in self.listeners:
            listener(event)
        return event

    def warn(self, code: str, message: str, advice: str = "") -> None:
        """Append a warning."""
        self.write(Warned, code=code, message=message, advice=advice)

    def close(self) -> None:
        """Close the file; further writes go to listeners only."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def ends_in_half_line(path: Path) -> bool:
    """Whether the last line of a log lacks its newline, as a killed writer leaves it."""
    if not path.exists() or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"


def read_events(path: Path, offset: int = 0) -> Iterator[tuple[Event, int]]:
    """Yield (event, offset of the next line) from a log, starting at a byte offset.

    A last line without its newline is still being written and is left for the next call; a line that is
    no event is passed over.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        file.seek(offset)
        for raw in file:
            if not raw.endswith(b"\n"):
                return
            offset += len(raw)
            try:
                event = parse_event(raw.decode("utf-8", "replace"))
            except ValueError:
                continue
            yield event, offset
