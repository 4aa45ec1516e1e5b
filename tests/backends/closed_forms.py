"""f, f', f'' and f''' of the catalogued functions in mpmath, written apart from the package's own oracle.

``DERIVATIVES[name](x, **params)`` takes an ``mpf`` other than a kink and returns the four values. Formulas
are chosen so that 60 digits of working precision leave at least 40 in the result wherever float64 reaches.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
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


def threshold(x: Any, threshold: float, value: float) -> Four:
    return _linear(1, x) if x > threshold else _linear(0, x, mp.mpf(value))


def maximum0(x: Any) -> Four:
    return (x + abs(x)) / 2, (1 + mp.sign(x)) / 2, mp.mpf(0), mp.mpf(0)


def clamp(x: Any, min: float, max: float) -> Four:
    return sorted([mp.mpf(min), x, mp.mpf(max)])[1], mp.mpf(min < x < max), mp.mpf(0), mp.mpf(0)


def absolute(x: Any) -> Four:
    return _linear(mp.sign(x), x)


def hardsigmoid(x: Any) -> Four:
    return _linear(mp.mpf(1) / 6, x, mp.mpf(1) / 2) if abs(x) < 3 else _linear(0, x, mp.mpf(x > 0))


def hardswish(x: Any) -> Four:
    s = hardsigmoid(x)
    return x * s[0], s[0] + x * s[1], 2 * s[1], mp.mpf(0)


def hardshrink(x: Any, lambd: float) -> Four:
    return _linear(abs(x) > lambd, x)


def softshrink(x: Any, lambd: float) -> Four:
    return _linear(1, x, -mp.sign(x) * lambd) if abs(x) > lambd else _linear(0, x)


def elu(x: Any, alpha: Any) -> Four:
    if x > 0:
        return _linear(1, x)
    e = alpha * mp.exp(x)
    return alpha * mp.expm1(x), e, e, e


def selu(x: Any) -> Four:
    scale, alpha = mp.mpf("1.0507009873554804934193349852946"), mp.mpf("1.6732632423543772848170429916717")
    return _linear(scale, x) if x > 0 else tuple(scale * v for v in elu(x, alpha))  # type: ignore[return-value]


def celu(x: Any, alpha: Any) -> Four:
    if x > 0:
        return _linear(1, x)
    a = mp.mpf(alpha)
    with mp.workdps(mp.mp.dps + max(0, int(mp.log10(1 + abs(x / a))))):  # e^t feels the error of t times t
        t = x / a
        return (a * mp.expm1(t) if abs(t) < 10000 else a * mp.exp(t) - a), *(mp.exp(t) / a**k for k in range(3))


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


def quick_gelu(x: Any) -> Four:
    c = mp.mpf("1.702")
    f = silu(c * x)
    return f[0] / c, f[1], c * f[2], c * c * f[3]


def mish(x: Any) -> Four:
    # x w with w = tanh(z), z = softplus(x), by the rules of Faa di Bruno and Leibniz.
    if x > 2000:
        return _linear(1, x)  # off by less than e^-3900
    z, z1, z2, z3 = softplus(x, 1.0)
    w, t1, t2, t3 = tanh(z)
    w1 = t1 * z1
    w2 = t2 * z1**2 + t1 * z2
    w3 = t3 * z1**3 + 3 * t2 * z1 * z2 + t1 * z3
    return x * w, w + x * w1, 2 * w1 + x * w2, 3 * w2 + x * w3


def softplus_threshold(x: Any, beta: float, threshold: float) -> Four:
    return _linear(1, x) if mp.mpf(beta) * x > threshold else softplus(x, beta)


def tanhshrink(x: Any) -> Four:
    h, _, d2, d3 = tanh(x)
    with mp.workdps(mp.mp.dps + (max(0, -3 * int(mp.log10(abs(x)))) if x else 0)):  # x - tanh x cancels near 0
        f = x - mp.tanh(x)
    return f, h * h, -d2, -d3


def softsign(x: Any) -> Four:
    s, b = mp.sign(x), 1 + abs(x)
    return x / b, b**-2, -2 * s / b**3, 6 / b**4


def squareplus(x: Any, b: float) -> Four:
    h = mp.sqrt(x * x + mp.mpf(b))
    # (x + h) (h - x) = b, so that neither half cancels.
    f, f1 = ((x + h) / 2, (1 + x / h) / 2) if x > 0 else (b / (h - x) / 2, b / (h - x) / h / 2)
    return f, f1, b / h**3 / 2, -3 * b * x / h**5 / 2


def exp(x: Any) -> Four:
    y = mp.exp(x)
    return y, y, y, y


def expm1(x: Any) -> Four:
    y = exp(x)[0]
    return mp.expm1(x) if abs(x) < 10000 else y - 1, y, y, y


def log1p(x: Any) -> Four:
    with mp.workdps(400):  # 1 + x
        b = 1 + x
    return mp.log1p(x), 1 / b, -1 / b**2, 2 / b**3


def erf(x: Any) -> Four:
    d = 2 / mp.sqrt(mp.pi) * mp.exp(-x * x)
    return (mp.erf(x) if abs(x) < 200 else mp.sign(x)), d, -2 * x * d, (4 * x * x - 2) * d


def erfc(x: Any) -> Four:
    f = erf(x)
    return mp.erfc(x) if abs(x) < 200 else 1 - f[0], -f[1], -f[2], -f[3]


DERIVATIVES: dict[str, Callable[..., Four]] = {
    f.__name__: f
    for f in (
        relu, leaky_relu, prelu, relu6, threshold, maximum0, clamp, hardtanh, hardsigmoid, hardswish, hardshrink,
        softshrink, elu, selu, celu, gelu, gelu_tanh, quick_gelu, silu, mish, sigmoid, logsigmoid, softplus,
        softplus_threshold, tanh, tanhshrink, softsign, squareplus, exp, expm1, log1p, erf, erfc,
    )
} | {"abs": absolute}  # fmt: skip
KINKS: dict[str, Callable[..., tuple[Any, ...]]] = {
    "relu": lambda: (0.0,),
    "leaky_relu": lambda negative_slope: (0.0,),
    "prelu": lambda weight: (0.0,),
    "relu6": lambda: (0.0, 6.0),
    "threshold": lambda threshold, value: (threshold,),
    "maximum0": lambda: (0.0,),
    "clamp": lambda min, max: (min, max),
    "abs": lambda: (0.0,),
    "hardtanh": lambda min, max: (min, max),
    "hardsigmoid": lambda: (-3.0, 3.0),
    "hardswish": lambda: (-3.0, 3.0),
    "hardshrink": lambda lambd: (-lambd, lambd),
    "softshrink": lambda lambd: (-lambd, lambd),
    "elu": lambda alpha: (0.0,),
    "selu": lambda: (0.0,),
    "celu": lambda alpha: (0.0,),
    "softplus_threshold": lambda beta, threshold: (Fraction(threshold) / Fraction(beta),),
    "softsign": lambda: (0.0,),
}
"""Points at which the derivatives are not judged."""
