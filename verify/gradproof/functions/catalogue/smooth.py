"""The catalogued functions: one definition each, parameters named as in torch.nn.functional.

Constants are exact decimal text where their authors published decimals: GELU's tanh form with 0.044715
(Hendrycks, Gimpel 2016), SELU's alpha and scale (Klambauer et al. 2017, as published with the reference code).
Binary fractions such as ``0.5`` are exact as they stand.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

from gradproof.functions.function import Exact, Function, exact

INF: Final = "inf"
SELU_ALPHA: Final = "1.6732632423543772848170429916717"
SELU_SCALE: Final = "1.0507009873554804934193349852946"


def _zero(m: Any, x: Any) -> Any:
    return 0 * x


def _identity(m: Any, x: Any, **_: Any) -> Any:
    return x


def _six(m: Any, x: Any) -> Any:
    return 0 * x + 6


def _at_minus_infinity(slope: Fraction) -> Exact:
    return 0 if slope == 0 else "-inf" if slope > 0 else INF


def _gelu_tanh(m: Any, x: Any) -> Any:
    # x/2 (1 + tanh z) = x sigmoid(2 z), which does not cancel for negative z.
    z = m.sqrt(2 / m.pi) * (x + m.real("0.044715") * x * x * x)
    return x * m.sigmoid(2 * z)


RELU: Final = Function(
    "relu",
    (_zero, _identity),
    breakpoints=(0,),
    limits=((0, 0, 0), (INF, 1, 0)),
    monotone=True,
    range=(0, INF),
)
LEAKY_RELU: Final = Function(
    "leaky_relu",
    (lambda m, x, negative_slope: negative_slope * x, _identity),
    params={"negative_slope": 0.01},
    breakpoints=(0,),
    limits=((lambda p: _at_minus_infinity(p["negative_slope"]), lambda p: p["negative_slope"], 0), (INF, 1, 0)),
)
PRELU: Final = Function(
    "prelu",
    (lambda m, x, weight: weight * x, _identity),
    params={"weight": 0.25},
    breakpoints=(0,),
    limits=((lambda p: _at_minus_infinity(p["weight"]), lambda p: p["weight"], 0), (INF, 1, 0)),
)
RELU6: Final = Function(
    "relu6",
    (_zero, _identity, _six),
    breakpoints=(0, 6),
    limits=((0, 0, 0), (6, 0, 0)),
    monotone=True,
    range=(0, 6),
)
HARDTANH: Final = Function(
    "hardtanh",
    (lambda m, x, min, max: 0 * x + min, _identity, lambda m, x, min, max: 0 * x + max),
    params={"min": -1.0, "max": 1.0},
    breakpoints=(lambda p: p["min"], lambda p: p["max"]),
    limits=((lambda p: p["min"], 0, 0), (lambda p: p["max"], 0, 0)),
    monotone=True,
    requires=(("min <= max", lambda p: p["min"] <= p["max"]),),
)
ELU: Final = Function(
    "elu",
    (lambda m, x, alpha: alpha * m.expm1(x), _identity),
    params={"alpha": 1.0},
    breakpoints=(0,),
    limits=((lambda p: -p["alpha"], 0, 0), (INF, 1, 0)),
)
SELU: Final = Function(
    "selu",
    (
        lambda m, x: m.real(SELU_SCALE) * m.real(SELU_ALPHA) * m.expm1(x),
        lambda m, x: m.real(SELU_SCALE) * x,
    ),
    breakpoints=(0,),
    limits=(
        (lambda p: -exact(SELU_SCALE) * exact(SELU_ALPHA), 0, 0),
        (INF, SELU_SCALE, 0),
    ),
    monotone=True,
)
GELU: Final = Function("gelu", (lambda m, x: 0.5 * x * m.erfc(-x / m.sqrt(2)),), limits=((0, 0, 0), (INF, 1, 0)))
GELU_TANH: Final = Function("gelu_tanh", (_gelu_tanh,), limits=((0, 0, 0), (INF, 1, 0)))
SILU: Final = Function("silu", (lambda m, x: x * m.sigmoid(x),), limits=((0, 0, 0), (INF, 1, 0)))
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

CATALOGUE: Final[tuple[Function, ...]] = (
    RELU, LEAKY_RELU, PRELU, RELU6, HARDTANH, ELU, SELU, GELU, GELU_TANH,
    SILU, SOFTPLUS, SIGMOID, LOGSIGMOID, TANH,
)  # fmt: skip
"""Every catalogued function with its default parameters, in the order reports show them."""
