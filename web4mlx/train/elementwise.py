"""Exponentials and activations of the training loop.

MLX's CPU backend computes `exp` one value at a time, 40 times slower than a multiplication, and no more
exactly than float32 in float64. Here 2^x is a polynomial and a shift of the exponent's bits, made of
operations that run on whole vectors; a GPU uses its own instruction.
"""

from typing import Any

import mlx.core as mx

LOG2_E = 1.4426950408889634
LN_2 = 0.6931471805599453
LOWEST = -64.0
"""Exponents below count as this one: 5e-20 is nothing beside 1 in float32, while true values would turn into
denormal numbers in the products that follow, which slow a CPU's matrix product down several times."""
ROUNDER = 12582912.0
"""1.5 · 2^23: adding it rounds a float32 to an integer and leaves that integer in the low bits."""
POLYNOMIAL = (1.3395440e-3, 9.6181398e-3, 5.5503272e-2, 2.4022651e-1, 6.9314720e-1, 1.0)
"""Of 2^f on [-1/2, 1/2], highest power first; relative error 1e-7."""


def exp2(x: mx.array) -> mx.array:
    """2^x for x ≤ 127; see `LOWEST` for small values. Not differentiable: used inside own gradients.

    Relative error 1e-6 in float32 (2 ulp plus the polynomial's), full precision in float64.
    """
    if x.dtype == mx.float64:
        return mx.power(mx.array(2.0, mx.float64), x)
    if mx.default_device() == mx.gpu:
        return mx.exp(x * LN_2)
    return _exp2_on_cpu(x)


def _exp2_on_cpu(x: mx.array) -> mx.array:
    x = mx.maximum(x, LOWEST)
    rounded = x + ROUNDER
    fraction = x - (rounded - ROUNDER)
    value = fraction * POLYNOMIAL[0] + POLYNOMIAL[1]
    for coefficient in POLYNOMIAL[2:]:
        value = value * fraction + coefficient
    bits = value.view(mx.int32) + mx.left_shift(rounded.view(mx.int32), 23)
    return bits.view(mx.float32)


def sigmoid(x: mx.array) -> mx.array:
    """1 / (1 + e^-x) in at least float32, for use inside own gradients."""
    wide = x if x.dtype == mx.float64 else x.astype(mx.float32)
    result: mx.array = 1.0 / (1.0 + exp2(mx.minimum(wide * -LOG2_E, 126.0)))
    return result.astype(x.dtype)


def swiglu(gate: mx.array, up: mx.array, keep: bool) -> mx.array:
    """silu(gate) · up, with its gradient written out.

    Args:
        gate: Any shape.
        up: The same shape.
        keep: Whether the sigmoid is kept for the backward pass (faster) or computed again (leaner).
    """

    @mx.custom_function
    def activate(gate: mx.array, up: mx.array) -> list[mx.array]:
        share = sigmoid(gate)
        activated = gate * share * up
        return [activated, share] if keep else [activated]

    @activate.vjp
    def gradient(primals: Any, cotangents: Any, outputs: Any) -> Any:
        gate, up = primals
        share = outputs[1] if keep else sigmoid(gate)
        silu = gate * share
        return cotangents[0] * up * (share + silu * (1.0 - share)), cotangents[0] * silu

    activated: mx.array = activate(gate, up)[0]  # type: ignore[index]  # typed as object by MLX's stubs
    return activated
