"""Identities between catalogued functions, over Taylor coefficients taken from one of the oracle's routes.

An identity is written once, over ``At``: the series in h of catalogued functions at x + h, combined by FLINT's own
series. Both sides are then compared coefficient by coefficient, so that one identity checks orders 0 to 3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import flint
from flint import arb, arb_series, fmpq

from gradproof.functions import Function, exact, get_function
from gradproof.oracle import Dyadic, arb_route, mpmath_route

ORDERS = 4
FACTORIALS = (1, 1, 2, 6)
SELU_SCALE = Fraction("1.0507009873554804934193349852946")
SELU_ALPHA = Fraction("1.6732632423543772848170429916717")


class OnKink(Exception):
    """The point lies on a breakpoint of a function involved, where it has no series."""


def ball(value: Fraction | int | str) -> Any:
    """The enclosure of a rational number."""
    fraction = Fraction(value)
    return arb(fmpq(fraction.numerator, fraction.denominator))


def _dyadic(value: Dyadic) -> Any:
    return arb(value.man) * arb(2) ** value.exp


class At:
    """The point x (or the interval [x, x + width]) at which an identity is looked at, in some precision.

    ``route`` is ``arb`` (enclosures) or ``mpmath`` (its values, taken as if exact). ``faults`` replaces catalogued
    functions by name. ``largest`` is the largest coefficient met.
    """

    def __init__(
        self,
        x: Fraction,
        precision: int,
        route: str = "arb",
        width: Fraction = Fraction(0),
        faults: Mapping[str, Function] | None = None,
    ) -> None:
        self.point, self.precision, self.route, self.width = x, precision, route, width
        self.faults = faults or {}
        self.largest = 1.0

    @property
    def x(self) -> Any:
        """The series of the variable itself."""
        low, high = ball(self.point), ball(self.point + self.width)
        return arb_series([low.union(high) if self.width else low, 1], prec=ORDERS)

    def f(self, name: str, scale: Fraction | int = 1, shift: int = 0, **params: Any) -> Any:
        """The series in h of the function called ``name`` at scale (x + h) + shift."""
        low = scale * self.point + shift
        high = scale * (self.point + self.width) + shift
        coefficients = self._coefficients(name, min(low, high), max(low, high), params)
        return arb_series([c * ball(Fraction(scale) ** k) for k, c in enumerate(coefficients)], prec=ORDERS)

    def of(self, name: str, inner: Any, **params: Any) -> Any:
        """The series of the function called ``name`` at a series."""
        start = inner[0]
        if not start.is_finite():
            return inner
        ends = [Dyadic(*map(int, end.man_exp())).fraction() for end in (start.lower(), start.upper())]
        if self.route == "mpmath":
            middle = start.mid()
            ends = [Dyadic(*map(int, middle.man_exp())).fraction()] * 2
        total = arb_series([0], prec=ORDERS)
        for c in reversed(self._coefficients(name, ends[0], ends[1], params)):
            total = total * (inner - start) + c
        return total

    def _coefficients(self, name: str, low: Fraction, high: Fraction, params: Mapping[str, Any]) -> list[Any]:
        f = self.faults.get(name, get_function(name)).bind(params)
        if any(low <= point <= high for point in f.breaks):
            raise OnKink
        piece = f.piece_at(low)
        if self.route == "mpmath":
            values = [_dyadic(v) for v in mpmath_route.derivatives(f, piece, low, self.precision)]
        else:
            values = [_enclosure(e) for e in self._enclosures(f, piece, low, high)]
        self.largest = max(self.largest, *(abs(float(v)) for v in values))
        return [v / n for v, n in zip(values, FACTORIALS, strict=True)]

    def _enclosures(self, f: Function, piece: int, low: Fraction, high: Fraction) -> list[tuple[Dyadic, Dyadic] | None]:
        if low == high:
            return arb_route.enclosures(f, piece, low, self.precision)
        return arb_route.enclosures_over(f, piece, low, high, self.precision)


def _enclosure(ends: tuple[Dyadic, Dyadic] | None) -> Any:
    return arb("nan") if ends is None else _dyadic(ends[0]).union(_dyadic(ends[1]))


def slope(series: Any) -> Any:
    """The series of the derivative, one coefficient shorter."""
    return arb_series([series[1], 2 * series[2], 3 * series[3]], prec=ORDERS - 1)


def constant(value: Any) -> Any:
    """A constant as a series."""
    return arb_series([value if isinstance(value, arb) else ball(value)], prec=ORDERS)


class Identity(NamedTuple):
    """``sides`` gives both sides at a point; the functions in ``names`` appear in them."""

    title: str
    names: tuple[str, ...]
    sides: Callable[[At], tuple[Any, Any]]
    low: Fraction = Fraction(-800)
    high: Fraction = Fraction(800)
    orders: int = ORDERS


def _identity(title: str, names: str, sides: Callable[[At], tuple[Any, Any]], **limits: Any) -> Identity:
    return Identity(
        title, tuple(names.split()), sides, **{k: exact(v) if k != "orders" else v for k, v in limits.items()}
    )


def _gate(name: str) -> Identity:
    return _identity(f"{name}(x) - {name}(-x) = x", name, lambda e: (e.f(name) - e.f(name, -1), e.x))


def _gauss(e: At) -> tuple[Any, Any]:
    return slope(e.f("erf")), e.of("exp", -e.x * e.x) * (2 / arb.pi().sqrt())


def _gelu_tanh(e: At) -> tuple[Any, Any]:
    z = (2 / arb.pi()).sqrt() * (e.x + ball("0.044715") * e.x * e.x * e.x)
    return e.f("gelu_tanh"), e.x * (1 + e.of("tanh", z)) / 2


def _mish(e: At) -> tuple[Any, Any]:
    square = (1 + e.f("exp")) * (1 + e.f("exp"))
    return e.f("mish") * (square + 1), e.x * (square - 1)


def _squareplus_slope(e: At) -> tuple[Any, Any]:
    return slope(e.f("squareplus")) * (e.f("squareplus") + e.f("squareplus", -1)), e.f("squareplus")


def _selu(e: At) -> tuple[Any, Any]:
    return e.f("selu"), e.f("elu", alpha=SELU_ALPHA) * ball(SELU_SCALE)


IDENTITIES: tuple[Identity, ...] = (
    _identity("sigmoid(-x) = 1 - sigmoid(x)", "sigmoid", lambda e: (e.f("sigmoid", -1), 1 - e.f("sigmoid"))),
    _identity(
        "sigmoid' = sigmoid (1 - sigmoid)",
        "sigmoid",
        lambda e: (slope(e.f("sigmoid")), e.f("sigmoid") * (1 - e.f("sigmoid"))),
        orders=3,
    ),
    _identity("softplus' = sigmoid", "softplus sigmoid", lambda e: (slope(e.f("softplus")), e.f("sigmoid")), orders=3),
    _identity("softplus = log1p(exp)", "softplus log1p exp", lambda e: (e.f("softplus"), e.of("log1p", e.f("exp")))),
    _identity("softplus(x) - softplus(-x) = x", "softplus", lambda e: (e.f("softplus") - e.f("softplus", -1), e.x)),
    _identity(
        "3 softplus(x, beta=3) = log1p(exp(3x))",
        "softplus log1p exp",
        lambda e: (3 * e.f("softplus", beta=3), e.of("log1p", e.f("exp", 3))),
    ),
    _identity(
        "softplus_threshold(x) = softplus(x) up to 20",
        "softplus_threshold softplus",
        lambda e: (e.f("softplus_threshold"), e.f("softplus")),
        high=20,
    ),
    _identity(
        "softplus_threshold(x) = x beyond 20", "softplus_threshold", lambda e: (e.f("softplus_threshold"), e.x), low=20
    ),
    _identity(
        "logsigmoid(x) = -softplus(-x)", "logsigmoid softplus", lambda e: (e.f("logsigmoid"), -e.f("softplus", -1))
    ),
    _identity(
        "exp(logsigmoid) = sigmoid",
        "exp logsigmoid sigmoid",
        lambda e: (e.of("exp", e.f("logsigmoid")), e.f("sigmoid")),
    ),
    _identity("erf + erfc = 1", "erf erfc", lambda e: (e.f("erf") + e.f("erfc"), constant(1))),
    _identity("erfc(-x) = 2 - erfc(x)", "erfc", lambda e: (e.f("erfc", -1), 2 - e.f("erfc"))),
    _identity("erf' = 2/sqrt(pi) exp(-x^2)", "erf exp", _gauss, orders=3),
    _identity("tanh(x) = 2 sigmoid(2x) - 1", "tanh sigmoid", lambda e: (e.f("tanh"), 2 * e.f("sigmoid", 2) - 1)),
    _identity("tanh' = 1 - tanh^2", "tanh", lambda e: (slope(e.f("tanh")), 1 - e.f("tanh") * e.f("tanh")), orders=3),
    _identity("tanhshrink = x - tanh", "tanhshrink tanh", lambda e: (e.f("tanhshrink"), e.x - e.f("tanh"))),
    _gate("gelu"),
    _gate("gelu_tanh"),
    _gate("quick_gelu"),
    _gate("silu"),
    _identity(
        "gelu = x/2 (1 + erf(x/sqrt 2))",
        "gelu erf",
        lambda e: (e.f("gelu"), e.x * (1 + e.of("erf", e.x / arb(2).sqrt())) / 2),
    ),
    _identity("gelu_tanh = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))", "gelu_tanh tanh", _gelu_tanh),
    _identity(
        "quick_gelu(x) = x sigmoid(1.702 x)",
        "quick_gelu sigmoid",
        lambda e: (e.f("quick_gelu"), e.x * e.f("sigmoid", Fraction("1.702"))),
    ),
    _identity("silu = x sigmoid", "silu sigmoid", lambda e: (e.f("silu"), e.x * e.f("sigmoid"))),
    _identity(
        "mish = x tanh(softplus)", "mish tanh softplus", lambda e: (e.f("mish"), e.x * e.of("tanh", e.f("softplus")))
    ),
    _identity("mish ((1 + exp)^2 + 1) = x ((1 + exp)^2 - 1)", "mish exp", _mish),
    _identity("celu(1) = elu(1)", "celu elu", lambda e: (e.f("celu", alpha=1), e.f("elu", alpha=1))),
    _identity(
        "celu(x, alpha=1/4) = elu(4x)/4",
        "celu elu",
        lambda e: (e.f("celu", alpha=Fraction(1, 4)), e.f("elu", 4, alpha=1) / 4),
    ),
    _identity(
        "elu(x, alpha=2) = 2 expm1(x) left of 0",
        "elu expm1",
        lambda e: (e.f("elu", alpha=2), 2 * e.f("expm1")),
        high=0,
    ),
    _identity("selu = scale elu(alpha)", "selu elu", _selu),
    _identity("exp = 1 + expm1", "exp expm1", lambda e: (e.f("exp"), 1 + e.f("expm1"))),
    _identity("exp(x) exp(-x) = 1", "exp", lambda e: (e.f("exp") * e.f("exp", -1), constant(1))),
    _identity("exp' = exp", "exp", lambda e: (slope(e.f("exp")), e.f("exp")), orders=3),
    _identity("expm1(-x) exp(x) = -expm1(x)", "expm1 exp", lambda e: (e.f("expm1", -1) * e.f("exp"), -e.f("expm1"))),
    _identity("log1p(expm1(x)) = x", "log1p expm1", lambda e: (e.of("log1p", e.f("expm1")), e.x)),
    _identity(
        "expm1(log1p(x)) = x", "expm1 log1p", lambda e: (e.of("expm1", e.f("log1p")), e.x), low=Fraction(-1023, 1024)
    ),
    _identity(
        "(1 + x) log1p' = 1",
        "log1p",
        lambda e: ((1 + e.x) * slope(e.f("log1p")), constant(1)),
        low=Fraction(-1023, 1024),
        orders=3,
    ),
    _identity("softsign(x) (1 + |x|) = x", "softsign abs", lambda e: (e.f("softsign") * (1 + e.f("abs")), e.x)),
    _identity(
        "squareplus(x) squareplus(-x) = b/4",
        "squareplus",
        lambda e: (e.f("squareplus", b=3) * e.f("squareplus", -1, b=3), constant(Fraction(3, 4))),
    ),
    _gate("squareplus"),
    _identity("squareplus' (squareplus(x) + squareplus(-x)) = squareplus", "squareplus", _squareplus_slope, orders=3),
    _identity(
        "hardswish = x hardsigmoid", "hardswish hardsigmoid", lambda e: (e.f("hardswish"), e.x * e.f("hardsigmoid"))
    ),
    _identity(
        "hardsigmoid(x) = relu6(x + 3)/6",
        "hardsigmoid relu6",
        lambda e: (e.f("hardsigmoid"), e.f("relu6", shift=3) / 6),
    ),
    _identity("relu6 = hardtanh(0, 6)", "relu6 hardtanh", lambda e: (e.f("relu6"), e.f("hardtanh", min=0, max=6))),
    _identity(
        "clamp = hardtanh", "clamp hardtanh", lambda e: (e.f("clamp", min=-2, max=3), e.f("hardtanh", min=-2, max=3))
    ),
    _identity("relu = maximum0", "relu maximum0", lambda e: (e.f("relu"), e.f("maximum0"))),
    _identity(
        "threshold(0, 0) = relu", "threshold relu", lambda e: (e.f("threshold", threshold=0, value=0), e.f("relu"))
    ),
    _identity("|x| = relu(x) + relu(-x)", "abs relu", lambda e: (e.f("abs"), e.f("relu") + e.f("relu", -1))),
    _identity(
        "leaky_relu(x, 1/8) = relu(x) - relu(-x)/8",
        "leaky_relu relu",
        lambda e: (e.f("leaky_relu", negative_slope=Fraction(1, 8)), e.f("relu") - e.f("relu", -1) / 8),
    ),
    _identity(
        "prelu(w) = leaky_relu(w)",
        "prelu leaky_relu",
        lambda e: (e.f("prelu", weight=Fraction(1, 3)), e.f("leaky_relu", negative_slope=Fraction(1, 3))),
    ),
    _identity(
        "softshrink(x, 2) = x - clamp(x, -2, 2)",
        "softshrink clamp",
        lambda e: (e.f("softshrink", lambd=2), e.x - e.f("clamp", min=-2, max=2)),
    ),
    _identity(
        "hardshrink(x, 2) = threshold(x, 2, 0) - threshold(-x, 2, 0)",
        "hardshrink threshold",
        lambda e: (
            e.f("hardshrink", lambd=2),
            e.f("threshold", threshold=2, value=0) - e.f("threshold", -1, threshold=2, value=0),
        ),
    ),
)


def coefficients(identity: Identity, e: At) -> list[tuple[Any, Any]]:
    """Both sides' coefficients at a point, lowest order first."""
    with flint.ctx.workprec(e.precision):
        left, right = identity.sides(e)
        return [(left[k], right[k]) for k in range(identity.orders)]
