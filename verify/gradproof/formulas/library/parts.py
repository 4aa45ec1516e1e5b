"""What several records are made of: single kernels of PyTorch and functions of JAX with their own derivative rules."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from gradproof.formulas.differentiation.rules import sigmoid_backward
from gradproof.formulas.rounded import Room

XLA: Final[Mapping[str, Room]] = {
    "exp": Room(3, flushes=True),
    "expm1": Room(4, difference=True),
    "log1p": Room(3, ulps64=136),
    "tanh": Room(6, ulps64=8, settles=20.0),
    "erf": Room(7, ulps64=2),
    "erfc": Room(64, flushes=True, ulps64=512),
}
"""XLA's own elementary functions on a CPU: rational functions of the format's own arithmetic (docs/formulas.md)."""
SLEEF: Final[Mapping[str, Room]] = {"erfc": Room(4, flushes=True)}
"""SLEEF's functions of 1 ulp, which PyTorch's vector kernels call; others have the usual room."""
HASTINGS: Final = ("1.061405429", "-1.453152027", "1.421413741", "-0.284496736", "0.254829592")
"""a5 to a1 of the approximation 7.1.26 to erf by Abramowitz and Stegun (Hastings 1955), whose error is 1.5e-7."""
ROOT_HALF: Final = 0.7071067811865476
ROOT_2_OVER_PI: Final = 0.7978845608028654
"""sqrt(2/pi) as a float64, as frameworks hold it."""


def ratio(m: Any, x: Any) -> Any:
    """1 / (1 + e^-x)."""
    return 1 / (1 + m.exp(-x))


def hastings(m: Any, x: Any) -> Any:
    """erf(x) as 1 - (a1 t + ... + a5 t^5) e^(-x^2), t = 1 / (1 + p |x|), by Horner's rule."""
    size = abs(x)
    t = 1 / (1 + m.real("0.3275911") * size)
    total = m.real(HASTINGS[0])
    for coefficient in HASTINGS[1:]:
        total = total * t + m.real(coefficient)
    return m.copysign(1 - (t * m.exp(-(size * size))) * total, x)


def bell(m: Any, x: Any) -> Any:
    """e^-|x| / (1 + e^-|x|)^2, the derivative of sigmoid without a difference."""
    t = m.exp(-abs(x))
    return t / ((1 + t) * (1 + t))


def split(m: Any, x: Any, factor: Any) -> Any:
    """factor e^x for x < 0 as (factor h) h with h = e^(x/2): no subnormal number on the way."""
    h = m.exp(m.maximum(x, -1600) * 0.5)
    return (factor * h) * h


def branches(m: Any, x: Any) -> Any:
    """sigmoid without an overflow: 1 / (1 + t) for x >= 0, else t / (1 + t), t = e^-|x|."""
    t = m.exp(-abs(x))
    return m.where(x >= 0, 1 / (1 + t), t / (1 + t))


def torch_sigmoid(m: Any, x: Any) -> Any:
    """PyTorch's sigmoid, the kernel 1 / (1 + e^-x), whose derivative is made of its result."""

    def backward(m: Any, c: Any, x: Any) -> Any:
        return sigmoid_backward(m, c, m.stored(torch_sigmoid(m, x)))

    return m.call(ratio, (backward,), x)


def logaddexp(m: Any, x: Any) -> Any:
    """The softplus of JAX, max(x, 0) + log1p(e^-|x|), whose derivative is e^(x - softplus)."""

    def value(m: Any, x: Any) -> Any:
        return m.maximum(x, 0) + m.log1p(m.exp(-abs(x)))

    def backward(m: Any, c: Any, x: Any) -> Any:
        return m.multiply(c, m.exp(m.subtract(_finite(m, x), _finite(m, logaddexp(m, x)))))

    return m.call(value, (backward,), x)


def logistic(m: Any, x: Any) -> Any:
    """XLA's logistic 1 / (1 + e^-x) with JAX's derivative s (1 - s)."""

    def backward(m: Any, c: Any, x: Any) -> Any:
        s = logistic(m, x)
        return m.multiply(c, m.multiply(s, m.subtract(1, s)))

    return m.call(ratio, (backward,), x)


def _finite(m: Any, x: Any) -> Any:
    return m.where(m.at_most(math.inf, x), 0, x)
