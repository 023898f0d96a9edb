"""Rotary position embeddings from a table, so that a row may hold many sequences with their own positions."""

from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Rotation:
    """Cosines and sines of a row's positions, at least float32, shape (tokens, 1, head_dim / 2)."""

    cosines: mx.array
    sines: mx.array


def rotation_of(positions: NDArray[np.int64], head_dim: int, theta: float, dtype: mx.Dtype) -> Rotation:
    """The table of some positions: angle = position · theta^(-2i / head_dim), computed in float64.

    `dtype` is that of activations.
    """
    rates = theta ** (-np.arange(0, head_dim, 2) / head_dim)
    angles = (positions[:, None] * rates)[:, None, :]
    values = (np.cos(angles), np.sin(angles))
    if dtype == mx.float64:
        return Rotation(*(mx.array(value, dtype=mx.float64) for value in values))
    return Rotation(*(mx.array(value.astype(np.float32)) for value in values))


def rotate(x: mx.array, rotation: Rotation) -> mx.array:
    """Rotate the halves of each head of x, shape (tokens, heads, head_dim); its gradient rotates back."""

    @mx.custom_function
    def turn(x: mx.array) -> mx.array:
        return _turn(x, rotation.cosines, rotation.sines)

    @turn.vjp
    def turn_back(x: mx.array, cotangent: mx.array, output: mx.array) -> Any:
        return _turn(cotangent, rotation.cosines, -rotation.sines)

    turned: mx.array = turn(x)  # type: ignore[assignment]  # typed as object by MLX's stubs
    return turned


def _turn(x: mx.array, cosines: mx.array, sines: mx.array) -> mx.array:
    left, right = mx.split(x.astype(cosines.dtype), 2, axis=-1)
    turned = mx.concatenate([left * cosines - right * sines, right * cosines + left * sines], axis=-1)
    return turned.astype(x.dtype)
