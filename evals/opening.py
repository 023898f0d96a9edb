"""Which model is evaluated, with which engine, under which conditions: what was typed, completed."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from evals.slots import choose_slots
from evals.spread import SpreadEngine
from evals.suite import Conditions
from web4mlx.config import RunConfig
from web4mlx.engines.base import Engine
from web4mlx.engines.open import EngineKind, find_local, find_served_kind, reach_server
from web4mlx.errors import MissingPrerequisite, StageCrashed, UsageError, Web4Error
from web4mlx.events import EventSink, Warned
from web4mlx.modelfile import read_modelfile, sampling_options


@dataclass(frozen=True)
class Target:
    """The model and who serves it; `endpoints` only for servers, whose `model` is a name."""

    model: str
    kind: EngineKind
    endpoints: tuple[str, ...] = ()
    allow_remote: bool = False


def find_target(
    model: str, kind: str, endpoints: Sequence[str], outputs: Path, *, allow_remote: bool = False
) -> Target:
    """Complete what was typed: the newest exported GGUF, and the engine that fits the model.

    Raises:
        UsageError: The engine is unknown or does not go with the model.
        MissingPrerequisite: There is no such model.
    """
    served = find_served_kind(kind, "".join(endpoints))
    if served is None:
        return Target(*find_local(model, kind, outputs))
    if not model:
        raise UsageError("a server needs the name of its model", "Name it with --model.")
    return Target(model, served, tuple(endpoints), allow_remote)


def open_target(target: Target, conditions: Conditions, show: EventSink) -> Engine:
    """Load the model, or reach its server.

    Raises:
        Web4Error: It cannot be loaded or reached; says why.
    """
    context = conditions.modelfile.context
    if target.kind == "llamacpp":
        from web4mlx.engines.llamacpp import LlamaCppEngine

        gguf = Path(target.model)
        slots = choose_slots(gguf, context, conditions.parallel, show)
        return LlamaCppEngine(gguf, context=context, parallel=slots, reuse_prompts=True)
    if target.kind == "mlx":
        from web4mlx.engines.mlx import MlxEngine

        return MlxEngine(Path(target.model), context=context)
    return SpreadEngine(reach_all(target, conditions, show))


def reach_all(target: Target, conditions: Conditions, show: EventSink) -> list[Engine]:
    """The engines of the servers that can be reached; the others are named in a warning.

    Raises:
        MissingPrerequisite: None can be reached, or none has the model.
        StageCrashed: None can load it.
        UsageError: An endpoint is not valid; those that were reached are closed again.
    """
    failures: list[Web4Error] = []
    reached: list[Engine] = []
    with ExitStack() as opened:
        for endpoint in target.endpoints or ("",):
            try:
                reached.append(opened.enter_context(reach(target, endpoint, conditions)))
            except (MissingPrerequisite, StageCrashed) as error:
                failures.append(error)
        if not reached:
            raise failures[0]
        opened.pop_all()
    for failure in failures:
        advice = f"{failure.hint} The other endpoints are asked all questions.".strip()
        event = Warned(
            ts=time.time(),
            run="evals",
            stage="evals",
            code="endpoint",
            message=failure.message,
            advice=advice,
        )
        show(event)
    return reached


def reach(target: Target, endpoint: str, conditions: Conditions) -> Engine:
    """The engine of one server."""
    context = conditions.modelfile.context
    return reach_server(target.kind, target.model, endpoint, context, allow_remote=target.allow_remote)


@dataclass(frozen=True)
class Typed:
    """What `evals run` was told about the conditions; None leaves it to the configuration."""

    modelfile: Path | None = None
    outputs: Path | None = None
    parallel: int | None = None
    seed: int | None = None
    max_tokens: int | None = None
    use_cache: bool = True


def conditions_of(config: RunConfig, typed: Typed) -> Conditions:
    """The conditions of an evaluation: the configuration's, where nothing else was typed."""
    modelfile = read_modelfile(typed.modelfile or config.modelfile)
    seed = config.evals.seed if typed.seed is None else typed.seed
    options = sampling_options(modelfile, seed=seed, max_tokens=typed.max_tokens)
    configured = modelfile if typed.modelfile is None else read_modelfile(config.modelfile)
    wanted = sampling_options(configured, seed=config.evals.seed)
    return Conditions(
        outputs=typed.outputs or config.outputs,
        modelfile=modelfile,
        options=options,
        training_files=config.data.train,
        parallel=typed.parallel or config.evals.parallel,
        use_cache=typed.use_cache,
        is_configured=(modelfile, options) == (configured, wanted),
    )
