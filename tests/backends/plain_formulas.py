"""The catalogued functions as one would write them on paper, with Python's math module; points away from overflow."""

from __future__ import annotations

from collections.abc import Callable
from math import erf, erfc, exp, expm1, log1p, pi, sqrt, tanh

SCALE, ALPHA = 1.0507009873554805, 1.6732632423543772


def _sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x))


def _clamp(x: float, min: float, max: float) -> float:
    return sorted((min, x, max))[1]


PLAIN: dict[str, Callable[..., float]] = {
    "relu": lambda x: x if x > 0 else 0,
    "leaky_relu": lambda x, negative_slope: x if x > 0 else negative_slope * x,
    "prelu": lambda x, weight: x if x > 0 else weight * x,
    "relu6": lambda x: _clamp(x, 0, 6),
    "threshold": lambda x, threshold, value: x if x > threshold else value,
    "maximum0": lambda x: x if x > 0 else 0,
    "clamp": _clamp,
    "abs": lambda x: x if x > 0 else -x,
    "hardtanh": _clamp,
    "hardsigmoid": lambda x: _clamp(x + 3, 0, 6) / 6,
    "hardswish": lambda x: x * _clamp(x + 3, 0, 6) / 6,
    "hardshrink": lambda x, lambd: 0 if -lambd <= x <= lambd else x,
    "softshrink": lambda x, lambd: x - _clamp(x, -lambd, lambd),
    "elu": lambda x, alpha: x if x > 0 else alpha * expm1(x),
    "selu": lambda x: SCALE * (x if x > 0 else ALPHA * expm1(x)),
    "celu": lambda x, alpha: x if x > 0 else alpha * expm1(x / alpha),
    "gelu": lambda x: x * (1 + erf(x / sqrt(2))) / 2,
    "gelu_tanh": lambda x: x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))),
    "quick_gelu": lambda x: x * _sigmoid(1.702 * x),
    "silu": lambda x: x * _sigmoid(x),
    "mish": lambda x: x * tanh(log1p(exp(x))),
    "sigmoid": _sigmoid,
    "logsigmoid": lambda x: -log1p(exp(-x)),
    "softplus": lambda x, beta: log1p(exp(beta * x)) / beta,
    "softplus_threshold": lambda x, beta, threshold: x if beta * x > threshold else log1p(exp(beta * x)) / beta,
    "tanh": tanh,
    "tanhshrink": lambda x: x - tanh(x),
    "softsign": lambda x: x / (1 + abs(x)),
    "squareplus": lambda x, b: (x + sqrt(x * x + b)) / 2,
    "exp": exp,
    "expm1": expm1,
    "log1p": log1p,
    "erf": erf,
    "erfc": erfc,
}
"""Function -> its value at a float, parameters as keywords."""
