"""The whole line in order, from the base model to the smoke tests.

download, data, baseline, train, verify, fuse, export, ask, evaluate, import, rag build, rag check, smoke,
mark.

Each stage looks for a finished artifact made from the same inputs with the same settings and is skipped when
there is one, so that a run that was stopped anywhere goes on where it stopped, and a finished run costs
seconds. Stages of other packages are started as processes.

A blocked evaluation keeps the import from happening, and nothing else: whether the store holds what it must
and whether the assistant works are questions of their own. So the checks after the export are all made, and
what failed is reported together in the end, with exit code 1.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from web4mlx import asking_stages, last_stages, stages, store_stages
from web4mlx.config import RunConfig, check_paths
from web4mlx.errors import CheckFailed, Web4Error
from web4mlx.estimate import StageTimes
from web4mlx.events import EventLog, EventSink, Failed, Progress, Started
from web4mlx.machine.awake import keep_awake, line_lease
from web4mlx.stages import Line


@dataclass(frozen=True)
class Stage:
    """A stage: `find` returns a finished artifact of the same work or None, `make` does the work.

    What a stage with `goes_on` refuses is reported when the line has ended; one with `needs_clearance` is
    left out after such a refusal.
    """

    name: str
    find: Callable[[Line], Path | None]
    make: Callable[[Line, EventLog], Path]
    keep: Callable[[Line, Path], None] = lambda line, artifact: None
    goes_on: bool = False
    needs_clearance: bool = False


def run_pipeline(config: RunConfig, config_file: Path, show: EventSink, *, quiet: bool = False) -> Line:
    """Run all stages that are not done.

    Args:
        config: The run's configuration.
        config_file: Where it came from, for messages.
        show: Renders events.
        quiet: Print the answers of the last stage on stderr, because stdout is for a result.

    Returns:
        The line with the artifacts of all stages.

    Raises:
        CheckFailed: A check after the export said no; names all that did.
        MissingPrerequisite: Another process runs this line.
        Web4Error: A stage failed; its event names it. What was finished is kept.
    """
    needs_data = config.data.sample_scale is None
    check_paths(config, config_file, need_data=needs_data)
    line = Line(config, config_file, show, quiet)
    times = StageTimes(config)
    keep_awake(os.getpid())
    with line_lease(config.outputs):
        report_refusals(run_stages(line, times))
    return line


def run_stages(line: Line, times: StageTimes) -> list[CheckFailed]:
    """Run the stages in their order; returns what the checks refused that the line goes on after."""
    refusals: list[CheckFailed] = []
    for stage in STAGES:
        if stage.needs_clearance and refusals:
            continue
        try:
            do_stage(stage, line, times)
        except CheckFailed as error:
            if not stage.goes_on:
                raise
            refusals.append(error)
    return refusals


def do_stage(stage: Stage, line: Line, times: StageTimes) -> None:
    """Do a stage's work, or find it done."""
    with line.log(stage.name) as log:
        done = stage.find(line)
        if done is None:
            left = times.before(stage.name, line.base)
            if left is not None:
                log.write(Progress, done=0, message="the whole line: about", eta_s=left)
            done = make(stage, line, log)
        else:
            log.write(Started, plan={"already done": str(done)})
        stage.keep(line, done)


def report_refusals(refusals: list[CheckFailed]) -> None:
    """Report what the checks of a line refused.

    Raises:
        CheckFailed: They refused something.
    """
    if refusals:
        hints = dict.fromkeys(error.hint for error in refusals if error.hint)
        raise CheckFailed("; ".join(error.message for error in refusals), " ".join(hints))


def make(stage: Stage, line: Line, log: EventLog) -> Path:
    """Do a stage's work and record its failure."""
    try:
        return stage.make(line, log)
    except Web4Error as error:
        log.write(Failed, message=error.message, hint=error.hint)
        raise


def _keep(name: str) -> Callable[[Line, Path], None]:
    return lambda line, artifact: setattr(line, name, artifact)


STAGES = (
    Stage("download", stages.find_base_model, stages.get_base_model, _keep("base")),
    Stage("data", stages.find_data_report, stages.check_samples),
    Stage("baseline", lambda line: None, asking_stages.record_baseline),
    Stage("train", stages.find_adapter, stages.train_adapter, _keep("adapter")),
    Stage("verify", stages.find_verification, stages.verify_adapter),
    Stage("fuse", stages.find_merged, stages.merge, _keep("merged")),
    Stage("export", stages.find_gguf, stages.export_gguf, _keep("gguf")),
    Stage("ask", lambda line: None, asking_stages.ask_models),
    Stage("evaluate", lambda line: None, asking_stages.evaluate_model, goes_on=True),
    Stage("import", lambda line: None, asking_stages.import_model, needs_clearance=True),
    Stage("rag build", store_stages.find_build, store_stages.build_store),
    Stage("rag check", store_stages.find_check, store_stages.check_store, goes_on=True),
    Stage("smoke", last_stages.find_smoke, last_stages.smoke_test, goes_on=True),
    Stage("mark", last_stages.find_marks, last_stages.mark_trained),
)
