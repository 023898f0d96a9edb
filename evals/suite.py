"""One evaluation from question to report: choose the cases, ask the model, score, write, decide."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from evals.asking import Asking, ask_missing
from evals.baseline import LEAST, stratified_subset
from evals.cache import open_cache
from evals.cases import Case
from evals.harnesses import CANARY, NAMES, load_harness
from evals.harnesses.tolerant import cases_of, file_fault
from evals.leaks import check_leaks
from evals.lineage import require_trained_files
from evals.run_file import RunFile, RunHeader
from evals.runs import find_same, new_folder
from evals.version import suite_version
from web4mlx.artifacts import sha256_bytes
from web4mlx.engines.base import Engine, SamplingOptions
from web4mlx.errors import MissingPrerequisite, UsageError, Web4Error
from web4mlx.events import EventLog, EventSink, Finished, Started
from web4mlx.modelfile import Modelfile
from web4mlx.reports import Subject

if TYPE_CHECKING:
    from evals.opening import Target

EVENTS = "events.jsonl"


@dataclass(frozen=True)
class Selection:
    """Which cases are asked: all of the named harnesses, or a fixed stratified subset of `limit` each."""

    harnesses: tuple[str, ...] = NAMES
    limit: int | None = None
    is_baseline: bool = False

    @classmethod
    def of(cls, harnesses: Sequence[str], limit: int | None, *, is_baseline: bool = False) -> Self:
        """The named harnesses, or all when none is named.

        Raises:
            UsageError: A name is unknown, or too few cases or harnesses for a baseline.
        """
        if is_baseline and harnesses:
            raise UsageError("--baseline is recorded of all harnesses", "Leave --harness away.")
        for name in harnesses:
            load_harness(name)
        if is_baseline and limit is not None and limit < LEAST:
            raise UsageError(f"--limit {limit}: a baseline needs at least {LEAST} cases of a harness")
        return cls(tuple(harnesses) or NAMES, limit, is_baseline)

    def cases(self) -> dict[str, tuple[Case, ...]]:
        """The chosen cases by harness, in the order of the suite; none of one whose data file is broken.

        The canaries are never cut.
        """
        chosen = {name: cases_of(load_harness(name)) for name in NAMES if name in self.harnesses}
        if self.limit is None:
            return chosen
        return {
            name: cases if name == CANARY and self.is_baseline else stratified_subset(cases, self.limit)
            for name, cases in chosen.items()
        }


@dataclass(frozen=True)
class Conditions:
    """Under which conditions a model is evaluated; what a report has to name."""

    outputs: Path
    modelfile: Modelfile
    options: SamplingOptions
    training_files: tuple[Path, ...]
    parallel: int
    use_cache: bool = True
    is_configured: bool = True


def evaluate(
    target: "Target", selection: Selection, conditions: Conditions, show: EventSink, *, resume: bool
) -> RunFile:
    """Ask a model all chosen cases.

    Returns:
        The run with every answer.

    Raises:
        Web4Error: The model cannot be loaded, or failed on the way; what was answered is kept.
    """
    from evals.opening import open_target

    with open_target(target, conditions, show) as engine:
        subject = describe_subject(target.model, engine, conditions)
        run, cases = begin_run(subject, selection, conditions, resume=resume)
        with sole_owner(run.folder):
            ask_model(run, cases, engine, conditions, show)
    return run


@contextmanager
def sole_owner(folder: Path) -> Iterator[None]:
    """Keep a second process from answering into the same run.

    Raises:
        UsageError: Another process is doing so.
    """
    from filelock import FileLock, Timeout

    try:
        with FileLock(folder / ".lock", timeout=0):
            yield
    except Timeout as error:
        raise UsageError(f"{folder}: another process is working on this run") from error


def describe_subject(model: str, engine: Engine, conditions: Conditions) -> Subject:
    """What is evaluated: the engine says which bytes it has loaded."""
    said = engine.describe()
    digests = [str(said.get("sha256") or ""), str(said.get("adapter_sha256") or "")]
    return Subject(
        model=model,
        model_sha256=digests[0] if not digests[1] else sha256_bytes("".join(digests).encode()),
        suite_version=suite_version(),
        system_sha256=sha256_bytes(conditions.modelfile.system.encode()),
        messages_sha256=conditions.modelfile.messages_sha256,
        context=conditions.modelfile.context,
        template_sha256=str(said.get("chat_template_sha256") or ""),
        seed=conditions.options.seed or 0,
        options=plain_options(conditions.options),
        engine=said,
    )


def plain_options(options: SamplingOptions) -> dict[str, Any]:
    """Sampling options as a report holds them."""
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in asdict(options).items()
    }


def begin_run(
    subject: Subject, selection: Selection, conditions: Conditions, *, resume: bool
) -> tuple[RunFile, dict[str, tuple[Case, ...]]]:
    """Go on with the run of the same work, or start one. Without the cache a new one is started.

    A model without a digest is known by its name alone, which says nothing of its bytes: such a run goes on
    only when that is asked for.

    Raises:
        MissingPrerequisite: `resume` is asked for, and there is nothing to resume.
    """
    cases = selection.cases()
    header = RunHeader(
        created=datetime.now().astimezone().isoformat(timespec="seconds"),
        subject=subject,
        cases={name: tuple(case.id for case in some) for name, some in cases.items()},
        planned={name: load_harness(name).planned for name in NAMES},
        leak_check=require_trained_files(check_leaks(cases, conditions.training_files), subject.model),
        is_baseline=selection.is_baseline,
        is_configured=conditions.is_configured,
    )
    is_known = conditions.use_cache and bool(subject.model_sha256)
    run = find_same(conditions.outputs, header) if resume or is_known else None
    if run is None and resume:
        raise MissingPrerequisite(
            f"{conditions.outputs / 'evals'}: no run of this model with these settings",
            "Run without --resume; answers that were given before come from the cache.",
        )
    return run or RunFile.create(new_folder(conditions.outputs), header), cases


def ask_model(
    run: RunFile, cases: dict[str, tuple[Case, ...]], engine: Engine, conditions: Conditions, show: EventSink
) -> None:
    """Ask everything that has no answer yet.

    Raises:
        Web4Error: The engine failed; the message says how to go on. Nothing that was answered is lost.
    """
    with EventLog(run.folder / EVENTS, run.folder.name, "evals", show) as log:
        total, left = sum(map(len, cases.values())), sum(map(len, run.missing().values()))
        log.write(Started, plan={"run": str(run.folder), "cases": total, "to ask": left})
        for name in cases:
            if fault := file_fault(load_harness(name)):
                log.warn("data-file", f"{name} is not asked: {fault}", "The others are; nothing is cleared.")
        started = time.monotonic()
        cache = open_cache(log) if conditions.use_cache else None
        asking = Asking(run, conditions.modelfile, conditions.options, cache, log, conditions.parallel)
        try:
            asked = ask_missing(asking, engine, cases)
        except Web4Error as error:
            done = total - sum(map(len, run.missing().values()))
            error.hint = f"{done} of {total} answers are kept; `evals run --resume` goes on. {error.hint}"
            raise
        metrics = {"asked": asked, "kept before or cached": total - asked}
        duration_s = time.monotonic() - started
        log.write(Finished, duration_s=duration_s, artifact=str(run.folder), metrics=metrics)
