"""Functions built from exponentials, the error function, roots and quotients.

Constants are exact decimal text where their authors published decimals: GELU's tanh form with 0.044715 and its
sigmoid form with 1.702 (Hendrycks, Gimpel 2016), SELU's alpha and scale (Klambauer et al. 2017, as published with
the reference code). Binary fractions such as ``0.5`` are exact as they stand.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

from gradproof.functions.catalogue.piecewise import INF, Params, identity
from gradproof.functions.function import Function, exact

SELU_ALPHA: Final = "1.6732632423543772848170429916717"
SELU_SCALE: Final = "1.0507009873554804934193349852946"
_GATED: Final[dict[str, Any]] = {"limits": ((0, 0, 0), (INF, 1, 0)), "directions": (-1, 1)}
"""x times something that rises from 0 to 1: falls to one minimum, then rises."""


def _gelu_tanh(m: Any, x: Any) -> Any:
    # x/2 (1 + tanh z) = x sigmoid(2 z), which does not cancel for negative z.
    z = m.sqrt(2 / m.pi) * (x + m.real("0.044715") * x * x * x)
    return x * m.sigmoid(2 * z)


def _elu_shape(params: Params) -> dict[str, Any]:
    alpha = params["alpha"]
    if alpha < 0:
        return {"monotone": False, "range": (0, INF), "turns": (0,), "directions": (-1, 1)}
    return {"monotone": True, "range": (-alpha, INF), "turns": (), "directions": (1,)}


def _celu_left(order: int) -> Any:
    """Limit at -infinity: alpha expm1(x / alpha) tends to -alpha, or without bound where alpha is negative."""

    def limit(params: Params) -> Any:
        if params["alpha"] > 0:
            return -params["alpha"] if order == 0 else 0
        return INF if order == 1 else "-inf"

    return limit


ELU: Final = Function(
    "elu",
    (lambda m, x, alpha: alpha * m.expm1(x), identity),
    params={"alpha": 1.0},
    breakpoints=(0,),
    limits=((lambda p: -p["alpha"], 0, 0), (INF, 1, 0)),
    shape=_elu_shape,
)
SELU: Final = Function(
    "selu",
    (
        lambda m, x: m.real(SELU_SCALE) * m.real(SELU_ALPHA) * m.expm1(x),
        lambda m, x: m.real(SELU_SCALE) * x,
    ),
    breakpoints=(0,),
    limits=((-exact(SELU_SCALE) * exact(SELU_ALPHA), 0, 0), (INF, SELU_SCALE, 0)),
    monotone=True,
    range=(-exact(SELU_SCALE) * exact(SELU_ALPHA), INF),
)
CELU: Final = Function(
    "celu",
    (lambda m, x, alpha: alpha * m.expm1(x / alpha), identity),
    params={"alpha": 1.0},
    breakpoints=(0,),
    limits=((_celu_left(0), _celu_left(1), _celu_left(2)), (INF, 1, 0)),
    monotone=True,
    shape=lambda p: {"range": (-p["alpha"] if p["alpha"] > 0 else "-inf", INF)},
    requires=(("alpha != 0", lambda p: p["alpha"] != 0),),
)
"""alpha expm1(x / alpha) left of 0 (Barron 2017): its first derivative has no jump."""
GELU: Final = Function(
    "gelu", (lambda m, x: 0.5 * x * m.erfc(-x / m.sqrt(2)),), turns=(("-0.7518", "-0.7517"),), **_GATED
)
GELU_TANH: Final = Function("gelu_tanh", (_gelu_tanh,), turns=(("-0.7525", "-0.7524"),), **_GATED)
QUICK_GELU: Final = Function(
    "quick_gelu", (lambda m, x: x * m.sigmoid(m.real("1.702") * x),), turns=(("-0.7512", "-0.7511"),), **_GATED
)
SILU: Final = Function("silu", (lambda m, x: x * m.sigmoid(x),), turns=(("-1.2785", "-1.2784"),), **_GATED)
MISH: Final = Function("mish", (lambda m, x: x * m.tanh(m.softplus(x)),), turns=(("-1.1925", "-1.1924"),), **_GATED)
"""x tanh(softplus(x)) (Misra 2019)."""
SOFTPLUS: Final = Function(
    "softplus",
    (lambda m, x, beta: m.softplus(beta * x) / beta,),
    params={"beta": 1.0},
    limits=((0, 0, 0), (INF, 1, 0)),
    monotone=True,
    range=(0, INF),
    requires=(("beta > 0", lambda p: p["beta"] > 0),),
)
SIGMOID: Final = Function(
    "sigmoid", (lambda m, x: m.sigmoid(x),), limits=((0, 0, 0), (1, 0, 0)), monotone=True, range=(0, 1)
)
LOGSIGMOID: Final = Function(
    "logsigmoid",
    (lambda m, x: -m.softplus(-x),),
    limits=(("-inf", 1, 0), (0, 0, 0)),
    monotone=True,
    range=("-inf", 0),
)
TANH: Final = Function(
    "tanh", (lambda m, x: m.tanh(x),), limits=((-1, 0, 0), (1, 0, 0)), odd=True, monotone=True, range=(-1, 1)
)
TANHSHRINK: Final = Function(
    "tanhshrink",
    (lambda m, x: x - m.tanh(x),),
    limits=(("-inf", 1, 0), (INF, 1, 0)),
    odd=True,
    monotone=True,
    range=("-inf", INF),
)
SOFTSIGN: Final = Function(
    "softsign",
    (lambda m, x: 1 / (1 - x) - 1, lambda m, x: 1 - 1 / (1 + x)),  # x / (1 + |x|) would cancel in its derivatives
    breakpoints=(0,),
    limits=((-1, 0, 0), (1, 0, 0)),
    odd=True,
    monotone=True,
    range=(-1, 1),
)
"""x / (1 + |x|): its first derivative is continuous, the second jumps from 2 to -2 at 0."""


def _squareplus_edge(params: Params) -> Fraction:
    return min(params["b"], Fraction(1))


def _squareplus_left(m: Any, x: Any, b: Any) -> Any:
    # b / (2 (sqrt(x^2 + b) - x)), which does not cancel, with x taken out of the root, so that x^2 never overflows.
    r = 1 / x
    return -(0.5 * b) * r / (1 + m.sqrt(1 + b * r * r))


def _squareplus_right(m: Any, x: Any, b: Any) -> Any:
    r = 1 / x
    return 0.5 * x * (1 + m.sqrt(1 + b * r * r))


SQUAREPLUS: Final = Function(
    "squareplus",
    (_squareplus_left, lambda m, x, b: 0.5 * (x + m.sqrt(x * x + b)), _squareplus_right),
    params={"b": 4.0},
    breakpoints=(lambda p: -_squareplus_edge(p), _squareplus_edge),
    seams=frozenset({0, 1}),
    limits=((0, 0, 0), (INF, 1, 0)),
    monotone=True,
    range=(0, INF),
    requires=(("b > 0", lambda p: p["b"] > 0),),
)
"""(x + sqrt(x^2 + b)) / 2 (Barron 2021)."""
