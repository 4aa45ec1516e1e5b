"""Functions whose pieces are polynomials: the ReLU family, clamps, hard sigmoids and shrinkage."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

from gradproof.functions.function import Exact, Function, exact

INF: Final = "inf"
Params = Mapping[str, Fraction]


def zero(m: Any, x: Any, **_: Any) -> Any:
    """The constant 0."""
    return 0 * x


def identity(m: Any, x: Any, **_: Any) -> Any:
    """x itself."""
    return x


def _constant(value: int) -> Any:
    return lambda m, x, **_: 0 * x + value


def _sloped(slope: str) -> dict[str, Any]:
    """Limits and shape of a piece ``slope * x`` on the left of the identity."""

    def at_minus_infinity(params: Params) -> Exact:
        return 0 if params[slope] == 0 else "-inf" if params[slope] > 0 else INF

    def shape(params: Params) -> dict[str, Any]:
        if params[slope] < 0:
            return {"monotone": False, "range": (0, INF), "turns": (0,), "directions": (-1, 1)}
        low = "-inf" if params[slope] else 0
        return {"monotone": True, "range": (low, INF), "turns": (), "directions": (1,), "odd": params[slope] == 1}

    return {"limits": ((at_minus_infinity, lambda p: p[slope], 0), (INF, 1, 0)), "shape": shape}


def _clamped(name: str) -> Function:
    return Function(
        name,
        (lambda m, x, min, max: 0 * x + min, identity, lambda m, x, min, max: 0 * x + max),
        params={"min": -1.0, "max": 1.0},
        breakpoints=(lambda p: p["min"], lambda p: p["max"]),
        limits=((lambda p: p["min"], 0, 0), (lambda p: p["max"], 0, 0)),
        # Between 0 and 0 it is the constant 0, which owes no sign to a zero.
        shape=lambda p: {"monotone": True, "range": (p["min"], p["max"]), "odd": p["min"] == -p["max"] != 0},
        requires=(("min <= max", lambda p: p["min"] <= p["max"]),),
    )


def _threshold_shape(params: Params) -> dict[str, Any]:
    low = min(params["threshold"], params["value"])
    if params["value"] <= params["threshold"]:
        return {"monotone": True, "range": (low, INF), "turns": (), "directions": (1,)}
    return {"monotone": False, "range": (low, INF), "turns": (params["threshold"],), "directions": (1, 1)}


def _rectified(name: str) -> Function:
    return Function(
        name, (zero, identity), breakpoints=(0,), limits=((0, 0, 0), (INF, 1, 0)), monotone=True, range=(0, INF)
    )


RELU: Final = _rectified("relu")
MAXIMUM0: Final = _rectified("maximum0")
"""max(x, 0): the same function, for implementations that split the gradient of a tie."""
LEAKY_RELU: Final = Function(
    "leaky_relu",
    (lambda m, x, negative_slope: negative_slope * x, identity),
    params={"negative_slope": 0.01},
    breakpoints=(0,),
    **_sloped("negative_slope"),
)
PRELU: Final = Function(
    "prelu",
    (lambda m, x, weight: weight * x, identity),
    params={"weight": 0.25},
    breakpoints=(0,),
    **_sloped("weight"),
)
RELU6: Final = Function(
    "relu6",
    (zero, identity, _constant(6)),
    breakpoints=(0, 6),
    limits=((0, 0, 0), (6, 0, 0)),
    monotone=True,
    range=(0, 6),
)
THRESHOLD: Final = Function(
    "threshold",
    (lambda m, x, threshold, value: 0 * x + value, identity),
    params={"threshold": 1.0, "value": 0.0},
    breakpoints=(lambda p: p["threshold"],),
    closed="left",
    limits=((lambda p: p["value"], 0, 0), (INF, 1, 0)),
    shape=_threshold_shape,
)
"""x where x > threshold, else value: discontinuous unless the two are equal."""
CLAMP: Final = _clamped("clamp")
HARDTANH: Final = _clamped("hardtanh")
ABS: Final = Function(
    "abs",
    (lambda m, x: -x, identity),
    breakpoints=(0,),
    limits=((INF, -1, 0), (INF, 1, 0)),
    even=True,
    range=(0, INF),
    turns=(0,),
    directions=(-1, 1),
)
HARDSIGMOID: Final = Function(
    "hardsigmoid",
    (zero, lambda m, x: (x + 3) / 6, _constant(1)),
    breakpoints=(-3, 3),
    limits=((0, 0, 0), (1, 0, 0)),
    monotone=True,
    range=(0, 1),
)
"""relu6(x + 3) / 6 (Howard et al. 2019, section 5.2)."""
HARDSWISH: Final = Function(
    "hardswish",
    (zero, lambda m, x: x * (x + 3) / 6, identity),
    breakpoints=(-3, 3),
    limits=((0, 0, 0), (INF, 1, 0)),
    range=(exact("-3/8"), INF),
    turns=(exact("-3/2"),),
    directions=(-1, 1),
)
"""x hardsigmoid(x) (Howard et al. 2019, section 5.2)."""
_SHRUNK: Final = (("lambd >= 0", lambda p: p["lambd"] >= 0),)
HARDSHRINK: Final = Function(
    "hardshrink",
    (identity, zero, identity),
    params={"lambd": 0.5},
    breakpoints=(lambda p: -p["lambd"], lambda p: p["lambd"]),
    closed=("right", "left"),
    limits=(("-inf", 1, 0), (INF, 1, 0)),
    odd=True,
    monotone=True,
    range=("-inf", INF),
    requires=_SHRUNK,
)
"""x where |x| > lambd, else 0: jumps by lambd at both ends."""
SOFTSHRINK: Final = Function(
    "softshrink",
    (lambda m, x, lambd: x + lambd, zero, lambda m, x, lambd: x - lambd),
    params={"lambd": 0.5},
    breakpoints=(lambda p: -p["lambd"], lambda p: p["lambd"]),
    limits=(("-inf", 1, 0), (INF, 1, 0)),
    odd=True,
    monotone=True,
    range=("-inf", INF),
    requires=_SHRUNK,
)
