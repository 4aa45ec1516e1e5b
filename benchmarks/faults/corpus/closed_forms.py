"""f, f' and f'' in float64 by formulas without cancellation, and ways to hand them to a framework.

What the corpus builds on: whatever a file does not get wrong on purpose, it gets from here, rounded once to the format.
Every function takes the namespace ``xp`` (numpy or torch) and a float64 array, and returns one of the same shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

Form = Callable[[ModuleType, Any], Any]

FAR = 1e4
"""Farther out a factor that vanishes has done so; an infinity times it would be NaN."""


def near(xp: ModuleType, x: Any) -> Any:
    """X, held to +-1e4."""
    return xp.clip(x, -FAR, FAR)


def ratio(xp: ModuleType, x: Any) -> Any:
    """e^-|x|, at most 1."""
    return xp.exp(-xp.abs(x))


def sigmoid(xp: ModuleType, x: Any) -> Any:
    """1 / (1 + e^-x)."""
    z = ratio(xp, x)
    return xp.where(x >= 0, 1 / (1 + z), z / (1 + z))


def d_sigmoid(xp: ModuleType, x: Any) -> Any:
    """S (1 - s) = z / (1 + z)^2."""
    z = ratio(xp, x)
    return z / ((1 + z) * (1 + z))


def dd_sigmoid(xp: ModuleType, x: Any) -> Any:
    """-s (1 - s) tanh(x / 2)."""
    return -d_sigmoid(xp, x) * xp.tanh(x / 2)


def tanh(xp: ModuleType, x: Any) -> Any:
    """tanh(x)."""
    return xp.tanh(x)


def d_tanh(xp: ModuleType, x: Any) -> Any:
    """1 / cosh(x)^2 = 4 w / (1 + w)^2, w = e^-2|x|."""
    return 4 * d_sigmoid(xp, 2 * x)


def dd_tanh(xp: ModuleType, x: Any) -> Any:
    """-2 tanh(x) / cosh(x)^2."""
    return -2 * xp.tanh(x) * d_tanh(xp, x)


def silu(xp: ModuleType, x: Any) -> Any:
    """X s(x)."""
    return xp.where(x < 0, near(xp, x), x) * sigmoid(xp, x)


def d_silu(xp: ModuleType, x: Any) -> Any:
    """s(x) + x s'(x)."""
    return sigmoid(xp, x) + near(xp, x) * d_sigmoid(xp, x)


def dd_silu(xp: ModuleType, x: Any) -> Any:
    """s'(x) (2 - x tanh(x / 2))."""
    x = near(xp, x)
    return d_sigmoid(xp, x) * (2 - x * xp.tanh(x / 2))


def softplus(xp: ModuleType, x: Any) -> Any:
    """log(1 + e^x) = max(x, 0) + log1p(e^-|x|)."""
    return xp.where(x > 0, x, 0 * near(xp, x)) + xp.log1p(ratio(xp, x))


def elu(xp: ModuleType, x: Any) -> Any:
    """X above 0, e^x - 1 below."""
    return xp.where(x > 0, x, xp.expm1(xp.where(x > 0, 0 * near(xp, x), x)))


def d_elu(xp: ModuleType, x: Any) -> Any:
    """1 above 0, e^x below."""
    return xp.where(x > 0, 1 + 0 * near(xp, x), xp.exp(xp.where(x > 0, 0 * near(xp, x), x)))


def dd_elu(xp: ModuleType, x: Any) -> Any:
    """0 above 0, e^x below."""
    return xp.where(x > 0, 0 * near(xp, x), d_elu(xp, x))


def exp(xp: ModuleType, x: Any) -> Any:
    """e^x, its own derivative."""
    return xp.exp(x)


def softsign(xp: ModuleType, x: Any) -> Any:
    """X / (1 + |x|)."""
    x = xp.clip(x, -1e300, 1e300)
    return x / (1 + xp.abs(x))


def d_softsign(xp: ModuleType, x: Any) -> Any:
    """1 / (1 + |x|)^2."""
    t = 1 / (1 + xp.abs(x))
    return t * t


def mish(xp: ModuleType, x: Any) -> Any:
    """X tanh(log(1 + e^x))."""
    numerator, denominator = _mish_ratio(xp, x)
    return xp.where(x < 0, near(xp, x), x) * (numerator / denominator)


def d_mish(xp: ModuleType, x: Any) -> Any:
    """T + x (1 - t^2) s, t = tanh(log(1 + e^x))."""
    w = ratio(xp, x)
    numerator, denominator = _mish_ratio(xp, x)
    gap = xp.where(x >= 0, 4 * w * w * (1 + w) ** 2, 4 * (1 + w) ** 2) / denominator**2
    return numerator / denominator + near(xp, x) * gap * sigmoid(xp, x)


def _mish_ratio(xp: ModuleType, x: Any) -> tuple[Any, Any]:
    w = ratio(xp, x)
    numerator = xp.where(x >= 0, 1 + 2 * w, w * (w + 2))
    return numerator, numerator + xp.where(x >= 0, 2 * w * w, 2 + 0 * w)


def gelu(xp: ModuleType, x: Any) -> Any:
    """X erfc(-x / sqrt 2) / 2, with torch's erfc."""
    return xp.where(x < 0, near(xp, x), x) * normal_cdf(xp, x)


def d_gelu(xp: ModuleType, x: Any) -> Any:
    """Phi(x) + x phi(x)."""
    return normal_cdf(xp, x) + near(xp, x) * normal_density(xp, x)


def dd_gelu(xp: ModuleType, x: Any) -> Any:
    """(2 - x^2) phi(x)."""
    x = near(xp, x)
    return (2 - x * x) * normal_density(xp, x)


def normal_cdf(xp: ModuleType, x: Any) -> Any:
    """Phi(x)."""
    return xp.special.erfc(-x / math.sqrt(2)) / 2


def normal_density(xp: ModuleType, x: Any) -> Any:
    """phi(x)."""
    x = near(xp, x)
    return xp.exp(-x * x / 2) / math.sqrt(2 * math.pi)


# -- handed to a framework -----------------------------------------------------------------------------


def on_numpy(form: Form) -> Callable[[Any], Any]:
    """``form`` of a NumPy array of any format, rounded once to that format."""
    import numpy as np

    def call(x: Any) -> Any:
        with np.errstate(all="ignore"):
            return form(np, x.astype(np.float64)).astype(x.dtype)

    return call


def on_torch(x: Any, *forms: Form, backward: Any = None, forward: Any = None) -> Any:
    """forms[0] of a tensor, with forms[1] as its derivative, and so on; the last one's derivative is 0.

    ``backward`` (cotangent, derivative) and ``forward`` (tangent, derivative) are products unless they are given.
    """
    import torch

    first, rest = forms[0], forms[1:]

    def slope(at: Any) -> Any:
        return on_torch(at, *rest) if rest else torch.zeros_like(at)

    class Level(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x: Any) -> Any:
            return first(torch, x.double()).to(x.dtype)

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.save_for_backward(inputs[0])
            ctx.save_for_forward(inputs[0])

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            d = slope(ctx.saved_tensors[0])
            return g * d if backward is None else backward(g, d)

        @staticmethod
        def jvp(ctx: Any, t: Any) -> Any:
            d = slope(ctx.saved_tensors[0])
            return t * d if forward is None else forward(t, d)

    return Level.apply(x)
