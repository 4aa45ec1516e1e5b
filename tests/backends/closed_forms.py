"""f, f', f'' and f''' of the catalogued functions in mpmath, written apart from the package's own oracle.

``DERIVATIVES[name](x, **params)`` takes an ``mpf`` other than a kink and returns the four values. Formulas
are chosen so that 60 digits of working precision leave at least 40 in the result wherever float64 reaches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp

Four = tuple[Any, Any, Any, Any]


def _linear(slope: Any, x: Any, shift: Any = 0) -> Four:
    return slope * x + shift, mp.mpf(slope), mp.mpf(0), mp.mpf(0)


def relu(x: Any) -> Four:
    return _linear(1 if x > 0 else 0, x)


def leaky_relu(x: Any, negative_slope: float) -> Four:
    return _linear(1 if x > 0 else mp.mpf(negative_slope), x)


def prelu(x: Any, weight: float) -> Four:
    return leaky_relu(x, weight)


def hardtanh(x: Any, min: float, max: float) -> Four:
    return _linear(0, x, min) if x < min else _linear(0, x, max) if x > max else _linear(1, x)


def relu6(x: Any) -> Four:
    return hardtanh(x, 0, 6)


def elu(x: Any, alpha: Any) -> Four:
    if x > 0:
        return _linear(1, x)
    e = alpha * mp.exp(x)
    return alpha * mp.expm1(x), e, e, e


def selu(x: Any) -> Four:
    scale, alpha = mp.mpf("1.0507009873554804934193349852946"), mp.mpf("1.6732632423543772848170429916717")
    return _linear(scale, x) if x > 0 else tuple(scale * v for v in elu(x, alpha))  # type: ignore[return-value]


def sigmoid(x: Any) -> Four:
    s, t = 1 / (1 + mp.exp(-x)), 1 / (1 + mp.exp(x))
    # 1 - 2 s = -tanh(x/2), which keeps its digits at 0; s''' = s t (1 - 6 s t).
    return s, s * t, -s * t * mp.tanh(x / 2), s * t * (1 - 6 * s * t)


def tanh(x: Any) -> Four:
    h, d = mp.tanh(x), 1 / mp.cosh(x) ** 2
    return h, d, -2 * h * d, d * (6 * h**2 - 2)


def softplus(x: Any, beta: float) -> Four:
    b = mp.mpf(beta)
    s = sigmoid(b * x)
    return mp.log1p(mp.exp(b * x)) / b, s[0], b * s[1], b * b * s[2]


def logsigmoid(x: Any) -> Four:
    f = softplus(-x, 1.0)
    return -f[0], f[1], -f[2], f[3]


def silu(x: Any) -> Four:
    s = sigmoid(x)
    return x * s[0], s[0] + x * s[1], 2 * s[1] + x * s[2], 3 * s[2] + x * s[3]


def gelu(x: Any) -> Four:
    phi = mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)
    # Beyond 200 the tail is below 10**-8600; mpmath's erfc does not take the largest float64.
    upper = mp.erfc(-x / mp.sqrt(2)) / 2 if abs(x) < 200 else mp.mpf(x > 0)
    return x * upper, upper + x * phi, phi * (2 - x * x), phi * (x**3 - 4 * x)


def gelu_tanh(x: Any) -> Four:
    k, a = 2 * mp.sqrt(2 / mp.pi), mp.mpf("0.044715")
    u, w, w1, w2 = k * (x + a * x**3), k * (1 + 3 * a * x * x), k * 6 * a * x, k * 6 * a
    s = sigmoid(u)
    s1 = s[1] * w
    s2 = s[2] * w * w + s[1] * w1
    s3 = s[3] * w**3 + 3 * s[2] * w * w1 + s[1] * w2
    return x * s[0], s[0] + x * s1, 2 * s1 + x * s2, 3 * s2 + x * s3


DERIVATIVES: dict[str, Callable[..., Four]] = {
    f.__name__: f
    for f in (
        relu, leaky_relu, prelu, relu6, hardtanh, elu, selu, gelu, gelu_tanh,
        silu, softplus, sigmoid, logsigmoid, tanh,
    )
}  # fmt: skip
KINKS: dict[str, Callable[..., tuple[float, ...]]] = {
    "relu": lambda: (0.0,),
    "leaky_relu": lambda negative_slope: (0.0,),
    "prelu": lambda weight: (0.0,),
    "relu6": lambda: (0.0, 6.0),
    "hardtanh": lambda min, max: (min, max),
    "elu": lambda alpha: (0.0,),
    "selu": lambda: (0.0,),
}
"""Points at which the derivatives are not judged."""
