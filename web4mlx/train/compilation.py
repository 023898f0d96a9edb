"""Whether MLX compiles each micro-batch's gradient, measured at the start of a run.

Compiling fuses element-wise operations, but packed rows have a new shape nearly every time, and each shape is
traced anew. On a GPU it is measured, tracing included, and the faster way is taken. On a CPU it ran at 0.79
to 0.82 of the eager speed with tracing and at 1.01 to 1.08 without (warm pairs, two rows only) and needs a
C++ compiler at run time, so `auto` does not try.
"""

import time
from collections.abc import Sequence

import mlx.core as mx

from web4mlx.config.schema import RunConfig
from web4mlx.data.rows import RowSet
from web4mlx.events import EventLog, Metric
from web4mlx.train.batches import Layout
from web4mlx.train.lora import Adapters
from web4mlx.train.network import Network
from web4mlx.train.step import step_gradients

TRIALS = 3
SAMPLES = 4


def choose_compilation(
    config: RunConfig, network: Network, rows: RowSet, layout: Layout, adapters: Adapters, log: EventLog
) -> None:
    """Set `network.compiled` as configured; `auto` measures on a GPU and reports both times."""
    wanted = config.training.compile
    network.compiled = wanted == "on"
    if wanted != "auto" or mx.default_device() != mx.gpu:
        return
    seconds = {compiled: measure(network, rows, layout, adapters, compiled) for compiled in (False, True)}
    network.compiled = seconds[True] < seconds[False]
    for compiled, value in seconds.items():
        log.write(Metric, name="compiled step" if compiled else "eager step", value=value, unit="s")


def measure(network: Network, rows: RowSet, layout: Layout, adapters: Adapters, compiled: bool) -> float:
    """Seconds of gradients over a few different micro-batches, as in training each of its own shape."""
    network.compiled = compiled
    started = time.perf_counter()
    for trial, samples in enumerate(trials(len(rows))):
        if trial == 1:  # the first one warms up
            started = time.perf_counter()
        step_gradients(network, adapters, layout(rows, samples), 0, 1.0)
    return time.perf_counter() - started


def trials(rows: int) -> list[Sequence[int]]:
    """Small groups of samples."""
    count = min(SAMPLES, rows)
    return [[(trial * count + index) % rows for index in range(count)] for trial in range(TRIALS + 1)]
