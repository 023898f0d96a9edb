"""How fast this machine really is: one layer of the model's shape, with random weights, trained for a moment.

The counted operations of `web4mlx.plan.speed` give the proportions; what a layer and a piece of the head take
here gives the factors. Nothing is loaded but the model's config.json.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from web4mlx.config.schema import LoraConfig
from web4mlx.plan.shape import ModelShape, read_shape
from web4mlx.plan.speed import MachineSpeed, head_seconds, layer_seconds, measure_speed
from web4mlx.plan.work import RowWork, work_of
from web4mlx.train.recompute import Recompute

SEGMENTS, SEGMENT_TOKENS = 4, 128
SMALL_VOCABULARY, HEAD_VOCABULARY = 512, 8192
HEAD_ROWS = 256
ROUNDS = 3


@dataclass(frozen=True)
class Forecast:
    """Predicts the time of work on this machine.

    Attributes:
        shape: The model.
        speed: Measured speeds.
        dropout: Whether adapters have dropout.
        layers: Measured over counted time of a layer, for each way of recomputing.
        head: The same of the head.
    """

    shape: ModelShape
    speed: MachineSpeed
    dropout: bool
    layers: dict[Recompute, float]
    head: float

    def corrected(self, factor: float) -> "Forecast":
        """This forecast with all times multiplied."""
        layers = {way: value * factor for way, value in self.layers.items()}
        return replace(self, layers=layers, head=self.head * factor)

    def seconds(self, work: RowWork, recompute: Sequence[Recompute]) -> float:
        """Predicted seconds of forward and backward."""
        layers = sum(
            layer_seconds(self.shape, work, way, self.speed, self.dropout) * self.layers[way]
            for way in recompute
        )
        return layers + head_seconds(self.shape, work, self.speed) * self.head


def calibrate(base: Path, lora: LoraConfig, value_type: str) -> Forecast:
    """Measure a layer and a piece of the head; takes seconds.

    Args:
        base: Folder with the model's config.json.
        lora: The adapter.
        value_type: Name of the precision, e.g. `float32`.
    """
    import mlx.core as mx

    shape = read_shape(base, lora)
    speed = measure_speed(shape, value_type)
    one = replace(shape, layers=1, adapter=shape.adapter // max(shape.adapter_layers, 1))
    dropout = lora.dropout > 0
    work = work_of(_batch())
    layers: dict[Recompute, float] = {
        way: seconds / layer_seconds(one, work, way, speed, dropout)
        for way, seconds in _time_layer(base, lora, value_type).items()
    }
    piece = replace(shape, vocabulary=min(HEAD_VOCABULARY, shape.vocabulary))
    counted = head_seconds(piece, RowWork(0, HEAD_ROWS, 0, 0), speed)
    head = _time_head(piece, value_type) / counted
    mx.clear_cache()
    return Forecast(shape, speed, dropout, layers, head)


def _time_layer(base: Path, lora: LoraConfig, value_type: str) -> dict[Recompute, float]:
    """Fastest forward and backward of one layer, for each way of recomputing, taken in turn."""
    import mlx.core as mx

    from web4mlx.train.lora import attach_adapters, first_adapters
    from web4mlx.train.network import OwnLayers
    from web4mlx.train.step import step_gradients

    dtype = getattr(mx, value_type)
    model = _one_layer(base)
    model.set_dtype(dtype)
    names = attach_adapters(model, lora.model_copy(update={"layers": "all"}))
    adapters = first_adapters(model, names, lora.rank, 0)
    mx.eval(model.parameters(), adapters)
    ways: tuple[Recompute, ...] = get_args(Recompute)
    networks = {way: OwnLayers(model, lora.scale, lora.dropout, dtype, [way]) for way in ways}
    times: dict[Recompute, list[float]] = {way: [] for way in ways}
    for _ in range(ROUNDS + 1):
        for way, network in networks.items():
            started = time.perf_counter()
            step_gradients(network, adapters, [_batch()], 0, 1.0)
            times[way].append(time.perf_counter() - started)
    return {way: min(seconds[1:]) for way, seconds in times.items()}


def _one_layer(base: Path) -> Any:
    """A model of one layer and a small vocabulary, with random weights."""
    from mlx_lm.utils import _get_classes

    config = json.loads((base / "config.json").read_text("utf-8"))
    config |= {"num_hidden_layers": 1, "vocab_size": SMALL_VOCABULARY, "layer_types": None}
    model_class, args_class = _get_classes(config)
    return model_class(args_class.from_dict(config))


def _batch() -> Any:
    """A packed row of equal segments whose last token is supervised."""
    import numpy as np

    from web4mlx.train.batches import MicroBatch

    total = SEGMENTS * SEGMENT_TOKENS
    ends = np.arange(SEGMENT_TOKENS - 1, total, SEGMENT_TOKENS, dtype=np.int32)
    segments = tuple((int(end) + 1 - SEGMENT_TOKENS, int(end) + 1) for end in ends)
    tokens = np.arange(total, dtype=np.int32)[None] % SMALL_VOCABULARY
    return MicroBatch(tokens, segments, 0, ends, np.zeros_like(ends), total)


def _time_head(piece: ModelShape, value_type: str) -> float:
    """Fastest pass of the head over a piece of the vocabulary."""
    import mlx.core as mx

    from web4mlx.train.loss import head_loss

    dtype = getattr(mx, value_type)
    hidden = mx.random.normal((HEAD_ROWS, piece.hidden)).astype(dtype)
    weight = mx.random.normal((piece.vocabulary, piece.hidden)).astype(dtype) * 0.02
    targets = mx.zeros((HEAD_ROWS,), mx.int32)
    mx.eval(hidden, weight, targets)
    run = mx.grad(lambda hidden: head_loss(hidden, targets, weight))
    times = []
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        mx.eval(run(hidden))
        times.append(time.perf_counter() - started)
    return min(times[1:])
